"""Frame arithmetic in whole numbers: the frame rate of the output, its frames, its segments.

Every time is an exact fraction of the frame rate, so that ranges of segments encoded apart join without a stitch.
"""

from fractions import Fraction
from typing import Final

import msgspec

STANDARD: Final = (
    Fraction(24000, 1001),
    Fraction(24),
    Fraction(25),
    Fraction(30000, 1001),
    Fraction(30),
    Fraction(48),
    Fraction(50),
    Fraction(60000, 1001),
    Fraction(60),
)
SAME: Final = Fraction(1, 2000)
"""Two rates are one when they differ by less than this part: 24000/1001 and 24 differ by 1/1001, while a container of
whole milliseconds is off by less than this after a hundred frames."""
LEAST: Final = Fraction(1, 10)
"""A segment is one frame at least, and lasts ten seconds at most."""
TIMESCALE: Final = 10_000
"""Ticks per second are at least this many, as FFmpeg's own muxer has it: players that round to coarse ticks drift."""


class Timeline(msgspec.Struct, frozen=True):
    """The output's time: frame rate, frames, and frames of a segment."""

    rate: Fraction
    frames: int
    gop: int
    fine: Fraction = Fraction(0)
    """The rate whose ticks are counted: that of the whole frames, of a timeline that is halved."""

    def halved(self) -> "Timeline":
        """Every other frame from the first on, in the same ticks. The segments are the same: their frames are even."""
        return Timeline(self.rate / 2, -(-self.frames // 2), self.gop // 2, self.rate)

    @property
    def segments(self) -> int:
        """Segments of a rung; the last one may be shorter."""
        return -(-self.frames // self.gop)

    @property
    def timescale(self) -> int:
        """Ticks per second in which one frame is a whole number of ticks."""
        numerator = (self.fine or self.rate).numerator
        return numerator * -(-TIMESCALE // numerator) if numerator < TIMESCALE else numerator

    @property
    def frame_ticks(self) -> int:
        """Ticks of one frame."""
        return int(self.timescale / self.rate)

    @property
    def duration(self) -> Fraction:
        """Seconds of the whole."""
        return self.frames / self.rate

    @property
    def segment_duration(self) -> Fraction:
        """Seconds of a whole segment."""
        return self.gop / self.rate

    @property
    def borders(self) -> tuple[Fraction, ...]:
        """Where segments start and, at last, end, in seconds."""
        return (*(number * self.segment_duration for number in range(self.segments)), self.duration)

    @property
    def border_ticks(self) -> tuple[int, ...]:
        """The same in ticks."""
        return (
            *(number * self.gop * self.frame_ticks for number in range(self.segments)),
            self.frames * self.frame_ticks,
        )

    def frames_of(self, segment: int) -> int:
        """Frames of the segment of this number, counted from 0."""
        return min(self.gop, self.frames - segment * self.gop)


def timeline(rate: Fraction, frames: int, segment_seconds: float, *, least: int = 1, even: bool = False) -> Timeline:
    """The timeline whose segments are the wished duration, rounded to whole frames: so many at least, or an even number."""
    wished = Fraction(segment_seconds).limit_denominator(1_000_000) * rate
    gop = 2 * round(wished / 2) if even else round(wished)
    return Timeline(rate=rate, frames=max(1, frames), gop=max(least, gop, 2 if even else 1))


def output_rate(average: Fraction | None, nominal: Fraction | None, limit: int, slack: Fraction = SAME) -> Fraction:
    """The constant frame rate for frames that come at this average rate in a stream with this nominal rate.

    The nominal one (FFmpeg's r_frame_rate) where the frames agree with it up to the slack, or nearly do (a phone that
    skips some); else the standard rate they agree with; else the next standard one. Above the limit a whole part of it;
    stills that last longer than ten seconds are shown again each second.
    """
    average = average or nominal
    if average is None:
        return Fraction(25)
    natural = _natural(average, nominal, slack)
    return Fraction(1) if natural < LEAST else _limited(natural, limit)


def _natural(average: Fraction, nominal: Fraction | None, slack: Fraction) -> Fraction:
    for rate in (nominal, *STANDARD):
        if rate and abs(rate - average) <= rate * slack:
            return rate
    if nominal in STANDARD and average < nominal < average * Fraction(3, 2):
        return nominal
    if average < STANDARD[0] / 2 or average > STANDARD[-1]:
        return average.limit_denominator(1001)
    return next(rate for rate in STANDARD if rate >= average)


def _limited(rate: Fraction, limit: int) -> Fraction:
    return rate / -(-rate // limit) if rate > limit else rate
