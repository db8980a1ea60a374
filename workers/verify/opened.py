"""A segment of AES-128 in clear, a part at a time, for who has its key.

AES-CBC opens any block with the encrypted one before it: nothing is read that is not asked for (RFC 8216 sections 4.3.2.4, 5.2).
"""

from dataclasses import dataclass, field

from msgspec.structs import replace

from workers.verify.boxes import DamagedSegmentError
from workers.verify.encrypted import BLOCK, Lock
from workers.verify.facts import Object, Segment
from workers.verify.readers import Reader


@dataclass(slots=True)
class Opened:
    """One segment as a Reader of it alone: offsets and sizes are those of its clear bytes.

    `start` is where it begins in its object, `size` how many bytes of it are stored: whole blocks, at least one.
    """

    reader: Reader
    uri: str
    lock: Lock
    start: int
    size: int
    remote: bool = False
    _length: int | None = field(default=None, init=False)

    @classmethod
    def of(cls, reader: Reader, segment: Segment, lock: Lock) -> "Opened":
        """A segment that is there, and of whole blocks."""
        return cls(reader, segment.uri, lock, segment.range.start if segment.range else 0, segment.size or 0)

    def join(self, base: str, reference: str) -> str:
        """As where it is."""
        return self.reader.join(base, reference)

    async def length(self) -> int:
        """Bytes of it in clear. Raises DamagedSegmentError where its end is no padding of RFC 5652."""
        if self._length is None:
            last, _ = await self._blocks(self.size - BLOCK, BLOCK)
            count = last[-1] if last else 0
            if not 1 <= count <= BLOCK or last[-count:] != bytes([count]) * count:
                raise DamagedSegmentError("it does not decrypt to its end with its key: the padding is none")
            self._length = self.size - count
        return self._length

    async def read(self, uri: str, start: int = 0, count: int | None = None) -> tuple[bytes, Object]:
        """Clear bytes of it. Raises as `length`; ValueError for another object."""
        if uri != self.uri:
            raise ValueError(f"{uri} is not {self.uri}, which alone is opened")
        length = await self.length()
        end = length if count is None else min(start + count, length)
        if start >= end:
            return b"", Object(size=length)
        first = start - start % BLOCK
        data, found = await self._blocks(first, -(-end // BLOCK) * BLOCK - first)
        return data[start - first : end - first], replace(found, size=length)

    async def _blocks(self, start: int, count: int) -> tuple[bytes, Object]:
        """Whole blocks, padding included; those that are there."""
        before = BLOCK if start else 0
        data, found = await self.reader.read(self.uri, self.start + start - before, before + count)
        whole = data[: len(data) - len(data) % BLOCK]
        return (self.lock.opened(whole[before:], whole[:before]) if len(whole) > before else b""), found
