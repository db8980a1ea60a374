"""What a stored segment is, by its first bytes: the facts that fragmented MP4 has in its moof. Pure.

A transport stream has no index: how many pictures there are shows at its end only. Ours say it in private data of the first
adaptation field, which every reader passes over (ISO/IEC 13818-1 section 2.4.3.5); it is checked against the whole when a
segment is made. Times, codec and key picture are read from the stream itself.
"""

import struct
from typing import Final

import msgspec
from msgspec.structs import replace

from workers.transcode.transport.times import ORIGIN, on_clock, rounded
from workers.verify import ts
from workers.verify.boxes import DamagedSegmentError
from workers.verify.fragment import Fragment
from workers.verify.init import Track

TAG: Final = 0xA0
"""Of data of our own: 0xA0 to 0xFE are the user's (ETSI TS 101 154 annex D)."""
NAME: Final = b"nrwl"
_INDEX: Final = struct.Struct(">4sIII")
TABLES: Final = 2 * ts.PACKET
"""Bytes of PAT and PMT, the initialization section of a segment (RFC 8216 section 3.2)."""


class Ticks(msgspec.Struct, frozen=True):
    """The time of a rendition: ticks of a second, and of a sample, which all last equally long."""

    timescale: int
    sample: int


class Index(msgspec.Struct, frozen=True):
    """What a segment says of itself: samples, packets, and packets to the end of its first picture."""

    samples: int
    packets: int
    first: int

    def pack(self) -> bytes:
        """transport_private_data with its length."""
        data = _INDEX.pack(NAME, self.samples, self.packets, self.first)
        return bytes([2 + len(data), TAG, len(data)]) + data

    @classmethod
    def find(cls, data: bytes) -> "Index":
        """That of a segment. Raises DamagedSegmentError."""
        at = data.find(bytes([TAG, _INDEX.size]) + NAME, TABLES, TABLES + ts.PACKET)
        if at < 0 or at + 2 + _INDEX.size > len(data):
            raise DamagedSegmentError("its first packet does not say what it has")
        return cls(*_INDEX.unpack_from(data, at + 2)[1:])


def read_head(head: bytes, ticks: Ticks, size: int) -> tuple[Track, Fragment]:
    """The track and what a segment of so many bytes has of it, in these ticks. Raises DamagedSegmentError."""
    if len(head) < size:
        head = head[: len(head) // ts.PACKET * ts.PACKET]
    found, index = ts.parse(head), Index.find(head)
    if len(found.tracks) != 1:
        raise DamagedSegmentError(f"it has {len(found.tracks)} tracks")
    (track,), (part,) = found.tracks, found.fragments
    shown = (part.start + part.offset - ORIGIN) % ts.WRAP
    step = ts.CLOCK * ticks.sample
    start = (2 * shown * ticks.timescale + step) // (2 * step) * ticks.sample
    if abs(rounded(start, ticks.timescale) - shown) > 1:
        raise DamagedSegmentError(f"it begins at {shown} of 90,000 ticks a second, where no picture or packet does")
    made = replace(
        part,
        start=start,
        samples=index.samples,
        duration=index.samples * ticks.sample,
        offset=0,
        length=index.packets * ts.PACKET,
        first_end=index.first * ts.PACKET,
        moof=TABLES,
    )
    return replace(track, timescale=ticks.timescale), made


def as_stored(track: Track, part: Fragment) -> tuple[Track, Fragment]:
    """Track and fragment on the clock of the stream itself, as who parses the whole segment finds them."""
    begin, ends = (on_clock(ticks, track.timescale) for ticks in (part.start, part.start + part.duration))
    return replace(track, timescale=ts.CLOCK), replace(part, start=begin, duration=(ends - begin) % ts.WRAP)


def check(data: bytes, index: int) -> None:
    """Raises DamagedSegmentError where a whole segment is not what it says."""
    found, said = ts.parse(data), Index.find(data)
    (part,) = found.fragments
    true = (part.samples, len(data) // ts.PACKET)
    if found.gaps or true != (said.samples, said.packets):
        words = found.gaps[0] if found.gaps else f"{true[0]} samples in {true[1]} packets"
        raise DamagedSegmentError(f"segment {index} as a transport stream: {words}")
