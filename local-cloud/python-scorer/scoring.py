"""From stamps, weights and links to a score; no I/O of its own."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True)
class Settings:
    trusted_issuers: list
    # Off: only nullifiers of version 0 count.
    multi_nullifier: bool


@dataclass(frozen=True)
class Stamp:
    provider: str  # of the database row: this one is weighed
    named: str  # of the credential: a deduplicated stamp is listed under it
    nullifiers: list
    expires: datetime
    expires_text: str
    credential: dict


@dataclass
class Score:
    error: str | None = None
    total: Decimal = Decimal(0)
    threshold: Decimal = Decimal(20)
    weights: dict = field(default_factory=dict)  # counted provider -> weight
    stamps: dict = field(default_factory=dict)  # as in the answer
    expires: datetime | None = None
    # What is stored beside the score; `settled` once deduplication has come to an end.
    settled: bool = False
    links: list = field(default_factory=list)  # (nullifier, address, expires)
    counted: list = field(default_factory=list)  # (provider, credential)
    deduplicated: list = field(default_factory=list)  # (provider, nullifiers)

    @property
    def passing(self):
        return self.error is None and self.total >= self.threshold

    def body(self, address, now):
        return {
            "address": address,
            "score": f"{self.total:.5f}",
            "passing_score": self.passing,
            "last_score_timestamp": None if self.error else now.isoformat(),
            "expiration_timestamp": self.expires and self.expires.isoformat(),
            "threshold": f"{self.threshold:.5f}",
            "error": self.error,
            "stamps": self.stamps,
            "points_data": None,
            "possible_points_data": None,
            "linked_score": None,
        }


def failed(error, **kept):
    """A score that could not be made: 200 with a text, and always threshold 20."""
    return Score(error=error, **kept)


def score(settings, *, address, stamps, weights, threshold, find_links, now):
    """Weighs the valid stamps of `address` that no other address holds.

    `stamps`: rows (provider, credential). `find_links`: from nullifiers to
    {nullifier: (address, expires)}. An exception fails the whole score; once
    the links are settled they are kept even if weighing fails.
    """
    valid = [s for s in (read(settings, address, *row, now) for row in stamps) if s]
    owners = find_links([n for stamp in valid for n in stamp.nullifiers]) if valid else {}
    counted, clashing, links = [], [], []
    for stamp in valid:
        clash = first_clash(stamp, owners, address, now)
        if clash is None:
            counted.append(stamp)
            links += [(n, address, stamp.expires) for n in stamp.nullifiers]
        else:
            clashing.append(stamp)
            free = (n for n in stamp.nullifiers if not taken(owners, n, address, now))
            links += [(n, *clash) for n in free]
    if len({link[0] for link in links}) < len(links):
        raise ValueError("Failed to save HashScorerLinks")
    kept = {
        "settled": True,
        "links": links,
        "counted": [(stamp.provider, stamp.credential) for stamp in counted],
        "deduplicated": [(stamp.named, stamp.nullifiers) for stamp in clashing],
    }
    try:
        return weighed(counted, clashing, weights, threshold, kept)
    except Exception as error:
        return failed(str(error), **kept)


def weighed(counted, clashing, weights, threshold, kept):
    result = Score(threshold=threshold, **kept)
    for stamp in counted:
        weight = Decimal(weights.get(stamp.provider, 0))
        result.total += weight
        result.weights[stamp.provider] = float(weight)
        result.stamps[stamp.provider] = entry(
            f"{float(weight):.5f}", False, stamp.expires.isoformat()
        )
        if result.expires is None or stamp.expires < result.expires:
            result.expires = stamp.expires
    for stamp in clashing:
        kept = result.stamps.get(stamp.named, {}).get("score", "0.00000")
        result.stamps[stamp.named] = entry(kept, True, stamp.expires_text)
    return result


def entry(score, dedup, expires):
    return {"score": score, "dedup": dedup, "expiration_date": expires}


def read(settings, address, provider, credential, now):
    """A stamp that may count, or None. The order of the checks is the contract's."""
    expires_text = credential["expirationDate"]
    expires = datetime.fromisoformat(expires_text)
    if expires < now or credential.get("issuer") not in settings.trusted_issuers:
        return None
    subject = credential["credentialSubject"]
    if not (subject.get("hash") or subject.get("nullifiers")):
        return None
    nullifiers = [subject["hash"]] if "hash" in subject else subject["nullifiers"]
    if "id" not in subject or "provider" not in subject:
        return None
    if subject["id"].lower() != f"did:pkh:eip155:1:{address}":
        return None
    if not settings.multi_nullifier:
        nullifiers = [n for n in nullifiers if n.startswith("v0")]
    return Stamp(provider, subject["provider"], nullifiers, expires, expires_text, credential)


def taken(owners, nullifier, address, now):
    """Whether another address holds the nullifier."""
    owner = owners.get(nullifier)
    return owner is not None and owner[0] != address and owner[1] > now


def first_clash(stamp, owners, address, now):
    """(address, expires) of the first link of somebody else, or None."""
    for nullifier in stamp.nullifiers:
        if taken(owners, nullifier, address, now):
            return owners[nullifier]
    return None
