"""WebVTT in fragmented MP4, as DASH takes subtitles (ISO/IEC 14496-30 section 7; CMAF wvtt). Pure.

A whole .vtt file would do for web players, but FFmpeg's demuxer, and every player on it, refuses a manifest that names one.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from workers.transcode.webvtt import HEADER, Cue

MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
UNDETERMINED: Final = 0x55C4
"""The language und, packed: the manifest says the language."""


def _box(name: str, *content: bytes) -> bytes:
    inner = b"".join(content)
    return struct.pack(">I4s", 8 + len(inner), name.encode()) + inner


def _full(name: str, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(name, struct.pack(">I", version << 24 | flags), *content)


def init(timescale: int) -> bytes:
    """The init segment of a track of text with so many ticks a second."""
    entry = _box("wvtt", bytes(6), struct.pack(">H", 1), _box("vttC", HEADER.strip().encode()))
    tables = [_full(name, bytes(4)) for name in ("stts", "stsc", "stco")] + [_full("stsz", bytes(8))]
    stbl = _box("stbl", _full("stsd", struct.pack(">I", 1), entry), *tables)
    dinf = _box("dinf", _full("dref", struct.pack(">I", 1), _full("url ", flags=1)))
    mdhd = _full("mdhd", struct.pack(">IIIIHH", 0, 0, timescale, 0, UNDETERMINED, 0))
    hdlr = _full("hdlr", bytes(4), b"text", bytes(12), b"text\0")
    tkhd = _full("tkhd", struct.pack(">IIIII", 0, 0, 1, 0, 0), bytes(16), MATRIX, bytes(8), flags=3)
    trak = _box("trak", tkhd, _box("mdia", mdhd, hdlr, _box("minf", _full("nmhd"), dinf, stbl)))
    times = struct.pack(">IIIIIH", 0, 0, timescale, 0, 0x10000, 0x100)
    mvhd = _full("mvhd", times, bytes(10), MATRIX, bytes(24), struct.pack(">I", 2))
    mvex = _box("mvex", _full("trex", struct.pack(">5I", 1, 1, 0, 0, 0)))
    return _box("ftyp", b"iso6", bytes(4), b"iso6cmfc") + _box("moov", mvhd, trak, mvex)


def segments(cues: Sequence[Cue], borders: Sequence[int], timescale: int) -> Iterator[bytes]:
    """The media segments between these borders, in ticks. `cues` are by time; one over a border stands in both."""
    timed = [(_ticks(cue.start, timescale), _ticks(cue.end, timescale), number, cue) for number, cue in enumerate(cues)]
    coming = iter(timed)
    following = next(coming, None)
    shown: list[tuple[int, int, int, Cue]] = []
    for number, (begin, end) in enumerate(pairwise(borders)):
        while following is not None and following[0] < end:
            shown.append(following)
            following = next(coming, None)
        shown = [one for one in shown if one[1] > begin]
        yield _segment(number, begin, list(_samples(shown, begin, end)))


def _ticks(milliseconds: int, timescale: int) -> int:
    return milliseconds * timescale // 1000


def _samples(shown: Sequence[tuple[int, int, int, Cue]], begin: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Duration and content of each sample: what is shown changes at no other time (section 7.3)."""
    times = {begin, end} | {time for one in shown for time in one[:2] if begin < time < end}
    order = sorted(times)
    for start, stop in pairwise(order):
        texts = [_cue(number, cue) for first, last, number, cue in shown if first < stop and last > start]
        yield stop - start, b"".join(texts) or _box("vtte")


def _cue(number: int, cue: Cue) -> bytes:
    # The same source number in each part: a player that puts parts together again knows them by it.
    return _box("vttc", _box("vsid", struct.pack(">I", number)), _box("payl", cue.text.encode()))


def _segment(number: int, begin: int, samples: Sequence[tuple[int, bytes]]) -> bytes:
    entries = b"".join(struct.pack(">II", duration, len(content)) for duration, content in samples)
    tfhd = _full("tfhd", struct.pack(">I", 1), flags=0x20000)  # default-base-is-moof
    tfdt = _full("tfdt", struct.pack(">Q", begin), version=1)

    def moof(offset: int) -> bytes:
        trun = _full("trun", struct.pack(">Ii", len(samples), offset), entries, flags=0x301)
        return _box("moof", _full("mfhd", struct.pack(">I", number + 1)), _box("traf", tfhd, tfdt, trun))

    size = len(moof(0))
    return _box("styp", b"msdh", bytes(4), b"msdhcmfs") + moof(size + 8) + _box("mdat", *(one for _, one in samples))
