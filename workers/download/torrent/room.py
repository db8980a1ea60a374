"""A torrent's room in the store, at `.narwhal/torrents/UID/TORRENT/`: record, resume data, chunks of pieces."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from narwhal_operator.contract.naming import digest_of
from workers.common.store import PRIVATE, ObjectStore
from workers.download.torrent.chunks import OBJECT_LIMIT
from workers.download.torrent.record import RECORD_LIMIT, Made, Record, parse_record

RESUME_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of resume data: the metadata twice (hashes of version 2)."""
_CHUNK: Final = re.compile(r"/chunk-[0-9]{8}$")
_BYTES: Final = "application/octet-stream"


def home_of(uid: str) -> str:
    """The prefix of all rooms of a resource; a digest, for a UID is whatever an order says."""
    return f"{PRIVATE}/torrents/{digest_of(uid)}/"


class Room:
    """The objects of one torrent of one resource that are not the files themselves. Thread-safe as the store is."""

    def __init__(self, store: ObjectStore, bucket: str, uid: str, torrent: str) -> None:
        self.store = store
        self.bucket = bucket
        self.prefix = f"{home_of(uid)}{torrent[:40]}/"

    def record(self) -> Record | None:
        """The record; None without one that can be read."""
        text = self._read("record.json", RECORD_LIMIT)
        return None if text is None else parse_record(text)

    def made(self, record: Record) -> dict[str, Made]:
        """The files of a record that are objects, by key."""
        found = (record.made(entry, self.store.head(self.bucket, entry.key)) for entry in record.files)
        return {item.entry.key: item for item in found if item is not None}

    def write_record(self, record: Record) -> None:
        """Replaces the record."""
        self.store.put(self.bucket, f"{self.prefix}record.json", record.text(), content_type="application/json")

    def resume(self) -> bytes | None:
        """The resume data; None without."""
        return self._read("resume", RESUME_LIMIT)

    def write_resume(self, data: bytes) -> None:
        """Replaces the resume data."""
        self.store.put(self.bucket, f"{self.prefix}resume", data, content_type=_BYTES)

    def chunks(self) -> Iterator[str]:
        """Keys of the chunks, oldest first."""
        for info in self.store.list(self.bucket, f"{self.prefix}chunk-"):
            if 0 < info.size <= OBJECT_LIMIT and _CHUNK.search(info.key):
                yield info.key

    def read_chunk(self, key: str) -> bytes:
        """A chunk's bytes."""
        return self.store.read(self.bucket, key, 0, OBJECT_LIMIT)

    def write_chunk(self, number: int, data: bytes) -> None:
        """Stores a chunk."""
        self.store.put(self.bucket, f"{self.prefix}chunk-{number:08d}", data, content_type=_BYTES)

    def clear(self) -> None:
        """Removes all but the record."""
        keys = [info.key for info in self.store.list(self.bucket, self.prefix)]
        self.store.delete(self.bucket, [key for key in keys if not key.endswith("/record.json")])

    def drop_record(self) -> None:
        """Removes the record."""
        self.store.delete(self.bucket, [f"{self.prefix}record.json"])

    def clear_others(self) -> None:
        """Removes the rooms of other torrents of this resource: its .torrent file has changed since."""
        home = self.prefix[: self.prefix.rindex("/", 0, -1) + 1]
        others = [info.key for info in self.store.list(self.bucket, home) if not info.key.startswith(self.prefix)]
        self.store.delete(self.bucket, others)

    def abort_uploads(self, prefix: str, keys: Collection[str]) -> None:
        """Removes what a killed process left of multipart uploads to these keys, which all have the prefix."""
        for upload in self.store.list_uploads(self.bucket, prefix):
            if upload.key in keys:
                self.store.abort_upload(self.bucket, upload.key, upload.upload_id)

    def _read(self, name: str, limit: int) -> bytes | None:
        # Asked for first: a range of an object of 0 bytes is an error in S3.
        found = self.store.head(self.bucket, self.prefix + name)
        if found is None or not 0 < found.size <= limit:
            return None
        return self.store.read(self.bucket, found.key, 0, found.size)


def number_of(key: str) -> int:
    """The number of a chunk's key."""
    return int(key.rpartition("-")[2])
