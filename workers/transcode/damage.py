"""What of a damaged input does not decode: the holes that a decoder leaves in the time of a stream, and their words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, Literal

import msgspec

UNNOTICED: Final = Fraction(1, 5)
"""Seconds that may be missing where no decoder has complained: what recorders and clocks leave out."""
TAIL: Final = Fraction(1, 10)
"""Seconds before a stream's end that hold no frame where nothing is wrong: reordering, and an encoder's padding."""
FILLED: Final = {"video": "the frame before stands still", "audio": "silence takes its place"}


class Span(msgspec.Struct, frozen=True):
    """When the packets of a stream begin and end, in seconds on the input's clock."""

    start: Fraction
    end: Fraction


class Damage(msgspec.Struct, frozen=True):
    """What is lost of a stream, in seconds; when the first of it begins and the last of it ends, from the film's start."""

    stream: int
    kind: Literal["video", "audio"]
    whole: Fraction
    lost: Fraction
    first: Fraction
    last: Fraction

    def __str__(self) -> str:
        where = f"between {float(self.first):.2f} and {float(self.last):.2f} s"
        what = f"damage tolerated in stream {self.stream} ({self.kind})"
        if not self.lost:
            return f"{what}: errors that cost no frame, {where}"
        return (
            f"{what}: {float(self.lost):.2f} of {float(self.whole):.2f} s do not decode, {where}; {FILLED[self.kind]}"
        )

    def figures(self) -> dict[str, Any]:
        """For the report; seconds."""
        times = {"seconds": self.whole, "lost": self.lost, "first": self.first, "last": self.last}
        return {"stream": self.stream, "kind": self.kind, **{name: round(float(at), 3) for name, at in times.items()}}


@dataclass(slots=True)
class Holes:
    """Reads FFmpeg's list of the frames that decode (framecrc, on the input's clock) and finds what is missing between them."""

    usual: Fraction | None
    """Seconds from one frame to the next; None: as long as the frame says it lasts."""
    patience: Fraction
    """Seconds between two frames that are a hole."""
    frames: int = 0
    first: Fraction | None = None
    """When the first good frame begins."""
    end: Fraction | None = None
    """When the last good frame ends."""
    lost: Fraction = Fraction(0)
    opened: Fraction | None = None
    closed: Fraction | None = None
    _tick: Fraction = field(default=Fraction(0))

    def line(self, line: bytes) -> None:
        """`#tb 0: 1/25`, or stream, dts, pts, duration, size, checksum."""
        text = line.decode("ascii", "replace")
        if text.startswith("#tb 0:"):
            numerator, _, denominator = text.partition(":")[2].strip().partition("/")
            if numerator.isdecimal() and denominator.isdecimal() and int(denominator):
                self._tick = Fraction(int(numerator), int(denominator))
            return
        fields = [field.strip() for field in text.split(",")]
        if len(fields) >= 4 and fields[2].removeprefix("-").isdecimal() and fields[3].isdecimal():
            self._frame(int(fields[2]) * self._tick, int(fields[3]) * self._tick)

    def _frame(self, start: Fraction, duration: Fraction) -> None:
        self.frames += 1
        if self.first is None or self.end is None:
            self.first = start
        else:
            self.hole(self.end, start)
        self.end = max(self.end or start, start + (self.usual or duration))

    def hole(self, start: Fraction, end: Fraction) -> None:
        """Nothing decodes from a time to a time: counted where that is longer than the patience."""
        if end - start <= self.patience:
            return
        self.lost += end - start
        self.opened = start if self.opened is None else min(self.opened, start)
        self.closed = end if self.closed is None else max(self.closed, end)


def found(stream: int, kind: Literal["video", "audio"], holes: Holes, span: Span, *, complained: bool) -> Damage | None:
    """The damage of a stream whose packets are in that span, once all its frames were listed; None where there is none.

    `complained`: whether the decoder said anything.
    """
    end = span.end if holes.end is None else max(span.end, holes.end)
    whole = end - span.start
    if holes.first is None or holes.end is None:
        return Damage(stream, kind, whole, whole, Fraction(0), whole)
    last, edge = holes.end, max(TAIL, holes.patience)
    if holes.first - span.start > edge:
        holes.hole(span.start, holes.first)
    if end - last > edge:
        holes.hole(last, end)
    if not complained and holes.lost <= UNNOTICED:
        return None
    opened = span.start if holes.opened is None else max(holes.opened, span.start)
    closed = last if holes.closed is None else max(holes.closed, opened)
    return Damage(stream, kind, whole, holes.lost, opened - span.start, closed - span.start)


def note(cut: str | None, damages: Sequence[Damage]) -> list[str]:
    """Lines for the plan's notes."""
    return [*([f"damage tolerated: the file was cut, {cut}"] if cut else []), *(str(one) for one in damages)]
