"""GET /v2/stamps/{scorer_id}/score/{address}: the old side of a rollout.

A small Lambda function behind a load balancer, for the local cloud only. It
reads and writes the same tables as the Rust scorer and gives the same answers
to the same requests, as far as this list goes.

Left out, so that nobody takes it for the contract:

- stamps' signatures are not verified: every stamp of a trusted issuer counts;
- API keys hashed with PBKDF2 are refused (401), and there is no rate limit;
- demo keys and negative scorer ids do not exist (401, 404);
- a nullifier that a wallet has twice fails its score; the service fails only where both
  have to be added, not where an expired link is taken over;
- a nullifier beside one that clashes gets the other owner's link whatever link it has; the
  service fails the score where there is one already;
- the real service is a Django application whose ORM asks for more than it needs
  (37 round trips for three new stamps). This one has no framework and asks once.

It leaves the same rows as the real service, each statement committed by itself as
there. A comparison of speed is kind to it: it checks no signature.

Environment: DATABASE_URL, TRUSTED_IAM_ISSUERS (JSON list), FF_MULTI_NULLIFIER
and FF_API_ANALYTICS (`on` or anything else), LOCAL_CLOUD_FAULTS (`1` lets a request header break
this function on purpose).
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import re
import time
from dataclasses import dataclass
from datetime import datetime, timezone

import psycopg

import scoring
import store

log = logging.getLogger("python-scorer")

ADDRESS = re.compile(r"(0x)?[0-9a-f]{40}")
HEADERS = {
    "Content-Type": "application/json",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "*",
    "Access-Control-Allow-Headers": "Accept,Accept-Encoding,Authorization,Content-Type,Dnt,"
    "Origin,User-Agent,X-Csrftoken,X-Requested-With,X-Api-Key",
}
FAULTS = os.environ.get("LOCAL_CLOUD_FAULTS") == "1"
ANALYTICS = os.environ.get("FF_API_ANALYTICS") == "on"
SETTINGS = scoring.Settings(
    trusted_issuers=json.loads(os.environ.get("TRUSTED_IAM_ISSUERS", "[]")),
    multi_nullifier=os.environ.get("FF_MULTI_NULLIFIER") == "on",
)
DATABASE = store.Store(os.environ["DATABASE_URL"])


class Refusal(Exception):
    """An answer other than 200."""

    def __init__(self, status, error, description=None):
        super().__init__(error)
        self.status = status
        self.error = error
        self.description = error if description is None else description


def handler(event, _context):
    """One request of the load balancer, answered in its form."""
    try:
        if FAULTS:
            break_on_purpose(event)
        visit = authenticate(event)
    except Refusal as refusal:
        return refuse(refusal.status, refusal.error, refusal.description)
    except psycopg.Error as error:
        return broken(error)
    except Exception as error:
        return surprised(error)
    answered = attempt(visit)
    note(visit, answered)
    return answered


def attempt(visit):
    """The answer to an authenticated request, whatever it is."""
    try:
        return reply(200, "200 OK", json.dumps(answer(visit), separators=(",", ":")))
    except Refusal as refusal:
        return refuse(refusal.status, refusal.error, refusal.description)
    except psycopg.Error as error:
        return broken(error)
    except Exception as error:
        return surprised(error)


def broken(error):
    log.error("database error", exc_info=error)
    name = type(error).__name__
    return refuse(500, f"DB Error: {name}", name)


def surprised(error):
    """The contract has one answer for every surprise."""
    log.error("request failed", exc_info=error)
    return refuse(500, "An error has occurred", str(error))


def note(visit, answered):
    """The analytics row, which costs nobody an answer."""
    if not ANALYTICS or "queryStringParameters" not in visit.event or "path" not in visit.event:
        return
    error = None if answered["statusCode"] == 200 else answered["statusDescription"]
    try:
        DATABASE.note(visit.found.key, visit.event, visit.payload, answered, error, visit.now)
    except Exception:
        log.exception("no analytics row")


def reply(status, description, body):
    return {
        "statusCode": status,
        "statusDescription": description,
        "isBase64Encoded": False,
        "headers": HEADERS,
        "body": body,
    }


def refuse(status, error, description):
    answer = reply(status, description, json.dumps({"error": error}))
    answer["statusCategory"] = f"{status // 100}XX"
    return answer


@dataclass
class Visit:
    """A request whose key is right."""

    event: dict
    found: store.Found
    segments: list | None
    now: datetime
    payload: object = None  # the parsed body, once it is reached


def authenticate(event):
    key = event.get("headers", {}).get("x-api-key", "")
    segments = event["path"].split("/") if "path" in event else None
    scorer = segments[-3] if segments and len(segments) >= 3 else None
    # One round trip finds key, community and scorer; they are judged in turn.
    found = DATABASE.find(prefix=key.split(".")[0], scorer=scorer, number=scorer_number(scorer))
    check_key(key, found)
    return Visit(event, found, segments, datetime.now(timezone.utc))


def answer(visit):
    """The body of a 200, or a Refusal; steps in the contract's order."""
    found, segments, now = visit.found, visit.segments, visit.now
    visit.payload = parse_body(visit.event)
    segments[-3]  # too few segments: an IndexError, which the contract answers with 500
    if found.community is None:
        raise Refusal(404, "No scorer matches the given criteria.")
    address = segments[-1].lower()
    if not ADDRESS.fullmatch(address):
        raise Refusal(400, "Invalid address.")
    if found.threshold is None:
        raise LookupError("WeightedScorer matching query does not exist.")

    try:
        if found.rule != "LIFO":
            raise ValueError("Invalid rule")
        score = scoring.score(
            SETTINGS,
            address=address,
            stamps=DATABASE.stamps(address),
            weights=found.weights,
            threshold=found.threshold,
            find_links=lambda nullifiers: DATABASE.links(found.community, nullifiers),
            now=now,
        )
    except psycopg.Error:
        raise
    except Exception as error:  # a score that fails is an answer of its own
        score = scoring.failed(str(error))
    DATABASE.write(found.community, address, score, now)
    return score.body(address, now)


def scorer_number(scorer):
    """The id that a path segment names, as Python reads integers, or None."""
    try:
        number = int(scorer)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < 2**63 else None


def check_key(key, found):
    expected = found.key_hash if found else None
    digest = "sha256$" + hashlib.sha256(key.encode()).hexdigest()
    if not expected or not hmac.compare_digest(digest.encode(), expected.encode()):
        raise Refusal(401, "Invalid API Key.")


def parse_body(event):
    """A body that cannot be read is a 500, though only the analytics row needs it."""
    encoded = event["isBase64Encoded"]
    body = event.get("body")
    return json.loads(base64.b64decode(body) if encoded else body) if body else {}


def break_on_purpose(event):
    """Does what the header x-local-cloud-fault says; the demo's own sabotage."""
    kind, _, value = (event.get("headers") or {}).get("x-local-cloud-fault", "").partition("=")
    if kind == "error":
        raise Refusal(500, "An error has occurred", "fault injected")
    if kind == "latency":
        time.sleep(int(value) / 1000)
    elif kind == "crash":
        os._exit(1)
    elif kind == "hang":
        while True:
            time.sleep(3600)
    elif kind:
        raise ValueError("x-local-cloud-fault must be error, latency=MS, crash or hang")
