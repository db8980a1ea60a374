"""A line for everything that is not as the user may expect: each rule says one thing, in the words the user reads. Pure."""

from collections.abc import Callable
from fractions import Fraction
from typing import Final

from workers.transcode.examine import ASPECTS, Input, shown
from workers.transcode.media import HDR, INTERLACED
from workers.transcode.tracks import note_tracks

LATE_SECONDS: Final = Fraction(1, 10)


def _note_rate(seen: Input) -> str | None:
    if seen.scan.variable and seen.average:
        return f"variable frame rate ({float(seen.average):.3f} on average): made constant at {_words(seen.rate)}"
    if seen.average and seen.average > seen.rate * (1 + Fraction(1, 50)):
        return f"{float(seen.average):.3f} frames per second: lowered to {_words(seen.rate)}"
    return None


def _words(rate: Fraction) -> str:
    return str(rate) if rate.denominator == 1 else f"{rate.numerator}/{rate.denominator}"


def _note_interlaced(seen: Input) -> str | None:
    return "interlaced: deinterlaced" if seen.video.field_order in INTERLACED else None


def _note_rotation(seen: Input) -> str | None:
    rotation = seen.video.rotation
    return f"rotated by {rotation} degrees: turned upright" if rotation else None


def _note_aspect(seen: Input) -> str | None:
    aspect = seen.video.sample_aspect
    if aspect == 1:
        return None
    words = f"sample aspect ratio {aspect.numerator}:{aspect.denominator}"
    if not ASPECTS[0] <= aspect <= ASPECTS[1]:
        return f"{words}: taken for a mistake, pixels are treated as square"
    return f"{words}: scaled to square pixels"


def _note_odd(seen: Input) -> str | None:
    width, height = shown(seen.video)
    return f"odd size {width}x{height}: rounded to even" if width % 2 or height % 2 else None


def _note_depth(seen: Input) -> str | None:
    if seen.video.transfer in HDR:
        return f"high dynamic range ({seen.video.transfer}): tone-mapped to 8-bit standard range"
    deep = any(depth in seen.video.pixel_format for depth in ("p9", "p10", "p12", "p14", "p16", "gray1", "gb1"))
    return f"{seen.video.pixel_format}: reduced to 8 bits (yuv420p)" if deep else None


def _note_start(seen: Input) -> str | None:
    origin = seen.scan.first * seen.video.time_base
    return f"starts at {float(origin):.3f} s: moved to 0" if origin > LATE_SECONDS else None


def _note_hidden(seen: Input) -> str | None:
    hidden = seen.scan.packets - seen.scan.shown
    return f"an edit list hides {hidden} frames: they are left out" if hidden else None


def _note_audio(seen: Input) -> str | None:
    return note_tracks(seen.info.audio, seen.options.audio)


def _note_subtitles(seen: Input) -> str | None:
    wanted = seen.options.subtitles is not None and seen.options.subtitles.mode == "WebVTT"
    count = len(seen.info.subtitles)
    if wanted:
        return f"subtitles: this version does not package subtitles; {count} tracks are left out"
    return f"subtitles: {count} tracks are left out" if count else None


def _note_thumbnails(seen: Input) -> str | None:
    return "thumbnails: this version makes none" if seen.options.thumbnails else None


def _note_parallelism(seen: Input) -> str | None:
    asked = seen.options.parallelism
    return f"parallelism: {asked} pods asked for; this version encodes in one" if asked > 1 else None


NOTES: Final[tuple[Callable[[Input], str | None], ...]] = (
    _note_rate,
    _note_interlaced,
    _note_rotation,
    _note_aspect,
    _note_odd,
    _note_depth,
    _note_start,
    _note_hidden,
    _note_audio,
    _note_subtitles,
    _note_thumbnails,
    _note_parallelism,
)
