"""What was fetched, kept beside the object, so that the same work is not done twice.

S3 takes an object's metadata when an upload starts, before the digest is known; so the digest stands in a record of its
own at `.narwhal/downloads/`, written before the object appears. Both carry the name of the transfer: a record counts
only for the very object that its transfer made.
"""

import json
from dataclasses import asdict, dataclass
from typing import Final

from narwhal_operator.contract.naming import digest_of
from narwhal_operator.contract.order import ObjectLocation
from workers.common.store import PRIVATE, ObjectInfo, ObjectStore
from workers.download.rules import Source
from workers.download.sink import Target

FORMAT: Final = 1
LIMIT: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """An object that was made: of which source, with which digests, for whom."""

    transfer: str
    uid: str
    work: str
    size: int
    digests: dict[str, str]
    content_type: str
    source: Source


def record_key(key: str) -> str:
    """Where the record of an object is."""
    return f"{PRIVATE}/downloads/{digest_of(key, 32)}.json"


def write_record(store: ObjectStore, target: Target | ObjectLocation, record: Record) -> None:
    """Writes the record of an object that is about to appear."""
    text = json.dumps({"format": FORMAT, "key": target.key, **asdict(record)}).encode()
    store.put(target.bucket, record_key(target.key), text, content_type="application/json")


def read_record(store: ObjectStore, bucket: str, key: str) -> tuple[ObjectInfo, Record] | None:
    """The object and its record; None when there is no object, or nothing that is known of this very one."""
    found = store.head(bucket, key)
    transfer = found.metadata.get("narwhal-transfer") if found else None
    if found is None or not transfer or store.head(bucket, record_key(key)) is None:
        return None
    record = _parse(store.read(bucket, record_key(key), 0, LIMIT))
    if record is None or record.transfer != transfer or record.size != found.size:
        return None
    return found, record


def left_record(store: ObjectStore, bucket: str, key: str) -> Record | None:
    """A record whose object is not there."""
    if store.head(bucket, key) is not None or store.head(bucket, record_key(key)) is None:
        return None
    return _parse(store.read(bucket, record_key(key), 0, LIMIT))


def _parse(text: bytes) -> Record | None:
    try:
        found = json.loads(text)
        if found.pop("format") != FORMAT:
            return None
        found.pop("key")
        record = Record(**{**found, "source": Source(**found["source"])})
        return record if len(record.digests["sha256"]) == 64 else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
