"""From a probe and a spec to a plan: sizes, frame rate, audio, and a line for everything that is not as the user may expect.

Pure. A rung is a number of lines of the short side, so that a portrait film gets the rungs a landscape one gets; none is
upscaled; sizes are even and pixels square.
"""

from fractions import Fraction
from typing import Final

from narwhal_operator.contract.base import bits_of, seconds_of
from narwhal_operator.contract.ladder import Rendition
from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import TranscodeOptions
from workers.transcode.examine import FAST_RATE, Input, examine, shown
from workers.transcode.media import HDR, INTERLACED, MediaInfo
from workers.transcode.notes import NOTES
from workers.transcode.plan import Plan, Rung
from workers.transcode.rates import timeline
from workers.transcode.tracks import renditions

CRF: Final = 23
PRESETS: Final[dict[str, tuple[Rung, ...]]] = {
    "h264-standard": (
        Rung("1080p", 0, 1080, CRF, 5_000_000),
        Rung("720p", 0, 720, CRF, 2_800_000),
        Rung("480p", 0, 480, CRF, 1_400_000),
        Rung("360p", 0, 360, CRF, 800_000),
    ),
    "h264-mobile": (
        Rung("480p", 0, 480, CRF, 1_200_000),
        Rung("360p", 0, 360, CRF, 700_000),
        Rung("240p", 0, 240, CRF, 350_000),
    ),
}
"""Rungs of the presets; their widths follow the input."""
NATIVE: Final = Fraction(9, 10)
"""A preset keeps the input's own size as a rung when its highest other rung has fewer than this part of its lines."""
FAST_BITRATE: Final = Fraction(3, 2)
"""More than 30 frames per second take half as many bits again (HLS Authoring Specification, table of initial variants)."""
SEEKABLE: Final = frozenset({"mov", "mp4", "matroska", "webm"})
"""Containers whose index gives the key frame before a time."""


def plan(info: MediaInfo, options: TranscodeOptions) -> Plan:
    """What to do with an input. Raises WorkError(NoVideo | InputDamaged | InputOverLimits | LadderEmpty)."""
    seen = examine(info, options)
    video, scan = seen.video, seen.scan
    line = timeline(seen.rate, scan.frames(video.time_base, seen.rate), seconds_of(options.packaging.segment_duration))
    rungs, dropped = _rungs(seen)
    return Plan(
        info=info,
        video=video,
        first_tick=scan.first,
        timeline=line,
        rungs=rungs,
        audio=renditions(info.audio, options.audio, line),
        deinterlace=video.field_order in INTERLACED,
        tonemap=video.transfer in HDR,
        seekable=not SEEKABLE.isdisjoint(info.container.split(",")),
        dropped=dropped,
        notes=tuple(note for rule in NOTES if (note := rule(seen))),
        loudness=options.audio.loudness.target if options.audio.loudness else None,
    )


def _rungs(seen: Input) -> tuple[tuple[Rung, ...], tuple[str, ...]]:
    width, height = shown(seen.video)
    short = min(width, height)
    wished, preset = _wished(seen.options, fast=seen.rate > FAST_RATE)
    kept = [rung for rung in wished if rung.height <= short]
    above = [rung for rung in wished if rung.height > short]
    dropped = [f"{rung.name}: {rung.height} lines are above the input's {short}; nothing is upscaled" for rung in above]
    if preset and above and all(rung.height < short * NATIVE for rung in kept):
        kept.append(_native(above[-1], short))
    if not kept:
        names = ", ".join(f"{rung.name} ({rung.height} lines)" for rung in above)
        message = f"Every rung is above the {short} lines of {seen.info.name}: {names}. Add a rendition of at most {short} lines."
        raise WorkError(Reason.LADDER_EMPTY, message)
    sized = [_sized(rung, width, height) for rung in kept]
    return tuple(sorted(sized, key=lambda rung: (-rung.height * rung.width, rung.crf))), tuple(dropped)


def _wished(options: TranscodeOptions, *, fast: bool) -> tuple[list[Rung], bool]:
    if options.ladder.renditions:
        return [_explicit(rendition) for rendition in options.ladder.renditions], False
    rungs = PRESETS[options.ladder.preset or "h264-standard"]
    factor = FAST_BITRATE if fast else Fraction(1)
    return [Rung(r.name, 0, r.height, r.crf, int((r.max_bitrate or 0) * factor)) for r in rungs], True


def _explicit(rendition: Rendition) -> Rung:
    cap = bits_of(rendition.max_bitrate) if rendition.max_bitrate else None
    return Rung(rendition.name, 0, rendition.height - rendition.height % 2, rendition.crf, cap)


def _native(above: Rung, short: int) -> Rung:
    """The input's own size, with the share of the next rung's bit rate that its lines have."""
    lines = max(2, short - short % 2)
    return Rung(f"{lines}p", 0, lines, above.crf, max(100_000, (above.max_bitrate or 0) * lines // above.height))


def _sized(rung: Rung, width: int, height: int) -> Rung:
    """The rung in the input's shape: its lines are the short side."""
    short, long = min(width, height), max(width, height)
    other = min(2 * round(Fraction(long * rung.height, 2 * short)), long - long % 2)
    size = (other, rung.height) if width >= height else (rung.height, other)
    return Rung(rung.name, *size, rung.crf, rung.max_bitrate)
