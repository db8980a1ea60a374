"""A line for everything that is not as the user may expect: each rule says one thing, in the words the user reads. Pure."""

from collections.abc import Callable
from fractions import Fraction
from typing import Final

from workers.transcode.captions import note_subtitles
from workers.transcode.clip import clipped
from workers.transcode.colour import HDR, is_rgb, standard
from workers.transcode.examine import ASPECTS, Input, shown
from workers.transcode.media import INTERLACED
from workers.transcode.presets import HALVED_RATE
from workers.transcode.rates import LEAST
from workers.transcode.tracks import note_tracks

LATE_SECONDS: Final = Fraction(1, 10)
USUAL: Final = frozenset({"yuv420p", "yuvj420p", "nv12", "unknown"})
"""Pixel formats of which nothing is lost."""


CLEAR: Final = ("yuva", "ya", "gbrap", "rgba", "argb", "bgra", "abgr")
"""How the names of pixel formats begin that have an alpha plane."""


def _note_films(seen: Input) -> str | None:
    films, video = seen.info.films, seen.video
    return f"{films} video streams: stream {video.index} is used, the others are left out" if films > 1 else None


def _note_rate(seen: Input) -> str | None:
    if seen.scan.variable and seen.average:
        return f"variable frame rate ({float(seen.average):.3f} on average): made constant at {_words(seen.rate)}"
    if seen.average and seen.average > seen.rate * (1 + Fraction(1, 50)):
        return f"{float(seen.average):.3f} frames per second: lowered to {_words(seen.rate)}"
    if seen.average and seen.average < LEAST and seen.rate == 1:
        return f"a frame each {float(1 / seen.average):.0f} s: shown again each second"
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


def _note_halved(seen: Input) -> str | None:
    halved = [rung.name for rung in seen.rungs if rung.halved]
    return f"{_listed(halved)}: every other frame, {_words(seen.rate / 2)} per second" if halved else None


def _note_not_halved(seen: Input) -> str | None:
    wished = [rendition.name for rendition in seen.options.ladder.renditions or [] if rendition.frame_rate == "Half"]
    left = [name for name in wished if any(rung.name == name and not rung.halved for rung in seen.rungs)]
    lowered = seen.average is not None and seen.average > seen.rate * Fraction(3, 2)  # of all rungs at once
    if not left or lowered:
        return None
    return (
        f"{_listed(left)}: frameRate Half is for inputs of {HALVED_RATE} frames per second or more; all frames are kept"
    )


def _note_range(seen: Input) -> str | None:
    transfer = seen.video.transfer
    if transfer not in HDR:
        return None
    kept = [rung.name for rung in seen.rungs if rung.dynamic_range != "SDR"]
    if not kept:
        return f"high dynamic range ({transfer}): tone-mapped to 8-bit standard range"
    if len(kept) < len(seen.rungs):
        return f"high dynamic range ({transfer}): kept in {_listed(kept)}; tone-mapped to 8-bit standard range in the others"
    return f"high dynamic range ({transfer}): kept in every rung; for players without it take preset hevc+h264"


def _note_depth(seen: Input) -> str | None:
    format_ = seen.video.pixel_format
    if format_ in USUAL or seen.video.transfer in HDR:
        return None
    deep = any(depth in format_ for depth in ("p9", "p10", "p12", "p14", "p16", "gray1", "gb1"))
    clear = ", its transparency is left out" if format_.startswith(CLEAR) else ""
    return f"{format_}: {'reduced to 8 bits (yuv420p)' if deep else 'converted to yuv420p'}{clear}"


def _note_colours(seen: Input) -> str | None:
    video = seen.video
    if video.transfer in HDR:
        return None
    rgb = is_rgb(video.pixel_format)
    _, converted = standard(video.colour, min(video.width, video.height), rgb=rgb)
    if converted:
        return f"colours ({video.primaries}, {video.transfer}, {video.matrix}): converted to BT.709"
    full = video.full_range and not rgb
    return "full range: made limited range" if full else None


def _listed(names: list[str]) -> str:
    return ", ".join(names)[:120]


def _note_clip(seen: Input) -> str | None:
    if seen.options.clip is None:
        return None
    whole = (seen.scan.end - seen.scan.first) * seen.video.time_base
    skipped, frames = clipped(seen)
    return f"clip: {float(skipped):.3f} to {float(skipped + frames / seen.rate):.3f} s of {float(whole):.3f} s"


def _note_start(seen: Input) -> str | None:
    origin = seen.scan.first * seen.video.time_base
    return f"starts at {float(origin):.3f} s: moved to 0" if origin > LATE_SECONDS else None


def _note_hidden(seen: Input) -> str | None:
    hidden = seen.scan.packets - seen.scan.shown
    return f"an edit list hides {hidden} frames: they are left out" if hidden else None


def _note_audio(seen: Input) -> str | None:
    return note_tracks(seen.info.audio, seen.options.audio)


def _note_bitrates(seen: Input) -> str | None:
    if seen.options.audio.bitrates is None:
        return None
    return "audio.bitrates are of titles of sound alone; beside video the sound has audio.bitrate"


def _note_subtitles(seen: Input) -> str | None:
    return note_subtitles(seen.info.subtitles, seen.options.subtitles)


def _note_encryption(seen: Input) -> str | None:
    wish = seen.options.packaging.encryption
    if wish is None:
        return None
    pictures = "; no I-frame playlists: a part of a segment cannot be decrypted" if wish.method == "AES-128" else ""
    return f"encrypted ({wish.method}): subtitles, thumbnails and chapters stay clear{pictures}"


NOTES: Final[tuple[Callable[[Input], str | None], ...]] = (
    _note_films,
    _note_rate,
    _note_interlaced,
    _note_rotation,
    _note_aspect,
    _note_odd,
    _note_halved,
    _note_not_halved,
    _note_range,
    _note_depth,
    _note_colours,
    _note_clip,
    _note_start,
    _note_hidden,
    _note_audio,
    _note_bitrates,
    _note_subtitles,
    _note_encryption,
)
