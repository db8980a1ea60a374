"""Reads a WebVTT segment: its cues and its place in time (W3C WebVTT section 4, RFC 8216 section 3.5). Pure."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

_TIME: Final = r"(?:([0-9]{2,4}):)?([0-5][0-9]):([0-5][0-9])\.([0-9]{3})"
_CUE: Final = re.compile(rf"^{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t].*)?$")
_MAP: Final = re.compile(
    r"X-TIMESTAMP-MAP=(?:LOCAL:([0-9:.]+),MPEGTS:([0-9]{1,12})|MPEGTS:([0-9]{1,12}),LOCAL:([0-9:.]+))"
)


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue: line, start and end in seconds."""

    line: int
    start: Fraction
    end: Fraction


@dataclass(frozen=True, slots=True)
class Text:
    """A WebVTT text."""

    cues: tuple[Cue, ...]
    mapped: bool
    """Whether X-TIMESTAMP-MAP says where its zero is."""
    problem: tuple[int, str] | None = None
    """Line and words of the first thing that is wrong."""


def parse(data: bytes) -> Text:
    """A WebVTT text; what is wrong with it is part of the value."""
    try:
        lines = data.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    except UnicodeDecodeError:
        return Text((), mapped=False, problem=(1, "it is not UTF-8"))
    if not re.match(r"WEBVTT(?:$|[ \t])", lines[0]):
        return Text((), mapped=False, problem=(1, "it does not begin with WEBVTT"))
    header = lines.index("", 1) if "" in lines[1:] else len(lines)
    mapped = any(_MAP.fullmatch(line.strip()) for line in lines[1:header])
    cues: list[Cue] = []
    problem = None
    for number, line in enumerate(lines, 1):
        if "-->" not in line:
            continue
        cue = _cue(number, line)
        if isinstance(cue, str):
            problem = problem or (number, cue)
        else:
            cues.append(cue)
    return Text(tuple(cues), mapped, problem)


def _cue(number: int, line: str) -> Cue | str:
    match = _CUE.match(line)
    if match is None:
        return f"{line[:60]!r} is no cue timing"
    start, end = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
    if end <= start:
        return f"the cue ends at {float(end):.3f} s, before it starts"
    return Cue(number, start, end)


def _seconds(parts: tuple[str | None, ...]) -> Fraction:
    hours, minutes, whole, thousandths = (int(part or 0) for part in parts)
    return Fraction(hours * 3600 + minutes * 60 + whole) + Fraction(thousandths, 1000)
