"""What is known in the store of a torrent: a record of the objects it becomes, and on each object whose it is.

The record is written once, before the first object; which of them are there the objects say themselves. So a kill
between any two writes leaves nothing that has to agree with something else.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from narwhal_operator.contract.download import FILES_LISTED, Artifact, ArtifactFile
from narwhal_operator.contract.naming import digest_of
from narwhal_operator.contract.order import DownloadOrder, OrderHead
from workers.common.store import ObjectInfo
from workers.download.torrent.choice import Chosen

FORMAT: Final = 1
RECORD_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of a record: a thousand files with the longest keys are 1.2 MB."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the torrent by its number, and the object it becomes."""

    index: int
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Made:
    """A file that is an object, and the resource that made it."""

    entry: Entry
    uid: str
    sha256: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Record:
    """Which files of which torrent become objects, the main one first; `choice` is what was asked for."""

    uid: str
    torrent: str
    choice: str
    files: tuple[Entry, ...]

    def made(self, entry: Entry, found: ObjectInfo | None) -> Made | None:
        """The file as an object, if this is it: an info hash and a number name a file's content for ever.

        The metadata goes with the object: who replaces it by another one replaces that too.
        """
        if found is None or found.size != entry.size:
            return None
        said = found.metadata
        sha256 = said.get("narwhal-sha256", "")
        if (said.get("narwhal-torrent"), said.get("narwhal-file"), len(sha256)) != (self.torrent, str(entry.index), 64):
            return None
        # The type too is what the object says: some stores (SeaweedFS) put another one where it says little.
        return Made(entry, said.get("narwhal-uid", ""), sha256, said.get("narwhal-type", ""))

    def text(self) -> bytes:
        """The record as its object holds it."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True).encode()


def record_of(order: DownloadOrder, torrent: str, chosen: Iterable[Chosen]) -> Record:
    """The record of chosen files."""
    files = tuple(Entry(item.file.index, item.key, item.file.size) for item in chosen)
    return Record(order.head.uid, torrent, choice_of(order), files)


def choice_of(order: DownloadOrder) -> str:
    """A digest of what decides the objects: destination, patterns, checksum, size limit."""
    spec = order.spec
    torrent = spec.source.torrent
    patterns = None if torrent is None else torrent.files
    checksum = None if spec.checksum is None else spec.checksum.wire()
    place = [order.destination.bucket, order.destination.key]
    return digest_of([place, patterns, checksum, spec.max_bytes], 32)


def metadata_of(head: OrderHead, torrent: str, made: Made) -> Mapping[str, str]:
    """What an object says of itself."""
    return {
        "narwhal-uid": head.uid,
        "narwhal-work": head.work_digest,
        "narwhal-sha256": made.sha256,
        "narwhal-type": made.content_type,
        "narwhal-torrent": torrent,
        "narwhal-file": str(made.entry.index),
    }


def artifact_of(bucket: str, made: Sequence[Made]) -> Artifact:
    """The artifact of all objects, the main one first: of several it lists as many as a status may."""
    main = made[0]
    listed = made[:FILES_LISTED] if len(made) > 1 else ()
    files = [ArtifactFile(key=item.entry.key, size=item.entry.size, sha256=item.sha256) for item in listed]
    return Artifact(
        bucket=bucket,
        key=main.entry.key,
        size=main.entry.size,
        sha256=main.sha256,
        content_type=main.content_type,
        files=files or None,
        file_count=len(made) if files else None,
    )


def parse_record(text: bytes) -> Record | None:
    """The record in an object's bytes; None for anything but a whole one of this format."""
    try:
        found: Any = json.loads(text)
        if found.pop("format") != FORMAT:
            return None
        files = tuple(_entry(item) for item in found.pop("files"))
        record = Record(**{name: str(value) for name, value in found.items()}, files=files)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if files else None


def _entry(item: Mapping[str, Any]) -> Entry:
    entry = Entry(**item)
    if type(entry.index) is not int or type(entry.size) is not int or not isinstance(entry.key, str):
        raise TypeError("no entry")
    return entry
