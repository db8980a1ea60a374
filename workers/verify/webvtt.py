"""Reads a WebVTT segment: its cues and its place in time (W3C WebVTT section 4, RFC 8216 section 3.5). Pure."""

import re
from fractions import Fraction
from typing import Final

import msgspec

_TIME: Final = r"(?:([0-9]{2,4}):)?([0-5][0-9]):([0-5][0-9])\.([0-9]{3})"
CLOCK: Final = 90_000
"""Ticks of MPEGTS a second."""
_CUE: Final = re.compile(rf"^{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t].*)?$")
_MAP: Final = re.compile(
    r"X-TIMESTAMP-MAP=(?:LOCAL:([0-9:.]+),MPEGTS:([0-9]{1,12})|MPEGTS:([0-9]{1,12}),LOCAL:([0-9:.]+))"
)


class Cue(msgspec.Struct, frozen=True):
    """A cue: line, start and end in seconds."""

    line: int
    start: Fraction
    end: Fraction


class Text(msgspec.Struct, frozen=True):
    """A WebVTT text."""

    cues: tuple[Cue, ...]
    mapped: bool
    """Whether X-TIMESTAMP-MAP says where its zero is."""
    problem: tuple[int, str] | None = None
    """Line and words of the first thing that is wrong."""
    origin: Fraction = Fraction(0)
    """Seconds of the media's clock at which its time 0 is, by X-TIMESTAMP-MAP."""


def parse(data: bytes) -> Text:
    """A WebVTT text; what is wrong with it is part of the value."""
    try:
        lines = data.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    except UnicodeDecodeError:
        return Text((), mapped=False, problem=(1, "it is not UTF-8"))
    if not re.match(r"WEBVTT(?:$|[ \t])", lines[0]):
        return Text((), mapped=False, problem=(1, "it does not begin with WEBVTT"))
    header = lines.index("", 1) if "" in lines[1:] else len(lines)
    mapped = next((found for line in lines[1:header] if (found := _MAP.fullmatch(line.strip()))), None)
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
    return Text(tuple(cues), mapped is not None, problem, _origin(mapped))


def _origin(mapped: "re.Match[str] | None") -> Fraction:
    if mapped is None:
        return Fraction(0)
    local, ticks = mapped[1] or mapped[4], mapped[2] or mapped[3]
    found = re.fullmatch(_TIME, local)
    return Fraction(int(ticks), CLOCK) - (_seconds(found.groups()) if found else 0)


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
