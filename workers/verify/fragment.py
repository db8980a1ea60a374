"""A media segment of fragmented MP4: its times, its samples, its first picture (ISO/IEC 14496-12 section 8.8). Pure.

The reader asks for bytes and is given them, so that one and the same reads a file, an object in a store, a URL.
"""

import struct
from collections.abc import Generator, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from workers.verify.boxes import DamagedSegmentError, boxes, find
from workers.verify.init import Track
from workers.verify.pictures import Wants, first_is_key

LARGEST_MOOF: Final = 4 * 1024 * 1024
"""Bytes of a moof that are read: 100,000 samples."""
MOST_BOXES: Final = 10_000
"""Boxes at the top of a segment: chunks of low latency have two or three each."""


class Fragment(msgspec.Struct, frozen=True):
    """What a segment has of one track. Times are in ticks of the track."""

    start: int
    """tfdt of its first fragment."""
    samples: int
    duration: int
    offset: int
    """Composition time offset of the first sample: when it is shown, after `start`."""
    length: int
    """Bytes by its own boxes: what the object's size must be."""
    key: bool
    """Whether the first sample is one that decoding can begin with: an IDR picture; always so of audio."""
    track: int = 1
    first_end: int = 0
    """Byte of the segment after its first sample."""
    moof: int = 0
    """Byte its first moof begins at."""
    sealed: bool = False
    """Whether it has the IVs of encrypted samples (senc, or saiz and saio)."""
    broken: str | None = None
    """What is wrong between the fragments of this segment."""


def read_fragment(data: bytes, track: Track | None = None, size: int | None = None) -> Fragment:
    """A segment with one track from its first bytes: all of moof and the beginning of mdat. Raises DamagedSegmentError.

    Without a track its pictures are taken for H.264. `size` is that of the whole; without it, the data are the whole.
    """
    reader = fragments(len(data) if size is None else size, (track or Track(1, "avc1", nal_length=4, id=0),))
    try:
        at, count = next(reader)
        while True:
            at, count = reader.send(data[at : at + count])
    except StopIteration as end:
        found: tuple[Fragment, ...] = end.value
        return found[0]


def fragments(size: int, tracks: Sequence[Track]) -> Generator[Wants, bytes, tuple[Fragment, ...]]:
    """What a segment of that many bytes has of each track. Asks for bytes by offset and count; may be given fewer.

    A track with id 0 stands for whichever is there. Raises DamagedSegmentError.
    """
    try:
        return (yield from _segment(size, tracks))
    except (struct.error, IndexError) as error:
        raise DamagedSegmentError("the segment breaks off") from error


def _segment(size: int, tracks: Sequence[Track]) -> Generator[Wants, bytes, tuple[Fragment, ...]]:
    at, media = 0, False
    found: dict[int, Fragment] = {}
    for _ in range(MOST_BOXES):
        if at + 8 > size:
            break
        head = yield at, 16
        name, after = _header(head, at)
        if name == b"moof":
            if after - at > LARGEST_MOOF:
                raise DamagedSegmentError(f"the moof box claims {after - at} bytes")
            moof = yield at, after - at
            yield from _moof(moof, at, tracks, found)
        media = media or name == b"mdat"
        at = after
    if not found or not media:
        raise DamagedSegmentError("no moof and mdat box at its start")
    return tuple(replace(one, length=at) for one in found.values())


def _header(head: bytes, at: int) -> tuple[bytes, int]:
    name, _, after = next(boxes(head), (b"", 0, 0))
    if not name.isascii() or not name.isalnum():
        raise DamagedSegmentError(f"no box at byte {at}")
    return name, at + after


def _moof(moof: bytes, at: int, tracks: Sequence[Track], found: dict[int, Fragment]) -> Generator[Wants, bytes, None]:
    start, end = find(moof, "moof")
    for name, inner, after in boxes(moof, start, end):
        if name != b"traf":
            continue
        header = _Header.of(moof, inner, after)
        track = next((one for one in tracks if one.id in {0, header.track}), None)
        if track is None:
            if len(tracks) != 1:
                raise DamagedSegmentError(f"track {header.track} is not in the init segment")
            track = tracks[0]  # one track here and there: players go by order, not by number
        one, where, first = _traf(moof, (inner, after), header, track)
        earlier = found.get(track.id)
        if earlier is None:
            # Without an offset in the run its data are those of the mdat that follows.
            begin = at + len(moof) + 8 if where is None else (at if header.base is None else header.base) + where
            key = yield from first_is_key(track, begin, one.key)
            found[track.id] = replace(one, track=track.id, key=key, first_end=begin + first, moof=at)
        else:
            found[track.id] = _joined(earlier, one)


