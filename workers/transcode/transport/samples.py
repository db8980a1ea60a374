"""The samples of fragmented MP4 with their times, and what a decoder of H.264 is set up by. Pure."""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from workers.verify.boxes import DamagedSegmentError, boxes, find
from workers.verify.init import VISUAL, Track

ENTRY: Final = "moov/trak/mdia/minf/stbl/stsd"
COLUMNS: Final = (0x100, 0x200, 0x400, 0x800)
"""Flags of trun: each sample has a duration, a size, flags, a composition time offset (ISO/IEC 14496-12 section 8.8.8)."""


class Sample(msgspec.Struct, frozen=True):
    """A sample: when it is decoded and how much later it is shown, in ticks of the track; its bytes."""

    decoded: int
    offset: int
    data: bytes


def samples(data: bytes, track: Track) -> list[Sample]:
    """The samples of a segment, in order. Raises DamagedSegmentError when it is not as our encoder makes it."""
    try:
        return [
            sample
            for name, start, end in boxes(data)
            if name == b"moof"
            for sample in _moof(data, (start - 8, end), track)
        ]
    except (struct.error, IndexError) as error:
        raise DamagedSegmentError("the segment breaks off") from error


def _moof(data: bytes, moof: tuple[int, int], track: Track) -> Iterator[Sample]:
    trafs = [(start, end) for name, start, end in boxes(data, moof[0] + 8, moof[1]) if name == b"traf"]
    if len(trafs) != 1:
        raise DamagedSegmentError(f"a moof box with {len(trafs)} tracks")
    (traf,) = trafs
    lasts, size = _defaults(data, *traf)
    at, _ = find(data, "tfdt", *traf)
    (time,) = struct.unpack_from(">Q" if data[at] == 1 else ">I", data, at + 4)
    for name, inner, _ in boxes(data, *traf):
        if name == b"trun":
            begin = moof[0] + struct.unpack_from(">i", data, inner + 8)[0]
            for duration, length, offset in _run(data, inner, lasts or track.default_duration, size):
                if begin + length > len(data):
                    raise DamagedSegmentError("a sample is beyond the segment's end")
                yield Sample(time, offset, data[begin : begin + length])
                begin, time = begin + length, time + duration


def _defaults(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Duration and size of samples by tfhd (section 8.8.7); 0 where it does not say."""
    at, _ = find(data, "tfhd", start, end)
    flags, place, found = int.from_bytes(data[at + 1 : at + 4]), at + 8, [0, 0]
    if flags & 0x1:
        raise DamagedSegmentError("a fragment whose offsets count from elsewhere than its moof")
    place += 4 * bool(flags & 0x2)
    for number, flag in enumerate((0x8, 0x10)):
        if flags & flag:
            (found[number],) = struct.unpack_from(">I", data, place)
            place += 4
    return found[0], found[1]


def _run(data: bytes, at: int, lasts: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Duration, size and composition time offset of each sample of a trun."""
    flags, (count,) = int.from_bytes(data[at + 1 : at + 4]), struct.unpack_from(">I", data, at + 4)
    if not flags & 0x1:
        raise DamagedSegmentError("a trun box without an offset of its data")
    columns = [flag for flag in COLUMNS if flags & flag]
    if not (size or 0x200 in columns) or not (lasts or 0x100 in columns):
        raise DamagedSegmentError("samples have no size, or no duration")
    place, row = (
        at + 12 + 4 * bool(flags & 0x4),
        struct.Struct(">" + "".join("i" if c == 0x800 else "I" for c in columns)),
    )
    for number in range(count):
        values = dict(zip(columns, row.unpack_from(data, place + row.size * number), strict=True))
        yield values.get(0x100, lasts), values.get(0x200, size), values.get(0x800, 0)


def parameter_sets(init: bytes) -> tuple[bytes, ...]:
    """SPS and PPS of avcC (ISO/IEC 14496-15 section 5.3.3.1). Raises DamagedSegmentError."""
    try:
        start, end = find(init, ENTRY)
        name, inner, after = next(boxes(init, start + 8, end))
        if name != b"avc1":
            raise DamagedSegmentError(f"pictures of {name.decode('latin-1')} are none of H.264")
        at, _ = find(init, "avcC", inner + VISUAL, after)
        found, place = [], at + 5
        for mask in (0x1F, 0xFF):
            count, place = init[place] & mask, place + 1
            for _ in range(count):
                length = int.from_bytes(init[place : place + 2])
                found.append(init[place + 2 : place + 2 + length])
                place += 2 + length
    except (StopIteration, IndexError) as error:
        raise DamagedSegmentError("the init segment breaks off") from error
    return tuple(found)
