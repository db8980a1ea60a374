"""From a probe and a spec to a plan: sizes, frame rate, audio, and a line for everything that is not as the user may expect.

Pure. A rung is a number of lines of the short side, so that a portrait film gets the rungs a landscape one gets; none is
upscaled; sizes are even and pixels square.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from narwhal_operator.contract.base import bits_of, seconds_of
from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import Rendition, TranscodeOptions
from workers.transcode import limits
from workers.transcode.media import HDR, INTERLACED, MediaInfo, Video
from workers.transcode.plan import AAC_FRAME, AUDIO_RATE, AudioTrack, Plan, Rung
from workers.transcode.rates import SAME, output_rate, timeline
from workers.transcode.scan import Scan
from workers.transcode.tracks import choose, note_tracks

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
FAST_RATE: Final = 30
FAST_BITRATE: Final = Fraction(3, 2)
"""More than 30 frames per second take half as many bits again (HLS Authoring Specification, table of initial variants)."""
ASPECTS: Final = (Fraction(1, 4), Fraction(4))
"""Sample aspect ratios outside of this are taken for a mistake of the file."""
SEEKABLE: Final = frozenset({"mov", "mp4", "matroska", "webm"})
"""Containers whose index gives the key frame before a time."""
LATE_SECONDS: Final = Fraction(1, 10)


@dataclass(frozen=True, slots=True)
class Input:
    """What a note is decided from."""

    info: MediaInfo
    video: Video
    scan: Scan
    options: TranscodeOptions
    rate: Fraction
    average: Fraction | None


def plan(info: MediaInfo, options: TranscodeOptions) -> Plan:
    """What to do with an input. Raises WorkError(NoVideo | InputDamaged | InputOverLimits | LadderEmpty)."""
    seen = _examine(info, options)
    video, scan = seen.video, seen.scan
    line = timeline(seen.rate, scan.frames(video.time_base, seen.rate), seconds_of(options.packaging.segment_duration))
    rungs, dropped = _rungs(seen)
    packets = max(2, round(line.duration * AUDIO_RATE / AAC_FRAME))
    chosen = choose(info.audio, options.audio.languages)
    return Plan(
        info=info,
        video=video,
        first_tick=scan.first,
        timeline=line,
        rungs=rungs,
        audio=() if chosen is None else (_track(chosen.index, chosen.channels, chosen.language, packets, options),),
        deinterlace=video.field_order in INTERLACED,
        tonemap=video.transfer in HDR,
        seekable=not SEEKABLE.isdisjoint(info.container.split(",")),
        dropped=dropped,
        notes=tuple(note for rule in NOTES if (note := rule(seen))),
    )


def admit(info: MediaInfo) -> Video:
    """The video of an input that is within the limits. Raises WorkError(NoVideo | InputOverLimits | NotSupported)."""
    video = info.video
    if info.streams > limits.MAX_STREAMS:
        raise _over(info, f"{info.streams} streams; at most {limits.MAX_STREAMS} are taken")
    if video is None:
        kinds = "audio only" if info.audio else "no audio either"
        raise WorkError(Reason.NO_VIDEO, f"{info.name} has no video stream ({kinds}); give an input with video.")
    if video.codec == "unknown":
        raise WorkError(Reason.NOT_SUPPORTED, "The video's codec is not known to this FFmpeg; convert the file first.")
    if video.width * video.height > limits.MAX_PIXELS:
        raise _over(info, f"frames of {video.width}x{video.height} pixels; at most {limits.MAX_PIXELS} are taken (8K)")
    return video


def _examine(info: MediaInfo, options: TranscodeOptions) -> Input:
    video, scan = admit(info), info.scan
    if scan is None or video.width < 2 or video.height < 2:
        message = f"The video stream of {info.name} has no frame that can be shown; export the file again."
        raise WorkError(Reason.INPUT_DAMAGED, message)
    seconds = (scan.end - scan.first) * video.time_base
    if seconds > limits.MAX_DURATION_SECONDS:
        raise _over(info, f"{float(seconds):.0f} s of video; at most {limits.MAX_DURATION_SECONDS} are taken (24 h)")
    average = scan.average_rate(video.time_base)
    slack = max(SAME, min(Fraction(1, 20), 2 * video.time_base / seconds)) if seconds else SAME
    rate = output_rate(average, video.nominal_rate, limits.MAX_RATE, slack)
    if video.field_order in INTERLACED and rate > FAST_RATE:
        rate /= 2  # the packets are fields
    return Input(info, video, scan, options, rate, average)


def _over(info: MediaInfo, what: str) -> WorkError:
    return WorkError(Reason.INPUT_OVER_LIMITS, f"{info.name} has {what}.")


def _shown(video: Video) -> tuple[int, int]:
    """Width and height as shown; an absurd sample aspect ratio counts as square."""
    if ASPECTS[0] <= video.sample_aspect <= ASPECTS[1]:
        return video.display
    return (video.height, video.width) if video.rotation % 180 == 90 else (video.width, video.height)


def _rungs(seen: Input) -> tuple[tuple[Rung, ...], tuple[str, ...]]:
    width, height = _shown(seen.video)
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


def _track(index: int, channels: int, language: str | None, packets: int, options: TranscodeOptions) -> AudioTrack:
    stereo = bits_of(options.audio.bitrate)
    return AudioTrack(
        name=language or "main",
        index=index,
        channels=min(channels, 2),
        bitrate=stereo if channels > 1 else max(32_000, stereo // 2),
        packets=packets,
        language=language,
    )


# Notes: each rule says one thing, in the words the user reads, or nothing.


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
    width, height = _shown(seen.video)
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
    return note_tracks(seen.info.audio, seen.options.audio.languages)


def _note_loudness(seen: Input) -> str | None:
    return "audio.loudness: this version does not normalise loudness" if seen.options.audio.loudness else None


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
    _note_loudness,
    _note_subtitles,
    _note_thumbnails,
    _note_parallelism,
)
