"""The samples of a fragment: where they are, which parts of them are encrypted (ISO/IEC 23001-7 sections 7 and 9). Pure."""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from workers.transcode.crypt.boxes import box
from workers.verify.boxes import DamagedSegmentError, boxes, find, lookup
from workers.verify.init import Track

Span = tuple[int, int]
"""Bytes that stay clear, then bytes that are encrypted."""
AVC_LEAD: Final = 64
"""Bytes of a slice of H.264 that stay clear: more than its header takes, which decoders must read (section 9.5.2). Of what
our x264 makes it takes some ten, with a table of weights thirty; a test measures."""
HEVC_LEAD: Final = 96
HEVC_ROWS: Final = 32
"""Lines of a row of coding trees at least; each row takes up to four bytes of a header of H.265: its entry point."""
CLEAR_LIMIT: Final = 0xFFFF


class Sample(msgspec.Struct, frozen=True):
    """A sample: where it is in the segment, and its spans; none: all of it is encrypted."""

    start: int
    size: int
    spans: tuple[Span, ...] = ()


class Run(msgspec.Struct, frozen=True):
    """The only track fragment of a moof and its samples."""

    moof: tuple[int, int]
    traf: tuple[int, int]
    offsets: tuple[int, ...]
    """Where data offsets of trun boxes stand."""
    samples: tuple[Sample, ...]


def runs(data: bytes, track: Track, *, whole_blocks: bool) -> list[Run]:
    """The fragments of a segment. Raises DamagedSegmentError when it is not as our encoder makes it."""
    try:
        return [
            _run(data, (start - 8, end), track, whole_blocks=whole_blocks)
            for name, start, end in boxes(data)
            if name == b"moof"
        ]
    except (struct.error, IndexError) as error:
        raise DamagedSegmentError("the segment breaks off") from error


def _run(data: bytes, moof: tuple[int, int], track: Track, *, whole_blocks: bool) -> Run:
    trafs = [(start, end) for name, start, end in boxes(data, moof[0] + 8, moof[1]) if name == b"traf"]
    if len(trafs) != 1:
        raise DamagedSegmentError(f"a moof box with {len(trafs)} tracks")
    at, _ = find(data, "tfhd", *trafs[0])
    flags, place = int.from_bytes(data[at + 1 : at + 4]), at + 8
    if flags & 0x1:
        raise DamagedSegmentError("a fragment whose offsets count from elsewhere than its moof")
    place += 4 * bool(flags & 0x2) + 4 * bool(flags & 0x8)
    default = struct.unpack_from(">I", data, place)[0] if flags & 0x10 else None
    offsets, samples = [], list[Sample]()
    for name, inner, _ in boxes(data, *trafs[0]):
        if name == b"trun":
            offsets.append(inner + 8)
            begin = moof[0] + struct.unpack_from(">i", data, inner + 8)[0]
            for size in _sizes(data, inner, default):
                spans = tuple(_spans(data, begin, size, track, whole_blocks=whole_blocks))
                samples.append(Sample(begin, size, spans))
                begin += size
    return Run(moof, trafs[0], tuple(offsets), tuple(samples))


def _sizes(data: bytes, at: int, default: int | None) -> Iterator[int]:
    """Sizes of the samples of a trun (ISO/IEC 14496-12 section 8.8.8)."""
    flags, count = int.from_bytes(data[at + 1 : at + 4]), struct.unpack_from(">I", data, at + 4)[0]
    if not flags & 0x1:
        raise DamagedSegmentError("a trun box without an offset of its data")
    place = at + 12 + 4 * bool(flags & 0x4)
    columns = [flag for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag]
    for number in range(count):
        if 0x200 not in columns:
            if default is None:
                raise DamagedSegmentError("samples have no size")
            yield default
        else:
            yield struct.unpack_from(">I", data, place + 4 * (number * len(columns) + columns.index(0x200)))[0]


def _spans(data: bytes, begin: int, size: int, track: Track, *, whole_blocks: bool) -> Iterator[Span]:
    """Of pictures: slices but for their headers; what the decoder is set up by stays clear (section 9.5.2)."""
    if track.kind != "video":
        return
    clear, at, end = 0, begin, begin + size
    while at < end:
        length = track.nal_length + int.from_bytes(data[at : at + track.nal_length])
        if length <= track.nal_length or at + length > end:
            raise DamagedSegmentError("a picture whose units are not as long as they say")
        locked = max(0, length - _lead(track, data[at + track.nal_length]) - track.nal_length)
        locked -= locked % 16 if whole_blocks else 0
        clear += length - locked
        if locked >= 16:
            yield from _limited(clear, locked)
            clear = 0
        else:
            clear += locked
        at += length
    if clear:
        yield from _limited(clear, 0)


