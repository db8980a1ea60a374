"""Boxes of ISO base media files: walking them, and the edit list. Pure.

Whatever is read may be damaged: every length is checked, and the error says what is wrong.
"""

import struct
from collections.abc import Iterator


class DamagedSegmentError(Exception):
    """Bytes that are no such segment. The message says what is wrong, for the verification report."""


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the content of each box (ISO/IEC 14496-12 section 4.2); the last may end beyond the data."""
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
    """Start and end of the content of the first box at a path such as moov/trak/mdia. Raises DamagedSegmentError."""
    found = lookup(data, path, start, end)
    if found is None:
        raise DamagedSegmentError(f"no {path} box")
    return found


def lookup(data: bytes, path: str, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
    """As `find`; None when there is no such box."""
    for part in path.split("/"):
        for name, inner, after in boxes(data, start, end):
            if name == part.encode():
                start, end = inner, after
                break
        else:
            return None
    if end is None or end > len(data):
        raise DamagedSegmentError(f"the {path} box breaks off")
    return start, end


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


def without_pre_skip(init: bytes) -> bytes:
    """The init segment of an Opus track whose dOps says that no sample is to be skipped (Opus in ISOBMFF section 4.3.2).

    For audio whose first samples stand for the priming: a decoder that skipped them would be early by as much.
    Raises DamagedSegmentError.
    """
    start, end = find(init, "moov/trak/mdia/minf/stbl/stsd")
    _, inner, after = next(boxes(init, start + 8, end))
    at, _ = find(init, "dOps", inner + 28, after)
    return init[: at + 2] + b"\0\0" + init[at + 4 :]
