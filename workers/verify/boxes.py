"""Reads what matters of fragmented MP4: an init segment's tracks, a media segment's times, its first picture. Pure.

Written against ISO/IEC 14496-12 (boxes), 14496-15 (avcC), 14496-14 and 14496-1 (esds); only what CMAF segments of our own
have. Whatever it reads may be damaged: every length is checked, and the error says what is wrong.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

IDR: Final = 5
"""nal_unit_type of a slice of an IDR picture (ITU-T H.264 table 7-1)."""
BEFORE_PICTURE: Final = frozenset({6, 7, 8, 9})
"""SEI, SPS, PPS, access unit delimiter: what may stand before the first slice."""
_TFHD_FIELDS: Final = ((0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4), (0x20, 4))


class DamagedSegmentError(Exception):
    """Bytes that are no such segment. The message says what is wrong, for the verification report."""


@dataclass(frozen=True, slots=True)
class Track:
    """The track of an init segment. Width and height are 0 and channels and sample rate too where they do not apply."""

    timescale: int
    codec: str
    """RFC 6381: avc1.640028, mp4a.40.2."""
    width: int = 0
    height: int = 0
    channels: int = 0
    sample_rate: int = 0
    edit: int = 0
    """Ticks that its edit list takes off every presentation time."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """A media segment. Times are in ticks of the track."""

    start: int
    samples: int
    duration: int
    offset: int
    """Composition time offset of the first sample: when it is shown, after `start`."""
    length: int
    """Bytes by its own boxes: what the object's size must be."""
    idr: bool
    """Whether the first sample is an IDR picture; says nothing of audio."""


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the content of each box; the last one may end beyond the data."""
    at, end = start, len(data) if end is None else end
    while at + 8 <= end:
        length, name = struct.unpack_from(">I4s", data, at)
        header = 8
        if length == 1 and at + 16 <= end:
            length, header = struct.unpack_from(">Q", data, at + 8)[0], 16
        if length < header:
            raise DamagedSegmentError(f"box at byte {at} claims {length} bytes")
        yield name, at + header, at + length
        at += length


def find(data: bytes, path: str, start: int = 0, end: int | None = None) -> tuple[int, int]:
    """Start and end of the content of the first box at a path such as moov/trak/mdia."""
    for part in path.split("/"):
        for name, inner, after in boxes(data, start, end):
            if name == part.encode():
                start, end = inner, after
                break
        else:
            raise DamagedSegmentError(f"no {part} box (of {path})")
    if end is None or end > len(data):
        raise DamagedSegmentError(f"the {path} box breaks off")
    return start, end


def read_init(data: bytes) -> Track:
    """The track of an init segment. Raises DamagedSegmentError."""
    try:
        at, _ = find(data, "moov/trak/mdia/mdhd")
        timescale = struct.unpack_from(">I", data, at + (20 if data[at] == 1 else 12))[0]
        start, end = find(data, "moov/trak/mdia/minf/stbl/stsd")
        name, inner, after = next(boxes(data, start + 8, end))
        if name == b"avc1":
            width, height = struct.unpack_from(">HH", data, inner + 24)
            config, _ = find(data, "avcC", inner + 78, after)
            profile, constraints, level = data[config + 1 : config + 4]
            codec = f"avc1.{profile:02x}{constraints:02x}{level:02x}"
            return Track(timescale, codec, width=width, height=height, edit=_edit(data))
        if name == b"mp4a":
            rate = struct.unpack_from(">I", data, inner + 24)[0] >> 16
            esds, esds_end = find(data, "esds", inner + 28, after)
            codec, channels = _aac(data[esds + 4 : esds_end])
            return Track(timescale, codec, channels=channels, sample_rate=rate, edit=_edit(data))
    except (struct.error, IndexError, ValueError, StopIteration) as error:
        raise DamagedSegmentError("the init segment breaks off") from error
    raise DamagedSegmentError(f"sample entry {name.decode('ascii', 'replace')} is neither avc1 nor mp4a")


def _edit(data: bytes) -> int:
    """media_time of the only entry of an edit list; 0 without one (ISO/IEC 14496-12 section 8.6.6)."""
    start, end = find(data, "moov/trak")
    if b"edts" not in {name for name, _, _ in boxes(data, start, end)}:
        return 0
    at, _ = find(data, "edts/elst", start, end)
    return int(
        struct.unpack_from(">q", data, at + 16)[0] if data[at] == 1 else struct.unpack_from(">i", data, at + 12)[0]
    )


def with_edit(init: bytes, ticks: int) -> bytes:
    """The init segment with an edit list that takes so many ticks off every presentation time.

    One entry, its duration 0 for "to the end": what browsers, ExoPlayer, Apple's players and FFmpeg take as the offset
    of the B frames. Raises DamagedSegmentError.
    """
    entry = struct.pack(">IIIii", 0, 1, 0, ticks, 0x10000)
    edts = struct.pack(">I4sI4s", 16 + len(entry), b"edts", 8 + len(entry), b"elst") + entry
    moov, trak = find(init, "moov")[0] - 8, find(init, "moov/trak")[0] - 8
    _, at = find(init, "moov/trak/tkhd")
    grown = bytearray(init[:at] + edts + init[at:])
    for box in (moov, trak):
        struct.pack_into(">I", grown, box, struct.unpack_from(">I", init, box)[0] + len(edts))
    return bytes(grown)


def _aac(descriptors: bytes) -> tuple[str, int]:
    """RFC 6381 string and channels from the descriptors of esds (the sample entry's own channel count is always 2)."""
    at, indication = 0, 0
    while at + 2 <= len(descriptors):
        tag, at = descriptors[at], at + 1
        while descriptors[at] & 0x80:
            at += 1
        at += 1
        if tag == 3:  # ES_Descriptor: id, flags (no optional fields in files)
            at += 3
        elif tag == 4:  # DecoderConfigDescriptor
            indication, at = descriptors[at], at + 13
        elif tag == 5:  # AudioSpecificConfig
            # 5 bits of audio object type, 4 of sampling frequency index, 4 of channel configuration
            return f"mp4a.{indication:x}.{descriptors[at] >> 3}", descriptors[at + 1] >> 3 & 0xF
        else:
            break
    raise DamagedSegmentError("the esds box has no audio configuration")


def read_fragment(data: bytes) -> Fragment:
    """A media segment from its first bytes: all of moof and the beginning of mdat. Raises DamagedSegmentError."""
    try:
        return _fragment(data)
    except (struct.error, IndexError) as error:
        raise DamagedSegmentError("the segment breaks off") from error


def _fragment(data: bytes) -> Fragment:
    top = {name: (start, end) for name, start, end in boxes(data)}
    if b"moof" not in top or b"mdat" not in top:
        raise DamagedSegmentError("no moof and mdat box at its start")
    moof, moof_end = top[b"moof"]
    default = _default_duration(data, moof, moof_end)
    at, _ = find(data, "traf/tfdt", moof, moof_end)
    start = struct.unpack_from(">Q" if data[at] == 1 else ">I", data, at + 4)[0]
    run, _ = find(data, "traf/trun", moof, moof_end)
    samples, duration = _run(data, run, default)
    mdat, end = top[b"mdat"]
    return Fragment(start, samples, duration, _first_offset(data, run), end, idr=_first_is_idr(data, mdat))


def _default_duration(data: bytes, moof: int, moof_end: int) -> int | None:
    """default_sample_duration of tfhd (ISO/IEC 14496-12 section 8.8.7)."""
    at, _ = find(data, "traf/tfhd", moof, moof_end)
    flags, at = int.from_bytes(data[at + 1 : at + 4]), at + 8
    for flag, size in _TFHD_FIELDS[:2]:
        at += size if flags & flag else 0
    return struct.unpack_from(">I", data, at)[0] if flags & 0x8 else None


def _run(data: bytes, at: int, default: int | None) -> tuple[int, int]:
    """Samples and duration of a trun (ISO/IEC 14496-12 section 8.8.8)."""
    flags = int.from_bytes(data[at + 1 : at + 4])
    samples = struct.unpack_from(">I", data, at + 4)[0]
    if not flags & 0x100:
        if default is None:
            raise DamagedSegmentError("samples have no duration")
        return samples, samples * default
    first, step = _entries(flags)
    return samples, sum(struct.unpack_from(">I", data, at + first + step * number)[0] for number in range(samples))


def _entries(flags: int) -> tuple[int, int]:
    """Where the first sample's entry of a trun is, and the size of an entry."""
    first = 8 + (4 if flags & 0x1 else 0) + (4 if flags & 0x4 else 0)
    return first, 4 * sum(1 for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag)


def _first_offset(data: bytes, at: int) -> int:
    flags = int.from_bytes(data[at + 1 : at + 4])
    first, step = _entries(flags)
    return struct.unpack_from(">i", data, at + first + step - 4)[0] if flags & 0x800 else 0


def _first_is_idr(data: bytes, at: int) -> bool:
    """Whether the first slice of the first sample is of an IDR picture; NAL units have four-byte lengths (avcC)."""
    while at + 5 <= len(data):
        kind = data[at + 4] & 0x1F
        if kind not in BEFORE_PICTURE:
            return kind == IDR
        at += 4 + int.from_bytes(data[at : at + 4])
    return False
