"""The tables, over one connection that is opened again once when it is lost."""

import os
from decimal import Decimal
from typing import NamedTuple

import psycopg
from psycopg.types.json import Jsonb

# Everything that does not depend on the wallet. An external id wins over the
# community with that number.
FIND = """
SELECT k.id, coalesce(k.hashed_key_sha256, k.hashed_key),
       c.id, c.rule, coalesce(w.threshold, b.threshold), coalesce(w.weights, b.weights),
       (SELECT jsonb_object_agg(provider, weight::text) FROM (
           SELECT 'AllowList#' || l.name AS provider, a.weight
             FROM account_allowlist a JOIN account_addresslist l ON l.id = a.address_list_id
            WHERE a.customization_id = z.id
           UNION ALL
           SELECT r.provider_id, cc.weight
             FROM account_customcredential cc
             JOIN account_customcredentialruleset r ON r.id = cc.ruleset_id
            WHERE cc.customization_id = z.id) own)
  FROM account_accountapikey k
  LEFT JOIN LATERAL (
       SELECT * FROM account_community
        WHERE account_id = k.account_id AND (external_scorer_id = %(scorer)s OR id = %(number)s)
        ORDER BY external_scorer_id = %(scorer)s DESC NULLS LAST LIMIT 1) c ON true
  LEFT JOIN scorer_weighted_scorer s ON s.id = c.scorer_id
  LEFT JOIN scorer_weighted_weightedscorer w
         ON w.scorer_ptr_id = s.id AND s.type = 'WEIGHTED'
  LEFT JOIN scorer_weighted_binaryweightedscorer b
         ON b.scorer_ptr_id = s.id AND s.type = 'WEIGHTED_BINARY'
  LEFT JOIN account_customization z ON z.scorer_id = c.id
 WHERE k.prefix = %(prefix)s
"""

STAMPS = """
SELECT DISTINCT ON (provider) provider, stamp
  FROM ceramic_cache_ceramiccache c
 WHERE address = %s AND deleted_at IS NULL
   AND NOT EXISTS (SELECT FROM ceramic_cache_revocation r WHERE r.ceramic_cache_id = c.id)
 ORDER BY provider, updated_at DESC
"""

LINKS = """
SELECT hash, address, expires_at FROM registry_hashscorerlink
 WHERE community_id = %s AND hash = ANY(%s)
"""

# The real service commits each statement by itself, and so does this one.
PASSPORT = """
SELECT id FROM registry_passport WHERE address = %s AND community_id = %s FOR UPDATE
"""

NEW_PASSPORT = """
INSERT INTO registry_passport (address, community_id) VALUES (%s, %s)
ON CONFLICT (address, community_id) DO UPDATE SET address = EXCLUDED.address
RETURNING id
"""

NO_STAMPS = "DELETE FROM registry_stamp WHERE passport_id = %s"

STAMP = "INSERT INTO registry_stamp (passport_id, provider, credential) VALUES (%s, %s, %s)"

# A link that somebody else took since we looked stays theirs; this wallet loses
# the stamp at its next request.
LINK = """
INSERT INTO registry_hashscorerlink (hash, community_id, address, expires_at)
SELECT hash, %(community)s, address, expires
  FROM unnest(%(hashes)s::text[], %(owners)s::text[], %(expiries)s::timestamptz[])
       AS l (hash, address, expires)
 ORDER BY hash
ON CONFLICT (hash, community_id) DO UPDATE
   SET address = EXCLUDED.address, expires_at = EXCLUDED.expires_at
 WHERE registry_hashscorerlink.address = EXCLUDED.address
    OR registry_hashscorerlink.expires_at <= %(now)s
"""

SCORE = """
INSERT INTO registry_score AS score (passport_id, score, status, error, evidence, stamp_scores,
                                     stamps, expiration_date, last_score_timestamp)
VALUES (%(passport)s, %(score)s, %(status)s, %(error)s, %(evidence)s, %(stamp_scores)s,
        %(stamps)s, %(expires)s, %(scored_at)s)
ON CONFLICT (passport_id) DO UPDATE
   SET (score, status, error, evidence, stamp_scores, stamps, expiration_date,
        last_score_timestamp)
     = (EXCLUDED.score, EXCLUDED.status, EXCLUDED.error, EXCLUDED.evidence,
        EXCLUDED.stamp_scores, EXCLUDED.stamps, EXCLUDED.expiration_date,
        EXCLUDED.last_score_timestamp)
RETURNING id
"""

EVENT = """
INSERT INTO registry_event (action, address, created_at, data, community_id)
VALUES (%s, %s, %s, %s, %s)
"""

ANALYTICS = """
INSERT INTO account_accountapikeyanalytics
       (created_at, path, api_key_id, error, headers, path_segments, payload, query_params,
        response, response_skipped, status_code)
VALUES (%(now)s, %(path)s, %(api_key)s, %(error)s, %(headers)s, %(segments)s, %(payload)s,
        %(query)s, %(response)s, false, %(status)s)
"""


