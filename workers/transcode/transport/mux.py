"""A segment of a transport stream from one of fragmented MP4 (RFC 8216 section 3.2).

By FFmpeg it would be a process for each segment, and every segment's continuity counters would begin anew, where they must
go on (RFC 8216 section 3): FFmpeg's own reader takes the first picture of such a segment for damaged.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from workers.transcode.transport.head import Index, check
from workers.transcode.transport.packets import cut, filled, least, most, tables
from workers.transcode.transport.samples import Sample, parameter_sets, samples
from workers.transcode.transport.times import LEAD, on_clock, reference, stamp
from workers.verify.boxes import DamagedSegmentError
from workers.verify.frames import RATES
from workers.verify.init import Track, read_init
from workers.verify.ts import PACKET

START: Final = b"\0\0\0\1"
"""Before each NAL unit (annex B of ITU-T H.264)."""
DELIMITER: Final = START + b"\x09\xf0"
"""An access unit delimiter, which transport streams must have (ISO/IEC 13818-1 section 2.14.1): any kind of slice."""
REPLACED: Final = frozenset({7, 8, 9})
"""SPS, PPS, delimiter: ours are written."""
TOGETHER: Final = 8
"""Frames of sound in a PES packet: 171 ms."""
LONGEST_PES: Final = 0xFFFF
SOUND_HEAD: Final = 8
"""Bytes of a PES header that its length counts, with one time stamp."""
IDR: Final = 5


class _Pes(msgspec.Struct, frozen=True):
    """A PES packet, and when it is decoded."""

    data: bytes
    decoded: int


class _Kind(msgspec.Struct, frozen=True):
    """What of a rendition differs between pictures and sound: PID, type of the stream, its id in PES packets."""

    pid: int
    stream: int
    id: int


PICTURES: Final = _Kind(0x100, 0x1B, 0xE0)
SOUND: Final = _Kind(0x101, 0x0F, 0xC0)


def muxed(path: Path, init: bytes, index: int) -> None:
    """Makes of a segment on scratch a transport stream, in its place. For a thread of its own. Raises DamagedSegmentError."""
    made = segment(path.read_bytes(), init, index)
    check(made, index)
    whole = path.with_suffix(".ts")
    whole.write_bytes(made)
    whole.replace(path)


def segment(data: bytes, init: bytes, index: int) -> bytes:
    """The segment of this number as a transport stream. Raises DamagedSegmentError.

    PAT and PMT, then one PES packet after the other; the first begins with all that a decoder needs.
    """
    track = read_init(init)
    found = samples(data, track)
    if not found:
        raise DamagedSegmentError("it has no samples")
    kind = PICTURES if track.kind == "video" else SOUND
    parts = list(_pictures(found, track, init) if kind is PICTURES else _sound(found, track))
    return b"".join(_packets(parts, kind, index, len(found)))


def _packets(parts: Sequence[_Pes], kind: _Kind, index: int, count: int) -> Iterator[bytes]:
    fields = [_field(part.decoded, None if number else Index(0, 0, 0)) for number, part in enumerate(parts)]
    needed = [least(len(part.data), len(field)) for part, field in zip(parts, fields, strict=True)]
    counts = filled(needed, [most(len(part.data)) for part in parts])
    head = tables(kind.pid, kind.stream, index)
    packets = len(head) // PACKET + sum(counts)
    fields[0] = _field(parts[0].decoded, Index(count, packets, len(head) // PACKET + counts[0]))
    yield head
    counter = 0
    for part, field, number in zip(parts, fields, counts, strict=True):
        yield from cut(kind.pid, part.data, field, number, counter)
        counter += number


def _field(decoded: int, index: Index | None) -> bytes:
    """An adaptation field with a clock reference; the first of a segment says that decoding may begin here."""
    private = index.pack() if index else b""
    flags = 0x10 | (0x42 if index else 0)
    content = bytes([flags]) + reference(max(0, decoded - LEAD)) + private
    return bytes([len(content)]) + content


def _pes(kind: _Kind, shown: int, decoded: int, data: bytes) -> _Pes:
    """A PES packet (ISO/IEC 13818-1 section 2.4.3.6); the length of a picture that does not fit is left open."""
    times = stamp(3, shown) + stamp(1, decoded) if shown != decoded else stamp(2, shown)
    head = bytes([0x84, 0xC0 if shown != decoded else 0x80, len(times)]) + times
    length = len(head) + len(data)
    if length > LONGEST_PES:
        length = 0
    return _Pes(b"\0\0\1" + bytes([kind.id]) + length.to_bytes(2) + head + data, decoded)


def _pictures(found: Sequence[Sample], track: Track, init: bytes) -> Iterator[_Pes]:
    sets = b"".join(START + unit for unit in parameter_sets(init))
    for sample in found:
        units = list(_units(sample.data, track.nal_length))
        key = any(unit[0] & 0x1F == IDR for unit in units)
        written = b"".join(START + unit for unit in units if unit[0] & 0x1F not in REPLACED)
        decoded, shown = sample.decoded - track.edit, sample.decoded + sample.offset - track.edit
        stamps = on_clock(shown, track.timescale), on_clock(decoded, track.timescale)
        yield _pes(PICTURES, *stamps, DELIMITER + (sets if key else b"") + written)


def _units(data: bytes, prefix: int) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + prefix])
        at += prefix
        if not 0 < length <= len(data) - at:
            raise DamagedSegmentError("a picture whose units are not as long as they say")
        yield data[at : at + length]
        at += length


def _sound(found: Sequence[Sample], track: Track) -> Iterator[_Pes]:
    waiting, size, begin = list[bytes](), 0, 0
    for sample in found:
        frame = _adts(track, len(sample.data)) + sample.data
        if waiting and (len(waiting) == TOGETHER or size + len(frame) > LONGEST_PES - SOUND_HEAD):
            yield _pes(SOUND, begin, begin, b"".join(waiting))
            waiting, size = [], 0
        if not waiting:
            begin = on_clock(sample.decoded - track.edit, track.timescale)
        waiting.append(frame)
        size += len(frame)
    yield _pes(SOUND, begin, begin, b"".join(waiting))


def _adts(track: Track, size: int) -> bytes:
    """The header of a frame of AAC (ISO/IEC 14496-3 section 1.A.2.2). Raises DamagedSegmentError."""
    name, _, kind = track.codec.rpartition(".")
    if name != "mp4a.40" or kind not in {"1", "2", "3", "4"} or track.sample_rate not in RATES or track.channels > 6:
        raise DamagedSegmentError(f"sound of {track.codec} is none that ADTS has")
    length, rate = size + 7, RATES.index(track.sample_rate)
    bits = 0xFFF1 << 40 | (int(kind) - 1) << 38 | rate << 34 | track.channels << 30 | length << 13 | 0x7FF << 2
    return bits.to_bytes(7)
