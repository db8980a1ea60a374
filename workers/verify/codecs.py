"""Codec strings (RFC 6381) and what else the configuration boxes of a sample entry say. Pure.

Sources: ISO/IEC 14496-15 annex E (avc1, hvc1), the AV1 and VP9 bindings to ISO base media, ISO/IEC 14496-1 and -3 (mp4a),
the Opus binding, ETSI TS 102 366 annex F (ac-3, ec-3).
"""

import struct
from collections.abc import Callable
from typing import Final

import msgspec

from workers.verify.boxes import DamagedSegmentError, find


class Config(msgspec.Struct, frozen=True):
    """What a configuration box says. Channels are 0 where it does not say them."""

    codec: str
    channels: int = 0
    nal_length: int = 0
    """Bytes of the length before each NAL unit; 0 where there are none."""


Read = Callable[[str, bytes], Config]


def _avc(entry: str, data: bytes) -> Config:
    profile, constraints, level = data[1:4]
    return Config(f"{entry}.{profile:02x}{constraints:02x}{level:02x}", nal_length=(data[4] & 3) + 1)


def _hevc(entry: str, data: bytes) -> Config:
    space, tier, profile = data[1] >> 6, data[1] >> 5 & 1, data[1] & 0x1F
    compatible = int(f"{struct.unpack_from('>I', data, 2)[0]:032b}"[::-1], 2)
    constraints = ".".join(f"{byte:x}" for byte in data[6:12].rstrip(b"\0"))
    level = f"{'H' if tier else 'L'}{data[12]}"
    parts = [entry, f"{['', 'A', 'B', 'C'][space]}{profile}", f"{compatible:x}", level]
    return Config(".".join([*parts, *([constraints] if constraints else [])]), nal_length=(data[21] & 3) + 1)


def _av1(entry: str, data: bytes) -> Config:
    profile, level = data[1] >> 5, data[1] & 0x1F
    tier = "H" if data[2] & 0x80 else "M"
    depth = (12 if data[2] & 0x20 else 10) if data[2] & 0x40 else 8
    return Config(f"{entry}.{profile}.{level:02d}{tier}.{depth:02d}")


def _vp9(entry: str, data: bytes) -> Config:
    return Config(f"{entry}.{data[4]:02d}.{data[5]:02d}.{data[6] >> 4:02d}")


def _aac(entry: str, data: bytes) -> Config:
    """Object type and channels from the descriptors of esds (the sample entry's own channel count is always 2)."""
    at, indication = 4, 0
    while at + 2 <= len(data):
        tag, at = data[at], at + 1
        while data[at] & 0x80:
            at += 1
        at += 1
        if tag == 3:  # ES_Descriptor: id, flags (no optional fields in files)
            at += 3
        elif tag == 4:  # DecoderConfigDescriptor
            indication, at = data[at], at + 13
            if indication != 0x40:
                return Config(f"{entry}.{indication:x}")
        elif tag == 5:  # AudioSpecificConfig
            kind, channels = audio_config(data[at:])
            return Config(f"{entry}.{indication:x}.{kind}", channels=channels)
        else:
            break
    raise DamagedSegmentError("the esds box has no audio configuration")


def audio_config(data: bytes) -> tuple[int, int]:
    """Audio object type and channels of an AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1)."""
    bits, at = int.from_bytes(data[:8].ljust(8, b"\0")), 64

    def take(count: int) -> int:
        nonlocal at
        at -= count
        return bits >> at & (1 << count) - 1

    if not data:
        raise IndexError
    kind = take(5)
    kind = 32 + take(6) if kind == 31 else kind
    if take(4) == 0xF:
        take(24)
    layout = take(4)
    return kind, {7: 8, 11: 7, 12: 8, 14: 8}.get(layout, layout)


def _opus(_entry: str, data: bytes) -> Config:
    return Config("Opus", channels=data[1])


AC3_MODES: Final = (2, 1, 2, 3, 3, 4, 4, 5)
"""Channels by acmod (ETSI TS 102 366 table 4.3)."""


def _ac3(entry: str, data: bytes) -> Config:
    bits = int.from_bytes(data[:3])
    return Config(entry, channels=AC3_MODES[bits >> 11 & 7] + (bits >> 10 & 1))


def _eac3(entry: str, data: bytes) -> Config:
    bits = int.from_bytes(data[2:5])
    return Config(entry, channels=AC3_MODES[bits >> 9 & 7] + (bits >> 8 & 1))


READERS: Final[dict[str, tuple[str, Read]]] = {
    "avc1": ("avcC", _avc),
    "avc3": ("avcC", _avc),
    "hvc1": ("hvcC", _hevc),
    "hev1": ("hvcC", _hevc),
    "av01": ("av1C", _av1),
    "vp09": ("vpcC", _vp9),
    "mp4a": ("esds", _aac),
    "Opus": ("dOps", _opus),
    "ac-3": ("dac3", _ac3),
    "ec-3": ("dec3", _eac3),
}
"""Sample entry, its configuration box, and how that is read."""


def configuration(entry: str, data: bytes, start: int, end: int) -> Config:
    """What the configuration box of a sample entry says; of an entry this does not know, its name alone."""
    if entry not in READERS:
        return Config(entry)
    box, read = READERS[entry]
    at, after = find(data, box, start, end)
    return read(entry, data[at:after])


def same_codec(said: str, true: str) -> bool:
    """Whether two codec strings mean the same: case does not count, nor the optional tail of AV1's and VP9's."""
    one, other = said.lower().split("."), true.lower().split(".")
    if one[0] in {"av01", "vp09"}:
        one, other = one[:4], other[:4]
    return one == other