# Two writers of one wallet's links may wait for each other; PostgreSQL then ends
# one of them, and repeating its statement is all that is needed.
MOST_DEADLOCKS = 5

SECRET = ("x-api-key", "authorization", "cookie")

CONNECT_TIMEOUT_SECS = max(2, int(os.environ.get("DATABASE_CONNECT_TIMEOUT_MS", "2000")) // 1000)


class Found(NamedTuple):
    key: str  # primary key
    key_hash: str
    community: int | None
    rule: str | None
    threshold: Decimal | None  # None: the scorer has no row
    weights: dict | None


class Store:
    def __init__(self, url):
        self.url = url
        self.connection = None

    def run(self, sql, values):
        """Executes one statement that may be repeated, opening the connection if needed."""
        lost, deadlocks = False, 0
        while True:
            try:
                return self.open().execute(sql, values)
            except psycopg.errors.DeadlockDetected:
                deadlocks += 1
                if deadlocks > MOST_DEADLOCKS:
                    raise
            except psycopg.OperationalError:
                if lost or self.connection is None or not self.connection.broken:
                    raise
                lost, self.connection = True, None

    def open(self):
        if self.connection is None or self.connection.closed:
            # No named statements: behind a transaction pooler they belong to nobody.
            self.connection = psycopg.connect(
                self.url,
                autocommit=True,
                prepare_threshold=None,
                connect_timeout=CONNECT_TIMEOUT_SECS,
            )
        return self.connection

    def find(self, *, prefix, scorer, number):
        """Key, and what it may see under `scorer`; None without such a key."""
        values = {"prefix": prefix, "scorer": scorer, "number": number}
        row = self.run(FIND, values).fetchone()
        if row is None:
            return None
        weights, own = row[5], row[6]
        return Found(*row[:5], {**weights, **own} if weights is not None and own else weights)

    def stamps(self, address):
        return self.run(STAMPS, (address,)).fetchall()

    def links(self, community, nullifiers):
        rows = self.run(LINKS, (community, nullifiers)).fetchall()
        return {nullifier: (address, expires) for nullifier, address, expires in rows}

    def write(self, community, address, score, now):
        """Everything that a score leaves behind."""
        row = self.run(PASSPORT, (address, community)).fetchone()
        row = row or self.run(NEW_PASSPORT, (address, community)).fetchone()
        passport = row[0]
        if score.settled:
            self.write_stamps(passport, community, score, now)
            for provider, nullifiers in score.deduplicated:
                data = {"nullifiers": nullifiers, "provider": provider, "community_id": community}
                self.run(EVENT, ("LDP", address, now, Jsonb(data), community))
        done = score.error is None
        evidence = {
            "type": "ThresholdScoreCheck",
            "success": score.passing,
            "rawScore": str(score.total),
            "threshold": f"{score.threshold:.5f}",
        }
        values = {
            "passport": passport,
            "score": Decimal(score.passing) if done else None,
            "status": "DONE" if done else "ERROR",
            "error": score.error,
            "evidence": Jsonb(evidence) if done else None,
            "stamp_scores": Jsonb(score.weights) if done else None,
            "stamps": Jsonb(score.stamps) if done else None,
            "expires": score.expires,
            "scored_at": now if done else None,
        }
        row = self.run(SCORE, values).fetchone()
        if done:
            fields = {
                "passport": passport,
                "score": str(int(score.passing)),
                "status": "DONE",
                "error": None,
                "evidence": evidence,
                "stamp_scores": score.weights,
                "stamps": score.stamps,
                "expiration_date": score.expires and django_time(score.expires),
                "last_score_timestamp": django_time(now),
            }
            data = {"model": "registry.score", "pk": row[0], "fields": fields}
            self.run(EVENT, ("SCU", address, now, Jsonb(data), community))

    def write_stamps(self, passport, community, score, now):
        self.run(NO_STAMPS, (passport,))
        if score.links:
            values = {
                "community": community,
                "now": now,
                "hashes": [link[0] for link in score.links],
                "owners": [link[1] for link in score.links],
                "expiries": [link[2] for link in score.links],
            }
            self.run(LINK, values)
        for provider, credential in score.counted:
            self.run(STAMP, (passport, provider, Jsonb(credential)))

    def note(self, key, event, payload, answer, error, now):
        """The analytics row of an authenticated call."""
        headers = {
            name: "***" if name.lower() in SECRET else value
            for name, value in event["headers"].items()
        }
        values = {
            "now": now,
            "path": event["path"],
            "api_key": key,
            "error": error,
            "headers": Jsonb(headers),
            "segments": Jsonb(event["path"].split("/")[1:]),
            "payload": Jsonb(payload),
            "query": Jsonb(event["queryStringParameters"]),
            "response": Jsonb(answer["body"]),
            "status": answer["statusCode"],
        }
        self.run(ANALYTICS, values)


def django_time(time):
    """As Django's serializer writes times: milliseconds, and Z for UTC."""
    text = time.isoformat(timespec="milliseconds" if time.microsecond else "seconds")
    return text[: -len("+00:00")] + "Z" if text.endswith("+00:00") else text
