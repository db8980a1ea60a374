"""From a probe and a spec to a plan: sizes, frame rate, audio, and a line for everything that is not as the user may expect.

Pure.
"""

from typing import Final

from msgspec.structs import replace

from narwhal_operator.contract.base import seconds_of
from narwhal_operator.contract.transcode import TranscodeOptions
from workers.transcode import captions, chapters, sound
from workers.transcode.clip import clipped
from workers.transcode.colour import is_rgb, standard
from workers.transcode.examine import examine
from workers.transcode.media import INTERLACED, MediaInfo, named
from workers.transcode.notes import NOTES
from workers.transcode.plan import Plan, Rung
from workers.transcode.presets import LEAST_GOP, TIMED_GOP
from workers.transcode.rates import timeline
from workers.transcode.rungs import choose as choose_rungs
from workers.transcode.tracks import renditions

SEEKABLE: Final = frozenset({"mov", "mp4", "matroska", "webm"})
"""Containers whose index gives the key frame before a time."""


def plan(info: MediaInfo, options: TranscodeOptions) -> Plan:
    """What to do with an input. Raises WorkError(NoVideo | InputDamaged | InputOverLimits | LadderEmpty | ClipEmpty)."""
    if info.video is None and info.audio:
        return sound.plan(info, options)
    seen = examine(info, options)
    video, scan = seen.video, seen.scan
    rungs, dropped = choose_rungs(seen)
    if all(rung.halved for rung in rungs):
        seen, rungs = replace(seen, rate=seen.rate / 2), _whole(rungs)
    seen = replace(seen, rungs=rungs)
    least, even = max(LEAST_GOP[rung.codec] for rung in rungs), any(rung.halved for rung in rungs)
    if options.packaging.segment_format == "ts":
        least = max(least, TIMED_GOP)
    skipped, frames = clipped(seen)
    line = timeline(seen.rate, frames, seconds_of(options.packaging.segment_duration), least=least, even=even)
    said = standard(video.colour, min(video.width, video.height), rgb=is_rgb(video.pixel_format))
    return Plan(
        info=info,
        video=video,
        first_tick=scan.first + round(skipped / video.time_base),
        skipped=skipped,
        timeline=line,
        rungs=rungs,
        audio=renditions(info.audio, options.audio, line),
        deinterlace=video.field_order in INTERLACED,
        colour=said[0],
        convert=said[1],
        tolerant=options.on_damage == "Tolerate",
        seekable=not SEEKABLE.isdisjoint(info.container.split(",")),
        dropped=dropped,
        notes=tuple(note for rule in NOTES if (note := rule(seen))),
        subtitles=captions.renditions(info.subtitles, options.subtitles),
        chapters=chapters.within(info.chapters, scan.first * video.time_base + skipped, line.duration),
        about=named(info.about, options.metadata),
        loudness=options.audio.loudness.target if options.audio.loudness else None,
    )


def _whole(rungs: tuple[Rung, ...]) -> tuple[Rung, ...]:
    return tuple(replace(rung, halved=False) for rung in rungs)
