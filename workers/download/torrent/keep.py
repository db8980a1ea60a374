"""Where the bytes of a torrent are until each file is an object, and what of them a new pod finds.

In S3 there is no volume that outlives a pod: pieces that have passed their hash go into the room as chunks, and a new
pod puts them back before libtorrent checks them again (so that neither the store nor we are trusted). It costs writing
each byte to the store twice, and reading what was kept once; a swarm is slower than a store. In a directory the files
lie beside the objects and become them by a rename: nothing is copied, and what a killed process left is checked anew.
"""

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.directory import DirectoryStore
from workers.common.files import scratch_errors, store_errors
from workers.common.log import log
from workers.common.store import ObjectInfo, ObjectStore
from workers.download.torrent.chunks import batches, decode, encode
from workers.download.torrent.layout import Span
from workers.download.torrent.room import Room, number_of

SPARE_BYTES: Final = 64 * 1024 * 1024
"""Room that is left free: pieces at the edges of files, and the parts of a file in flight."""


def file_name(index: int) -> str:
    """The name of a file on our own file systems: a number, whatever the torrent calls it."""
    return f"{index:05d}.data"


class Keep(ABC):
    """The files of one torrent on disk (`directory`), and how they outlive the process."""

    early: bool
    """Whether a file becomes an object as soon as it is whole, or all do when all are."""
    full: Reason
    """The reason when the disk has no room."""

    def __init__(self, room: Room, directory: Path, bound: int | None = None) -> None:
        self.room = room
        self.directory = directory
        self._bound = bound

    def path(self, index: int) -> Path:
        """The file of a number."""
        return self.directory / file_name(index)

    def check_space(self, wanted: int) -> None:
        """Raises WorkError when the files cannot fit; those that are there already count as room."""
        held = sum(path.stat().st_blocks * 512 for path in self.directory.iterdir() if path.is_file())
        free = shutil.disk_usage(self.directory).free + held
        room = free if self._bound is None else min(free, self._bound)
        if wanted + SPARE_BYTES > room:
            raise WorkError(
                self.full,
                f"The torrent's files have {wanted} bytes, the disk has room for {room}; {self._mend()}, "
                "or name fewer files with spec.source.torrent.files.",
            )

    @abstractmethod
    def restore(self, sizes: Mapping[int, int]) -> int:
        """Puts back what was kept of files of these sizes; its bytes. Raises WorkError of the store."""

    @abstractmethod
    def save(self, spans: Iterable[Span]) -> None:
        """Keeps bytes that are in the files. Raises WorkError of the store."""

    @abstractmethod
    def publish(self, index: int, key: str, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        """Makes a whole file the object; the file stays until `clear`. Raises WorkError of the store."""

    @abstractmethod
    def forget(self, index: int) -> None:
        """Drops a file that is an object already."""

    @abstractmethod
    def clear(self) -> None:
        """Removes all but the objects and the record."""

    @abstractmethod
    def _mend(self) -> str: ...


class InChunks(Keep):
    """For a store without a file system: files on the scratch volume, chunks in the room."""

    early = True
    full = Reason.SCRATCH_FULL

    def __init__(self, room: Room, directory: Path, bound: int | None = None) -> None:
        super().__init__(room, directory, bound)
        directory.mkdir(parents=True, exist_ok=True)
        self._number = 0

    def restore(self, sizes: Mapping[int, int]) -> int:
        """Writes the chunks' bytes back where they belong; a chunk that is damaged is fetched from the swarm again."""
        restored = 0
        for key in self.room.chunks():
            self._number = max(self._number, number_of(key))
            try:
                parts = decode(self.room.read_chunk(key))
            except ValueError:
                log("warning", "a chunk in the store is damaged and not used", key=key)
                continue
            for span, data in parts:
                if span.offset + span.length <= sizes.get(span.index, 0):
                    self._write(span, data)
                    restored += span.length
        return restored

    def save(self, spans: Iterable[Span]) -> None:
        """Stores the bytes as chunks."""
        for batch in batches(spans):
            self._number += 1
            self.room.write_chunk(self._number, encode(batch, [self._read(span) for span in batch]))

    def publish(self, index: int, key: str, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        """Uploads the file."""
        store, bucket = self.room.store, self.room.bucket
        return store.put_file(bucket, key, self.path(index), content_type=content_type, metadata=metadata)

    def forget(self, index: int) -> None:
        """Nothing: a new pod's volume is empty."""

    def clear(self) -> None:
        """Removes the chunks and the files."""
        self.room.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _read(self, span: Span) -> bytes:
        with self.path(span.index).open("rb") as file:
            data = os.pread(file.fileno(), span.length, span.offset)
        if len(data) != span.length:
            raise WorkError(Reason.INTERNAL_ERROR, "A piece that was fetched is not on disk; it is tried again.")
        return data

    def _write(self, span: Span, data: memoryview) -> None:
        path = self.path(span.index)
        with scratch_errors(path):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                while data:
                    data = data[os.pwrite(handle, data, span.offset + span.length - len(data)) :]
            finally:
                os.close(handle)

    def _mend(self) -> str:
        where = "spec.template.resources.limits.ephemeral-storage or chart value torrent.scratch; TMPDIR in a local run"
        return f"give the scratch volume more ({where})"


class InPlace(Keep):
    """For a directory store: the files lie in the bucket's own corner and outlive the process by themselves."""

    early = False
    full = Reason.STORE_FULL

    def __init__(self, room: Room, store: DirectoryStore) -> None:
        super().__init__(room, store.private(room.bucket, room.prefix.partition("/")[2] + "data"))
        self._store = store

    def restore(self, sizes: Mapping[int, int]) -> int:
        """Nothing is moved; the bytes that are there."""
        paths = [self.path(index) for index in sizes]
        return sum(path.stat().st_blocks * 512 for path in paths if path.is_file())

    def save(self, spans: Iterable[Span]) -> None:
        """Nothing: the bytes are where they will be found."""

    def publish(self, index: int, key: str, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        """Gives the file a second name and makes that the object: the first stays for peers who ask for pieces."""
        path = self.path(index)
        second = path.with_suffix(".publish")
        with store_errors(path):
            second.unlink(missing_ok=True)
            try:
                second.hardlink_to(path)
            except OSError:  # a file system without links: then a copy
                return self._store.put_file(self.room.bucket, key, path, content_type=content_type, metadata=metadata)
        about = {"contentType": content_type, "cacheControl": None, "metadata": dict(metadata)}
        return self._store.place(self.room.bucket, key, second, about)

    def forget(self, index: int) -> None:
        """Drops our name of the object's file: what is written to it from now on must not reach the object."""
        self.path(index).unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes the files and the resume data."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.room.clear()

    def _mend(self) -> str:
        return "make room in the store"


def open_keep(store: ObjectStore, room: Room, scratch: Path, bound: int | None = None) -> Keep:
    """The keep that fits a store; `bound` is what the scratch volume may hold, in bytes."""
    if isinstance(store, DirectoryStore):
        return InPlace(room, store)
    return InChunks(room, scratch / "torrent", bound)
