"""What is known in the store of a torrent: which files it becomes, and which of them are objects already."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from narwhal_operator.contract.download import FILES_LISTED, Artifact, ArtifactFile
from narwhal_operator.contract.naming import digest_of
from narwhal_operator.contract.order import DownloadOrder
from workers.common.store import ObjectInfo

FORMAT: Final = 1
RECORD_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of a record: a thousand files with the longest keys are 3 MB."""


@dataclass(frozen=True, slots=True)
class Made:
    """A file that is an object."""

    index: int
    key: str
    size: int
    sha256: str
    etag: str
    content_type: str

    def is_still(self, found: ObjectInfo | None) -> bool:
        """Whether the object in the store is the one that was made."""
        return found is not None and (found.etag, found.size) == (self.etag, self.size)


@dataclass(frozen=True, slots=True)
class Record:
    """`keys` are those that become objects, the main one first; `made` those that have; `choice` what was asked for."""

    uid: str
    torrent: str
    choice: str
    keys: tuple[str, ...]
    made: tuple[Made, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every key is an object."""
        return {item.key for item in self.made} == set(self.keys)

    def plus(self, item: Made) -> "Record":
        """The record with another object, in place of one of its key."""
        return replace(self, made=(*(made for made in self.made if made.key != item.key), item))

    def artifact(self, bucket: str) -> Artifact:
        """The artifact of a complete record: the main object, and of several all that a status lists."""
        by_key = {item.key: item for item in self.made}
        main = by_key[self.keys[0]]
        several = len(self.keys) > 1
        listed = [by_key[key] for key in self.keys[:FILES_LISTED]]
        files = [ArtifactFile(key=item.key, size=item.size, sha256=item.sha256) for item in listed]
        return Artifact(
            bucket=bucket,
            key=main.key,
            size=main.size,
            sha256=main.sha256,
            content_type=main.content_type,
            files=files if several else None,
            file_count=len(self.keys) if several else None,
        )

    def text(self) -> bytes:
        """The record as its object holds it."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True).encode()


def choice_of(order: DownloadOrder) -> str:
    """A digest of what decides the objects: destination, patterns, checksum, size limit."""
    spec = order.spec
    torrent = spec.source.torrent
    patterns = None if torrent is None else torrent.files
    checksum = None if spec.checksum is None else spec.checksum.wire()
    place = [order.destination.bucket, order.destination.key]
    return digest_of([place, patterns, checksum, spec.max_bytes], 32)


def parse_record(text: bytes) -> Record | None:
    """The record in an object's bytes; None for anything but a whole one of this format."""
    try:
        found: Any = json.loads(text)
        if found.pop("format") != FORMAT:
            return None
        made = tuple(_made(item) for item in found["made"])
        record = Record(**{**found, "keys": tuple(map(str, found["keys"])), "made": made})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    known = {item.key for item in made} <= set(record.keys) and bool(record.keys)
    return record if known else None


def _made(item: Mapping[str, Any]) -> Made:
    made = Made(**item)
    texts = (made.key, made.sha256, made.etag, made.content_type)
    if not all(isinstance(text, str) for text in texts) or len(made.sha256) != 64:
        raise ValueError("no digest")
    if type(made.index) is not int or type(made.size) is not int:
        raise ValueError("no number")
    return made
