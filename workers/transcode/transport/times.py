"""The clock of transport streams: 90 kHz, in 33 bits (ISO/IEC 13818-1 section 2.4.3.6). Pure."""

from fractions import Fraction
from typing import Final

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.verify.ts import CLOCK, WRAP

ORIGIN: Final = 10 * CLOCK
"""Time stamp of the film's zero. Decoding begins before showing, by two frames at most: no stamp is below 0 from a frame in
five seconds on. X-TIMESTAMP-MAP of subtitles says the same (RFC 8216 section 3.5)."""
LEAD: Final = CLOCK * 7 // 10
"""What the clock reference is behind the decoding time: time for the bytes to arrive."""
LONGEST: Final = (WRAP - 2 * ORIGIN) // CLOCK
"""Seconds of film before its time stamps would begin again from 0: 26.5 hours."""


def require(name: str, duration: Fraction) -> None:
    """Raises WorkError(InputOverLimits) where a film is too long for the clock."""
    if duration > LONGEST:
        message = (
            f"{name} lasts {float(duration / 3600):.1f} hours; time stamps of transport streams begin again after 26.5."
        )
        mend = "Set spec.packaging.segmentFormat to fmp4, or spec.clip to a part of it."
        raise WorkError(Reason.INPUT_OVER_LIMITS, f"{message} {mend}")


def rounded(ticks: int, timescale: int) -> int:
    """Ticks as the 90 kHz clock has them, half up. Each is rounded by itself, so that nothing adds up."""
    return (2 * ticks * CLOCK + timescale) // (2 * timescale)


def on_clock(ticks: int, timescale: int) -> int:
    """The time stamp of a time of the film."""
    return (ORIGIN + rounded(ticks, timescale)) % WRAP


def stamp(mark: int, value: int) -> bytes:
    """PTS or DTS in a PES header; the mark says which, and whether the other follows."""
    high, middle, low = value >> 30 & 7, value >> 15 & 0x7FFF, value & 0x7FFF
    return (mark << 36 | high << 33 | 1 << 32 | middle << 17 | 1 << 16 | low << 1 | 1).to_bytes(5)


def reference(value: int) -> bytes:
    """A program clock reference, its extension 0 (section 2.4.3.5)."""
    return (value << 15 | 0x3F << 9).to_bytes(6)
