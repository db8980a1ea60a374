"""WebVTT: the cues of a text track as FFmpeg writes them, and the segments of HLS made of them. Pure.

W3C WebVTT; RFC 8216 section 3.5. FFmpeg leaves bold, italic and underlined text; positions and fonts are lost to it.
"""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final

import msgspec

_TIMING: Final = re.compile(r"^(-?[\d:]+[.]\d{3}) --> (-?[\d:]+[.]\d{3})[^\n]*$", re.MULTILINE)
_TEXT: Final = re.compile(r"</?[biu]>|&(?:amp|lt|gt|nbsp|lrm|rlm);|[&<>]")
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
HEADER: Final = "WEBVTT\n"
MAPPED: Final = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{origin},LOCAL:00:00:00.000\n"
"""Cue times count from the film's start, which has this time stamp in the segments (RFC 8216 section 3.5)."""


class Cue(msgspec.Struct, frozen=True):
    """A text and when it is shown, in milliseconds."""

    start: int
    end: int
    text: str

    def __str__(self) -> str:
        """Its block in a file."""
        return f"{stamp(self.start)} --> {stamp(self.end)}\n{self.text}\n"


def parse(text: str, origin: Fraction, duration: Fraction) -> list[Cue]:
    """The cues of a file that FFmpeg wrote, by time, with `origin` taken off and what is outside the film cut off.

    A blank line inside a text would end it: it is left out. Whatever is neither a known tag nor an entity is escaped.
    """
    clean = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    found = list(_TIMING.finditer(clean))
    ends = [*(match.start() for match in found[1:]), len(clean)][: len(found)]
    cues = []
    for match, end in zip(found, ends, strict=True):
        lines = [line.strip() for line in clean[match.end() : end].split("\n")]
        body = "\n".join(_escaped(line) for line in lines if line)
        start, stop = (round((_seconds(part) - origin) * 1000) for part in match.groups())
        start, stop = max(0, start), min(stop, int(duration * 1000))
        if body and start < stop:
            cues.append(Cue(start, stop, body))
    return sorted(cues, key=lambda cue: (cue.start, cue.end))


def whole(cues: Sequence[Cue]) -> str:
    """One file with all cues: what DASH and a web page's track element take."""
    return "\n".join([HEADER, *map(str, cues)])


def segments(cues: Sequence[Cue], borders: Sequence[Fraction], origin: int = 0) -> Iterator[str]:
    """The segments between these times in seconds. A cue stands in each segment it is shown in, whole (RFC 8216 3.5).

    `origin` is the time stamp of the film's start, on the 90 kHz clock.
    """
    coming = iter(cues)
    following = next(coming, None)
    shown: list[Cue] = []
    for begin, end in pairwise(borders):
        while following is not None and following.start < end * 1000:
            shown.append(following)
            following = next(coming, None)
        shown = [cue for cue in shown if cue.end > begin * 1000]
        yield "\n".join([MAPPED.format(origin=origin), *map(str, shown)])


def stamp(milliseconds: int) -> str:
    """A time as WebVTT has it, with hours."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"


def _seconds(text: str) -> Fraction:
    """Seconds of 00:01.500 or 01:00:01.500; FFmpeg writes a minus before each part of a time below 0."""
    sign, total = (-1 if "-" in text else 1), Fraction(0)
    for part in text.replace("-", "").split(":"):
        total = total * 60 + Fraction(part or 0)
    return sign * total


def _escaped(line: str) -> str:
    return _TEXT.sub(lambda match: _ESCAPES.get(match[0], match[0]), line)