def _joined(earlier: Fragment, one: Fragment) -> Fragment:
    ends = earlier.start + earlier.duration
    broken = earlier.broken
    if one.start != ends and broken is None:
        broken = f"a fragment within it starts at {one.start}, the one before it ends at {ends}"
    return replace(
        earlier, samples=earlier.samples + one.samples, duration=earlier.duration + one.duration, broken=broken
    )


class _Header(msgspec.Struct, frozen=True):
    """tfhd (ISO/IEC 14496-12 section 8.8.7)."""

    track: int
    base: int | None = None
    duration: int | None = None
    size: int | None = None
    flags: int | None = None

    @classmethod
    def of(cls, data: bytes, start: int, end: int) -> "_Header":
        at, _ = find(data, "tfhd", start, end)
        flags = int.from_bytes(data[at + 1 : at + 4])
        track = struct.unpack_from(">I", data, at + 4)[0]
        at += 8
        values: list[int | None] = []
        for flag, form in ((0x1, ">Q"), (0x2, ">I"), (0x8, ">I"), (0x10, ">I"), (0x20, ">I")):
            values.append(struct.unpack_from(form, data, at)[0] if flags & flag else None)
            at += struct.calcsize(form) if flags & flag else 0
        base, _, duration, size, sample_flags = values
        return cls(track, base, duration, size, sample_flags)


def _traf(data: bytes, span: tuple[int, int], header: _Header, track: Track) -> tuple[Fragment, int | None, int]:
    """The fragment of a traf, where its first sample begins after the base, and that sample's size."""
    at, _ = find(data, "tfdt", *span)
    start = struct.unpack_from(">Q" if data[at] == 1 else ">I", data, at + 4)[0]
    default = header.duration or track.default_duration or None
    runs = [_run(data, inner, default) for name, inner, _ in boxes(data, *span) if name == b"trun"]
    if not runs:
        raise DamagedSegmentError("no trun box")
    first = runs[0]
    flags = first.flags if first.flags is not None else header.flags
    # sample_is_non_sync_sample (section 8.8.3.1); without flags nothing says that it is none
    sync = flags is None or not flags & 0x10000
    samples, duration = sum(run.samples for run in runs), sum(run.duration for run in runs)
    size = first.size if first.size is not None else header.size or 0
    sealed = any(name in {b"senc", b"saio"} for name, _, _ in boxes(data, *span))
    return Fragment(start, samples, duration, first.offset, 0, sync, sealed=sealed), first.at, size


class _Run(msgspec.Struct, frozen=True):
    samples: int
    duration: int
    at: int | None
    offset: int
    size: int | None
    flags: int | None


def _run(data: bytes, at: int, default: int | None) -> _Run:
    """A trun (ISO/IEC 14496-12 section 8.8.8)."""
    flags = int.from_bytes(data[at + 1 : at + 4])
    samples = struct.unpack_from(">I", data, at + 4)[0]
    place, where, first_flags = at + 8, None, None
    if flags & 0x1:
        where, place = struct.unpack_from(">i", data, place)[0], place + 4
    if flags & 0x4:
        first_flags, place = struct.unpack_from(">I", data, place)[0], place + 4
    columns = [flag for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag]
    if columns and place + 4 * len(columns) * samples > len(data):
        raise DamagedSegmentError("the trun box breaks off")
    step = 4 * len(columns)

    def column(flag: int) -> int:
        return place + 4 * columns.index(flag)

    if 0x100 in columns:
        duration = sum(struct.unpack_from(">I", data, column(0x100) + step * number)[0] for number in range(samples))
    elif default is None:
        raise DamagedSegmentError("samples have no duration")
    else:
        duration = samples * default
    has = samples > 0
    size = struct.unpack_from(">I", data, column(0x200))[0] if 0x200 in columns and has else None
    if first_flags is None and 0x400 in columns and has:
        first_flags = struct.unpack_from(">I", data, column(0x400))[0]
    offset = struct.unpack_from(">i", data, column(0x800))[0] if 0x800 in columns and has else 0
    return _Run(samples, duration, where, offset, size, first_flags)
