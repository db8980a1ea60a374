"""Whether a sample is one that decoding can begin with, by its own bits: H.264, HEVC, AV1. Pure."""

from collections.abc import Generator
from typing import Final

from workers.verify.init import Track

Wants = tuple[int, int]
"""Offset and count of bytes that a reader asks for."""

AVC_IDR: Final = frozenset({5})
"""nal_unit_type of a slice of an IDR picture (ITU-T H.264 table 7-1)."""
AVC_BEFORE: Final = frozenset({6, 7, 8, 9})
"""SEI, SPS, PPS, access unit delimiter: what may stand before the first slice."""
HEVC_IDR: Final = frozenset({19, 20})
"""IDR_W_RADL, IDR_N_LP (ITU-T H.265 table 7-1)."""
HEVC_BEFORE: Final = frozenset({32, 33, 34, 35, 39})
"""VPS, SPS, PPS, access unit delimiter, prefix SEI."""
MOST_UNITS: Final = 64
"""NAL units or OBUs before the first picture; a real stream has fewer than ten."""
AV1_SEQUENCE, AV1_DELIMITER, AV1_HEADER, AV1_METADATA, AV1_FRAME = 1, 2, 3, 5, 6
"""obu_type (AV1 specification section 6.2.2)."""


def first_is_key(track: Track, at: int, marked: bool) -> Generator[Wants, bytes, bool]:
    """Whether the sample at this byte is one. `marked` is what the container says, for codecs this does not read."""
    if track.kind != "video" or track.protected:
        return marked or track.kind != "video"
    if track.entry in {"avc1", "avc3"}:
        return (yield from _nal_units(track, at, AVC_IDR, AVC_BEFORE))
    if track.entry in {"hvc1", "hev1"}:
        return (yield from _nal_units(track, at, HEVC_IDR, HEVC_BEFORE))
    if track.entry == "av01":
        return (yield from _obus(at))
    return marked


def _nal_units(track: Track, at: int, key: frozenset[int], before: frozenset[int]) -> Generator[Wants, bytes, bool]:
    prefix = track.nal_length or 4
    for _ in range(MOST_UNITS):
        head = yield at, prefix + 1
        if len(head) <= prefix:
            return False
        kind = head[prefix] & 0x1F if key is AVC_IDR else head[prefix] >> 1 & 0x3F
        if kind not in before:
            return kind in key
        at += prefix + int.from_bytes(head[:prefix])
    return False


def _obus(at: int) -> Generator[Wants, bytes, bool]:
    """The first frame header says KEY_FRAME (AV1 specification sections 5.3.2, 5.9.2)."""
    for _ in range(MOST_UNITS):
        head = yield at, 16
        if not head:
            return False
        kind, place = head[0] >> 3 & 0xF, 2 if head[0] & 0x4 else 1
        size = shift = 0
        if head[0] & 0x2:
            while place < len(head) and shift <= 49:
                byte, place = head[place], place + 1
                size |= (byte & 0x7F) << shift
                shift += 7
                if not byte & 0x80:
                    break
        if kind in {AV1_HEADER, AV1_FRAME}:
            # show_existing_frame, frame_type
            return place < len(head) and not head[place] & 0x80 and head[place] >> 5 & 3 == 0
        if kind not in {AV1_SEQUENCE, AV1_DELIMITER, AV1_METADATA} or not head[0] & 0x2:
            return False
        at += place + size
    return False
