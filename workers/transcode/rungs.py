"""From the wish to the rungs: which fit the input, their sizes, caps, frame rates, and what is dropped and why. Pure.

A rung is a number of lines of the short side, so that a portrait film gets the rungs a landscape one gets; none is
upscaled; sizes are even and pixels square.
"""

from fractions import Fraction
from typing import Final

from msgspec.structs import replace

from narwhal_operator.contract.base import bits_of
from narwhal_operator.contract.ladder import Rendition
from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import TranscodeOptions
from workers.transcode.colour import HDR
from workers.transcode.examine import FAST_RATE, Input, shown
from workers.transcode.plan import Rung
from workers.transcode.presets import CRF, HALVED_RATE, LEAST_SIDE, PRESETS, RANK, Wish

NATIVE: Final = Fraction(9, 10)
"""A preset keeps the input's own size as a rung when its highest other rung has fewer than this part of its lines."""
FAST_BITRATE: Final = Fraction(3, 2)
"""More than 30 frames per second take half as many bits again (HLS Authoring Specification, table of initial variants)."""
FULL_LINES: Final = 540
"""Rungs of so many lines have all frames (HLS Authoring Specification, the table: 30 or fewer below 960x540)."""


def choose(seen: Input) -> tuple[tuple[Rung, ...], tuple[str, ...]]:
    """The rungs, those of a codec together and the highest first; a line for each that is dropped.

    Raises WorkError(LadderEmpty).
    """
    width, height = shown(seen.video)
    short = min(width, height)
    wished, preset = _wished(seen.options, seen.rate)
    lines = {wish: reason for wish in wished if (reason := _unfit(wish, short))}
    kept = [wish for wish in wished if wish not in lines]
    if preset:
        kept += _natives(wished, kept, short, seen.rate)
    if not kept:
        raise _empty(seen, wished, short)
    made = [_sized(wish, width, height, seen) for wish in kept]
    order = sorted(made, key=lambda r: (RANK.index(r.codec), -r.height * r.width, r.halved, r.crf, r.name))
    return tuple(order), tuple(f"{wish.name}: {reason}" for wish, reason in lines.items())


def _unfit(wish: Wish, short: int) -> str | None:
    if wish.lines > short:
        return f"{wish.lines} lines are above the input's {short}; nothing is upscaled"
    if wish.lines < LEAST_SIDE[wish.codec]:
        return f"{wish.codec} takes no side under {LEAST_SIDE[wish.codec]} pixels; h264 does"
    return None


def _empty(seen: Input, wished: list[Wish], short: int) -> WorkError:
    names = ", ".join(f"{wish.name} ({wish.lines} lines, {wish.codec})" for wish in wished)
    least = max(LEAST_SIDE[wish.codec] for wish in wished)
    fitting = f"{least} to {short} lines" if 16 <= least <= short else f"at most {short} lines"
    codec = "" if least <= short else " in h264"
    message = f"No rung fits the {short} lines of {seen.info.name}: {names}. Add a rendition of {fitting}{codec}."
    return WorkError(Reason.LADDER_EMPTY, message)


def _wished(options: TranscodeOptions, rate: Fraction) -> tuple[list[Wish], bool]:
    if options.ladder.renditions:
        return [_explicit(rendition, rate) for rendition in options.ladder.renditions], False
    return [_paced(wish, rate) for wish in PRESETS[options.ladder.preset or "h264-standard"]], True


def _paced(wish: Wish, rate: Fraction) -> Wish:
    """A preset's rung at the input's frame rate."""
    halved = rate >= HALVED_RATE and wish.lines < FULL_LINES
    fast = (rate / 2 if halved else rate) > FAST_RATE
    return replace(wish, halved=halved, cap=int((wish.cap or 0) * (FAST_BITRATE if fast else 1)))


def _explicit(rendition: Rendition, rate: Fraction) -> Wish:
    return Wish(
        name=rendition.name,
        lines=rendition.height - rendition.height % 2,
        codec=rendition.codec,
        crf=CRF[rendition.codec] if rendition.crf is None else rendition.crf,
        cap=bits_of(rendition.max_bitrate) if rendition.max_bitrate else None,
        halved=rendition.frame_rate == "Half" and rate >= HALVED_RATE,
        keeps_range=(rendition.dynamic_range or ("SDR" if rendition.codec == "h264" else "Source")) == "Source",
    )


def _natives(wished: list[Wish], kept: list[Wish], short: int, rate: Fraction) -> list[Wish]:
    """The input's own size in each codec whose rungs are far from it."""
    lines = max(2, short - short % 2)
    found = []
    for codec in RANK:
        above = [wish for wish in wished if wish.codec == codec and wish.lines > short]
        near = any(wish.codec == codec and wish.lines >= short * NATIVE for wish in kept)
        if above and not near and lines >= LEAST_SIDE[codec]:
            found.append(_native(above[-1], lines, rate))
    return found


def _native(above: Wish, lines: int, rate: Fraction) -> Wish:
    """The input's own size, with the share of the next rung's bit rate that its lines have."""
    name = above.name.replace(f"{above.lines}p", f"{lines}p")
    cap = max(100_000, (above.cap or 0) * lines // above.lines)
    return replace(above, name=name, lines=lines, cap=cap, halved=rate >= HALVED_RATE and lines < FULL_LINES)


def _sized(wish: Wish, width: int, height: int, seen: Input) -> Rung:
    """The rung in the input's shape: its lines are the short side."""
    short, long = min(width, height), max(width, height)
    other = min(2 * round(Fraction(long * wish.lines, 2 * short)), long - long % 2)
    size = (other, wish.lines) if width >= height else (wish.lines, other)
    kept = HDR.get(seen.video.transfer, "SDR") if wish.keeps_range else "SDR"
    return Rung(wish.name, *size, wish.crf, wish.cap, wish.codec, wish.halved, kept)
