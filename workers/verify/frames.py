"""Frames of sound by their headers: AAC in ADTS, MP3, AC-3, Enhanced AC-3. Pure."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from workers.verify.boxes import DamagedSegmentError
from workers.verify.codecs import AC3_MODES

RATES: Final = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
"""Of AAC, by sampling_frequency_index (ISO/IEC 14496-3 table 1.18)."""
LAYER_3: Final = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
"""Kilobits per second by bitrate_index, of MPEG-1 and of MPEG-2 (ISO/IEC 11172-3 section 2.4.2.3, 13818-3 section 2.4.2.3)."""
LAYER_3_RATES: Final = (44_100, 48_000, 32_000)
AC3_RATES: Final = (48_000, 44_100, 32_000)
AC3_KILOBITS: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
AC3_SAMPLES: Final = 1536
BLOCKS: Final = (1, 2, 3, 6)
"""Of 256 samples in a frame of Enhanced AC-3, by numblkscod (ETSI TS 102 366 section E.1.3.1.4)."""


class Frame(msgspec.Struct, frozen=True):
    """Bytes, samples of each channel, samples a second (0: the header says none), channels, codec (RFC 6381)."""

    size: int
    samples: int
    rate: int
    channels: int
    codec: str


def frames(data: bytes, at: int) -> Iterator[Frame]:
    """All frames from a byte on, of one kind. Raises DamagedSegmentError for other bytes, IndexError where the last one breaks off."""
    read = reader(data[at : at + 4])
    while at < len(data):
        frame = read(data, at) if read is not None and reader(data[at : at + 4]) is read else None
        if frame is None or frame.size <= 0 or not frame.rate:
            raise DamagedSegmentError(f"no frame of sound begins at byte {at}")
        if at + frame.size > len(data):
            raise IndexError
        yield frame
        at += frame.size


def reader(head: bytes) -> Callable[[bytes, int], Frame] | None:
    """Who reads frames that begin so: by their sync words."""
    if head[:2] == b"\x0b\x77":
        return _ac3
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return adts
    return _layer_3 if head[1] & 0x06 == 0x02 and head[1] & 0x18 != 0x08 else None


def adts(data: bytes, at: int) -> Frame:
    """ISO/IEC 14496-3 section 1.A.3.2."""
    index, kind = data[at + 2] >> 2 & 0xF, (data[at + 2] >> 6) + 1
    size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    channels = (data[at + 2] & 1) << 2 | data[at + 3] >> 6
    rate = RATES[index] if index < len(RATES) else 0
    return Frame(size, 1024 * ((data[at + 6] & 3) + 1), rate, 8 if channels == 7 else channels, f"mp4a.40.{kind}")


def _layer_3(data: bytes, at: int) -> Frame:
    """ISO/IEC 11172-3 section 2.4.1.3; MPEG-2 and 2.5 have half and a quarter of its sampling rates."""
    version = data[at + 1] >> 3 & 3
    low = version != 3
    index, sampling = data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if index in {0, 15} or sampling == 3:
        raise DamagedSegmentError(f"the frame at byte {at} has no bit rate or sampling rate")
    rate = LAYER_3_RATES[sampling] >> {3: 0, 2: 1, 0: 2}[version]
    size = (72 if low else 144) * LAYER_3[low][index] * 1000 // rate + (data[at + 2] >> 1 & 1)
    return Frame(size, 576 if low else 1152, rate, 1 if data[at + 3] >> 6 == 3 else 2, "mp4a.40.34")


def _ac3(data: bytes, at: int) -> Frame:
    """ETSI TS 102 366 sections 4.3 and E.1.2."""
    sampling = data[at + 4] >> 6
    if data[at + 5] >> 3 > 10:
        return _eac3(data, at)
    code = data[at + 4] & 0x3F
    if sampling == 3 or code >> 1 >= len(AC3_KILOBITS):
        raise DamagedSegmentError(f"the frame at byte {at} has no bit rate or sampling rate")
    rate, kilobits = AC3_RATES[sampling], AC3_KILOBITS[code >> 1]
    words = kilobits * 1000 * AC3_SAMPLES // (rate * 16) + (code & 1 if rate == 44_100 else 0)
    mode, bits = data[at + 6] >> 5, (data[at + 6] << 8 | data[at + 7]) & 0x1FFF
    # What stands between acmod and lfeon: a level of the centre, one of the surround, a mark of two channels.
    skipped = 2 * (mode & 1 and mode != 1) + 2 * (mode >> 2 & 1) + 2 * (mode == 2)
    low = bits >> (12 - skipped) & 1
    return Frame(2 * words, AC3_SAMPLES, rate, AC3_MODES[mode] + low, "ac-3")


def _eac3(data: bytes, at: int) -> Frame:
    size = 2 * (((data[at + 2] & 7) << 8 | data[at + 3]) + 1)
    said = data[at + 4]
    sampling, blocks, mode, low = said >> 6, said >> 4 & 3, said >> 1 & 7, said & 1
    if sampling == 3:  # half the rates, and always six blocks
        rate, blocks = AC3_RATES[min(blocks, 2)] // 2, 3
    else:
        rate = AC3_RATES[sampling]
    more = data[at + 2] >> 6 == 1  # a dependent substream: other channels of the same time
    return Frame(size, 0 if more else 256 * BLOCKS[blocks], rate, AC3_MODES[mode] + low, "ec-3")
