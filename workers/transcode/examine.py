"""What an input is, and whether it is taken: the facts that rungs and notes are decided from. Pure."""

from fractions import Fraction
from typing import Final

import msgspec

from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import TranscodeOptions
from workers.transcode import limits
from workers.transcode.media import INTERLACED, MediaInfo, Video
from workers.transcode.plan import Rung
from workers.transcode.rates import SAME, output_rate
from workers.transcode.scan import Scan

FAST_RATE: Final = 30
"""Above it is a high frame rate."""
ASPECTS: Final = (Fraction(1, 4), Fraction(4))
"""Sample aspect ratios outside of this are taken for a mistake of the file."""


class Input(msgspec.Struct, frozen=True):
    """What a note is decided from."""

    info: MediaInfo
    video: Video
    scan: Scan
    options: TranscodeOptions
    rate: Fraction
    average: Fraction | None
    rungs: tuple[Rung, ...] = ()
    """What is made of it, once that is decided."""


def admit(info: MediaInfo) -> Video | None:
    """The video of an input that is within the limits; None of one of sound alone. Raises WorkError(NoVideo | InputOverLimits | NotSupported)."""
    video = info.video
    if info.streams > limits.MAX_STREAMS:
        raise _over(info, f"{info.streams} streams; at most {limits.MAX_STREAMS} are taken")
    if video is None:
        if not info.audio:
            message = f"{info.name} has neither a video nor an audio stream; give an input with one."
            raise WorkError(Reason.NO_VIDEO, message)
        return None
    if video.codec == "unknown":
        raise WorkError(Reason.NOT_SUPPORTED, "The video's codec is not known to this FFmpeg; convert the file first.")
    if video.undisplayable:
        message = f"{info.name} is {video.undisplayable}; give a version with an HDR10, HLG or standard base layer."
        raise WorkError(Reason.NOT_SUPPORTED, message)
    if video.width * video.height > limits.MAX_PIXELS:
        raise _over(info, f"frames of {video.width}x{video.height} pixels; at most {limits.MAX_PIXELS} are taken (8K)")
    return video


def examine(info: MediaInfo, options: TranscodeOptions) -> Input:
    """The facts of an input with video. Raises WorkError(NoVideo | InputDamaged | InputOverLimits | NotSupported)."""
    video, scan = admit(info), info.scan
    if video is None or scan is None or video.width < 2 or video.height < 2:
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


def shown(video: Video) -> tuple[int, int]:
    """Width and height as shown; an absurd sample aspect ratio counts as square."""
    if ASPECTS[0] <= video.sample_aspect <= ASPECTS[1]:
        return video.display
    return (video.height, video.width) if video.rotation % 180 == 90 else (video.width, video.height)


def _over(info: MediaInfo, what: str) -> WorkError:
    return WorkError(Reason.INPUT_OVER_LIMITS, f"{info.name} has {what}.")