def _lead(track: Track, first: int) -> int:
    """Bytes of a NAL unit that stay clear: of a slice a few, of others all."""
    if track.entry.startswith("avc"):
        return AVC_LEAD if first & 0x1F in {1, 5} else 1 << 32
    return HEVC_LEAD + 4 * -(-track.height // HEVC_ROWS) if first >> 1 & 0x3F < 32 else 1 << 32


def _limited(clear: int, locked: int) -> Iterator[Span]:
    """The count of clear bytes has 16 bits."""
    while clear > CLEAR_LIMIT:
        yield CLEAR_LIMIT, 0
        clear -= CLEAR_LIMIT
    yield clear, locked


def with_auxiliary(data: bytes, found: Sequence[Run], ivs: Sequence[Sequence[bytes]]) -> bytes:
    """The segment with senc, saiz and saio in each fragment. `ivs` has what each sample is given, by fragment."""
    made, at = bytearray(), 0
    for run, given in zip(found, ivs, strict=True):
        added = _auxiliary(run, given)
        head = bytearray(data[run.moof[0] : run.moof[1]])
        for offset in run.offsets:
            place = offset - run.moof[0]
            struct.pack_into(">i", head, place, struct.unpack_from(">i", head, place)[0] + len(added))
        for start in (0, run.traf[0] - 8 - run.moof[0]):
            struct.pack_into(">I", head, start, struct.unpack_from(">I", head, start)[0] + len(added))
        end = run.traf[1] - run.moof[0]
        made += data[at : run.moof[0]] + head[:end] + added + head[end:]
        at = run.moof[1]
    return bytes(made + data[at:])


def _auxiliary(run: Run, ivs: Sequence[bytes]) -> bytes:
    """Box senc with the IVs and spans; saiz and saio, which say the same place for readers without senc."""
    parts = [iv + _table(sample.spans) for iv, sample in zip(ivs, run.samples, strict=True)]
    if not any(parts):
        return b""  # one IV for all, all of each sample encrypted: tenc has said it
    flags = b"\0\0\0\x02" if any(sample.spans for sample in run.samples) else bytes(4)
    senc = box(b"senc", flags, struct.pack(">I", len(parts)), *parts)
    sizes = {len(part) for part in parts}
    if max(sizes) > 255:
        raise DamagedSegmentError("a picture of more units than can be told of")
    table = b"" if len(sizes) == 1 else bytes(len(part) for part in parts)
    saiz = box(b"saiz", bytes(4), bytes([0 if table else sizes.pop()]), struct.pack(">I", len(parts)), table)
    # From the moof on: what was there of it, both boxes before, senc's own head.
    where = run.traf[1] - run.moof[0] + len(saiz) + 20 + 16
    return saiz + box(b"saio", bytes(4), struct.pack(">II", 1, where)) + senc


def _table(spans: Sequence[Span]) -> bytes:
    return struct.pack(">H", len(spans)) + b"".join(struct.pack(">HI", *span) for span in spans) if spans else b""


def without_auxiliary(data: bytes, found: Sequence[Run]) -> bytes:
    """The segment of the same length whose boxes of encryption are free."""
    made = bytearray(data)
    for run in found:
        for name, start, _ in boxes(data, *run.traf):
            if name in {b"senc", b"saiz", b"saio"}:
                made[start - 4 : start] = b"free"
    return bytes(made)


def given(data: bytes, run: Run, iv_size: int) -> list[tuple[bytes, tuple[Span, ...]]]:
    """IV and spans of each sample as senc has them; without one nothing of each. Raises DamagedSegmentError."""
    found = lookup(data, "senc", *run.traf)
    if found is None:
        return [(b"", ())] * len(run.samples)
    spanned, (count,) = data[found[0] + 3] & 2, struct.unpack_from(">I", data, found[0] + 4)
    if count != len(run.samples):
        raise DamagedSegmentError(f"senc tells of {count} samples of {len(run.samples)}")
    at, told = found[0] + 8, list[tuple[bytes, tuple[Span, ...]]]()
    for _ in range(count):
        iv, at, spans = data[at : at + iv_size], at + iv_size, list[Span]()
        if spanned:
            (entries,) = struct.unpack_from(">H", data, at)
            spans = [struct.unpack_from(">HI", data, at + 2 + 6 * place) for place in range(entries)]
            at += 2 + 6 * entries
        told.append((iv, tuple(spans)))
    return told
