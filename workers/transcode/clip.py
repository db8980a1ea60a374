"""The part of an input that is asked for, in whole frames. Pure."""

from fractions import Fraction

from narwhal_operator.contract.base import seconds_of
from narwhal_operator.contract.ladder import Clip
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.transcode.examine import Input


def clipped(seen: Input) -> tuple[Fraction, int]:
    """Seconds that are left out before, and the frames of the rest or of the part. Raises WorkError(ClipEmpty)."""
    whole = seen.scan.frames(seen.video.time_base, seen.rate)
    return part(whole, seen.rate, seen.options.clip, seen.info.name)


def part(whole: int, rate: Fraction, wish: Clip | None, name: str) -> tuple[Fraction, int]:
    """The same of so many frames, or packets, of a rate. Raises WorkError(ClipEmpty)."""
    if wish is None:
        return Fraction(0), whole
    start = round(_seconds(wish.start) * rate)
    left = whole - start
    if left < 1:
        seconds = float(whole / rate)
        message = f"spec.clip.start is {wish.start}, {name} lasts {seconds:.3f} s; begin before its end."
        raise WorkError(Reason.CLIP_EMPTY, message)
    wished = left if wish.duration is None else max(1, round(_seconds(wish.duration) * rate))
    return start / rate, min(left, wished)


def _seconds(span: str) -> Fraction:
    return Fraction(seconds_of(span)).limit_denominator(1_000_000)
