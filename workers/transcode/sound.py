"""The plan of an input of sound alone: a ladder of bit rates, whose timeline counts packets of sound as frames. Pure."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from narwhal_operator.contract.base import seconds_of
from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import TranscodeOptions
from workers.transcode import chapters, limits, tracks
from workers.transcode.clip import part
from workers.transcode.colour import BT709
from workers.transcode.damage import Span
from workers.transcode.media import Audio, MediaInfo, named
from workers.transcode.plan import AAC_FRAME, AUDIO_RATE, OPUS_FRAME, Plan
from workers.transcode.rates import timeline

LEAST: Final = 2
"""Packets: no encoder makes fewer."""


def plan(info: MediaInfo, options: TranscodeOptions) -> Plan:
    """What to do with an input without video. Raises WorkError(InputDamaged | InputOverLimits | ClipEmpty)."""
    track = tracks.choose(info.audio, options.audio.languages)[0]
    span = _span(info, track)
    rate = Fraction(AUDIO_RATE, AAC_FRAME if options.audio.codec == "aac" else OPUS_FRAME)
    whole = -int(-(span.end - span.start) * rate // 1)  # up: nothing of it is lost
    skipped, packets = part(whole, rate, options.clip, info.name)
    line = timeline(rate, max(LEAST, packets), seconds_of(options.packaging.segment_duration))
    zero = span.start + skipped
    return Plan(
        info=info,
        video=None,
        first_tick=round(zero / info.time_bases[track.index]),
        skipped=skipped,
        timeline=line,
        rungs=(),
        audio=tracks.ladder(track, options.audio, line),
        deinterlace=False,
        colour=BT709,
        convert=False,
        seekable=False,
        dropped=(),
        notes=tuple(_notes(info, options)),
        chapters=chapters.within(info.chapters, zero, line.duration),
        about=named(info.about, options.metadata),
        loudness=options.audio.loudness.target if options.audio.loudness else None,
        tolerant=options.on_damage == "Tolerate",
    )


def _span(info: MediaInfo, track: Audio) -> Span:
    span = info.spans.get(track.index)
    if span is None or span.end <= span.start or track.index not in info.time_bases:
        message = f"The audio stream of {info.name} has no packet with a time; export the file again."
        raise WorkError(Reason.INPUT_DAMAGED, message)
    seconds, most = span.end - span.start, limits.MAX_DURATION_SECONDS
    if seconds > most:
        message = f"{info.name} has {float(seconds):.0f} s of sound; at most {most} are taken (24 h)."
        raise WorkError(Reason.INPUT_OVER_LIMITS, message)
    return span


def _notes(info: MediaInfo, options: TranscodeOptions) -> Iterator[str]:
    """What is not as the user may expect."""
    cover = "; its cover is the poster" if info.cover is not None and options.thumbnails else ""
    yield f"no video: a ladder of sound alone, spec.ladder is not for it{cover}"
    if len(info.audio) > 1:
        yield f"audio: one track of {len(info.audio)} is packaged without video; spec.audio.languages chooses"
    channels = tracks.choose(info.audio, options.audio.languages)[0].channels
    if channels > 2:
        yield f"audio: {channels} channels are mixed down to stereo"
    if info.subtitles:
        yield "subtitles are left out: there is no picture to show them in"
    wished = {
        "thumbnails": options.thumbnails and info.cover is None,
        "watermark": options.watermark,
        "quality": options.quality,
        "parallelism": options.parallelism > 1,
    }
    if unfit := [name for name, asked in wished.items() if asked]:
        yield f"{', '.join(unfit)}: not for sound alone"
