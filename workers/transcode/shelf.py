"""The store as this worker uses it: one bucket, the objects of one version, a bounded number of requests at once."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.files import scratch_errors
from workers.common.store import IMMUTABLE, ObjectInfo, ObjectStore, content_type_of
from workers.transcode import limits
from workers.transcode.layout import ANEW, INIT, Layout, segment_index
from workers.transcode.rates import Timeline
from workers.transcode.rendition import Rendition, Stored
from workers.transcode.tasks import together
from workers.verify.boxes import DamagedSegmentError
from workers.verify.fragment import read_fragment
from workers.verify.init import read_init

if TYPE_CHECKING:
    from workers.transcode.crypt import Seal

T = TypeVar("T")
CHUNK: Final = 4 * 1024 * 1024
"""Bytes of a segment that are in memory at once while it is fetched."""


class Shelf(msgspec.Struct, frozen=True):
    """The place of one version in a store."""

    store: ObjectStore
    bucket: str
    layout: Layout
    slots: asyncio.Semaphore = msgspec.field(default_factory=lambda: asyncio.Semaphore(limits.STORE_READS))
    seal: "Seal | None" = None
    """What encrypts segments on their way in and opens them on their way out."""

    def key(self, rendition: Rendition, name: str) -> str:
        """Key of an object of a rendition."""
        return f"{self.layout.root}/{rendition.path}/{name}"

    async def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """A call of the store, in a thread, when a slot is free."""
        async with self.slots:
            return await asyncio.to_thread(function, *args, **kwargs)

    async def put(self, key: str, data: bytes, cache_control: str = IMMUTABLE) -> None:
        """Stores a small object."""
        kind = content_type_of(key)
        await self.call(self.store.put, self.bucket, key, data, content_type=kind, cache_control=cache_control)

    async def put_segment(self, rendition: Rendition, index: int, path: Path) -> Stored:
        """Stores a segment and reads back what is stored: the facts the playlists are written from."""
        key = self.key(rendition, rendition.file(index))
        kind = content_type_of(key)
        if rendition.transport is not None:
            from workers.transcode.transport import muxed

            with scratch_errors(path):
                await asyncio.to_thread(muxed, path, rendition.init or b"", index)
        if self.seal is not None:
            path = await asyncio.to_thread(_sealed, self.seal, rendition, index, path)
        info = await self.call(self.store.put_file, self.bucket, key, path, content_type=kind, cache_control=IMMUTABLE)
        return await self.read_segment(rendition, index, info)

    async def read_segment(self, rendition: Rendition, index: int, info: ObjectInfo) -> Stored:
        """A stored segment by its first bytes. Raises DamagedSegmentError."""
        head, size = await self.call(self._head, rendition, index, info)
        if rendition.transport is not None:
            from workers.transcode.transport import read_head

            track, part = await asyncio.to_thread(read_head, head, rendition.transport, size)
            rendition.track = rendition.track or track
            return Stored(index, info.size, info.etag, part, size)
        return Stored(index, info.size, info.etag, read_fragment(head, rendition.track, size), size)

    def _head(self, rendition: Rendition, index: int, info: ObjectInfo) -> tuple[bytes, int]:
        """The first bytes of the media of a segment, and how many there are."""
        key = self.key(rendition, rendition.file(index))
        head = self.store.read(self.bucket, key, 0, min(info.size, limits.SEGMENT_HEAD))
        if self.seal is None:
            return head, info.size
        start = max(0, info.size - 32)
        tail = self.store.read(self.bucket, key, start) if len(head) < info.size else head[start:]
        size = self.seal.clear_size(rendition.path, index, tail, info.size)
        return self.seal.peek(rendition.path, index, head, info.size), size

    async def fetch_segment(self, rendition: Rendition, index: int, path: Path) -> None:
        """A stored segment behind its init segment, as a file that programs read; the init segment alone where it is missing."""
        await self.call(self.fetch, rendition, [index] if index in rendition.stored else [], path)

    def fetch(self, rendition: Rendition, indices: Sequence[int], path: Path) -> None:
        """Stored segments behind their init segment as one file, their media clear. For a thread of its own. Raises WorkError.

        Transport streams have no init segment: one follows the other.
        """
        try:
            with scratch_errors(path), path.open("wb") as out:
                init = b"" if rendition.transport else rendition.init or b""
                out.write(self.seal.open_init(init) if self.seal and init else init)
                for index in indices:
                    for data in self._pieces(rendition, rendition.stored[index]):
                        out.write(data)
        except DamagedSegmentError as error:
            message = f"A stored segment of {rendition.path} changed since it was stored: {error}. It is made anew."
            raise WorkError(Reason.VERIFICATION_FAILED, message) from error

    def _pieces(self, rendition: Rendition, segment: Stored) -> Iterator[bytes]:
        key, start = self.key(rendition, rendition.file(segment.index)), 0
        if self.seal is not None and rendition.track is not None:
            data = self.store.read(self.bucket, key)
            yield self.seal.open(rendition.path, segment.index, data, rendition.track)
            return
        while start < segment.size:
            data = self.store.read(self.bucket, key, start, min(CHUNK, segment.size - start))
            if not data:
                break  # shorter than it was; its listing says so too
            yield data
            start += len(data)

    def sealed_init(self, rendition: Rendition, data: bytes) -> bytes:
        """The init segment as it is stored. Raises DamagedSegmentError."""
        return self.seal.init(rendition.path, data, read_init(data)) if self.seal else data

    async def put_init(self, rendition: Rendition, data: bytes) -> None:
        """Stores the init segment; that of transport streams is kept here, to make them of. Raises DamagedSegmentError."""
        if rendition.transport is None:
            rendition.track = read_init(data)
            await self.put(self.key(rendition, INIT), data)
        rendition.init = data

    async def listing(self, prefix: str = "") -> dict[str, ObjectInfo]:
        """All objects of the version below a prefix of it, by their path in it."""
        base = f"{self.layout.root}/"
        found = await self.call(lambda: list(self.store.list(self.bucket, f"{base}{prefix}")))
        return {info.key.removeprefix(base): info for info in found}

    async def read(self, path: str) -> bytes | None:
        """A small object of the version; None when there is none."""
        key = f"{self.layout.root}/{path}"
        if await self.call(self.store.head, self.bucket, key) is None:
            return None
        return await self.call(self.store.read, self.bucket, key)

    async def pointer(self, key: str) -> str | None:
        """The text of a pointer; None when there is none."""
        if await self.call(self.store.head, self.bucket, key) is None:
            return None
        return (await self.call(self.store.read, self.bucket, key)).decode("utf-8", "replace")

    async def discard(self) -> None:
        """Removes what is stored of a version that cannot be published, so that the next attempt makes all anew, itself.

        Who it belongs to and the report stay. A version that is published is left as it is, whatever is wrong with it.
        """
        texts = [await self.pointer(key) for key in (self.layout.master, self.layout.manifest)]
        if any(text and f"{self.layout.relative}/" in text for text in texts):
            return
        await self.put(f"{self.layout.root}/{ANEW}", b"{}")
        kept = {self.layout.report, self.layout.order, f"{self.layout.root}/{ANEW}"}
        keys = [info.key for info in (await self.listing()).values() if info.key not in kept]
        await self.call(self.store.delete, self.bucket, keys)


async def take_stock(shelf: Shelf, renditions: Sequence[Rendition], found: dict[str, ObjectInfo]) -> list[str]:
    """Fills the renditions with what is stored of them. Says what is there but unreadable; that is encoded again."""
    damaged: list[str] = []

    async def one(rendition: Rendition, index: int, info: ObjectInfo) -> None:
        try:
            rendition.stored[index] = await shelf.read_segment(rendition, index, info)
        except DamagedSegmentError as error:
            damaged.append(f"{rendition.path}/{rendition.file(index)}: {error}")

    for rendition in renditions:
        if rendition.transport is None and not await _initialized(shelf, rendition, found, damaged):
            continue
        prefix = f"{rendition.path}/"
        names = {path.removeprefix(prefix): info for path, info in found.items() if path.startswith(prefix)}
        numbered = [(segment_index(name), info) for name, info in names.items()]
        await together(*(one(rendition, index, info) for index, info in numbered if index is not None))
    return damaged


async def _initialized(shelf: Shelf, rendition: Rendition, found: dict[str, ObjectInfo], damaged: list[str]) -> bool:
    """Whether its init segment is there: segments are stored after it, without one they are not from here."""
    init = found.get(f"{rendition.path}/{INIT}")
    if init is None:
        return False
    rendition.init = await shelf.call(shelf.store.read, shelf.bucket, init.key)
    try:
        rendition.track = read_init(rendition.init)
    except DamagedSegmentError as error:
        damaged.append(f"{rendition.path}/{INIT}: {error}")
        return False
    return True


def _sealed(seal: "Seal", rendition: Rendition, index: int, path: Path) -> Path:
    """The stored form of a segment on scratch, in its place. Raises DamagedSegmentError."""
    track = rendition.track or (read_init(rendition.init) if rendition.init else None)
    if track is None:
        raise DamagedSegmentError("its init segment is not stored yet")
    with scratch_errors(path):
        whole = path.with_suffix(".sealed")
        whole.write_bytes(seal.close(rendition.path, index, path.read_bytes(), track))
        return whole.replace(path)


def drop_foreign(rendition: Rendition, line: Timeline) -> None:
    """Leaves of a rung's segments those that are exactly what an encode makes; the rest is encoded again."""
    for index, segment in list(rendition.stored.items()):
        fragment = segment.fragment
        start, frames = index * line.gop * line.frame_ticks, line.frames_of(index)
        expected = (start, frames, frames * line.frame_ticks, segment.media, True)
        if expected != (fragment.start, fragment.samples, fragment.duration, fragment.length, fragment.key):
            del rendition.stored[index]
