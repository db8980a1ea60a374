"""Looking at files: FFmpeg that only decodes."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import msgspec

from workers.transcode.command.common import ffmpeg, given, lenient, strict
from workers.transcode.source import Source


def decode(source: Source, progress_fd: int, stream: str = "v:0") -> list[str]:
    """Decodes one stream strictly and throws it away: what is wrong with a file, without an encoder's part in it.

    A line on standard output for each frame that decodes, so that the last one says where. One thread: frames and errors
    come in their order.
    """
    output = ["-map", f"0:{stream}", "-fps_mode", "passthrough", "-f", "framecrc", "-"]
    return [*ffmpeg(progress_fd), *strict(), "-threads", "1", *given(source), *output]


def survey(source: Source, stream: int, threads: int, progress_fd: int) -> list[str]:
    """Lists the frames of a stream that decode without an error, on the input's clock; those that do not are left out."""
    output = ["-map", f"0:{stream}", "-fps_mode", "passthrough", "-f", "framecrc", "-"]
    head = [*ffmpeg(progress_fd), "-err_detect", "explode", *lenient(), "-threads", str(threads), "-copyts"]
    return [*head, *given(source), *output]


class View(msgspec.Struct, frozen=True):
    """A stream that is looked at: where it is, which it is, and the file its small pictures or samples go to."""

    source: Source
    stream: str
    """Of the first input: v:0, a:0, or its number."""
    target: str
    rate: int = 0
    """Samples a second of sound; 0 of video."""
    start: Fraction | None = None
    """Seconds on the input's clock to begin at; None for the beginning."""
    seconds: Fraction | None = None
    """Seconds of it; None for all."""


TINY: Final = 16
"""Width and height of the pictures that are looked at."""


def look(views: Sequence[View], progress_fd: int) -> list[str]:
    """Decodes each strictly; video to pictures of 16x16 gray bytes, sound to 16-bit samples of one channel.

    All that can be wrong with the bits is found without the deblocking filter, which is a quarter of the work.
    """
    inputs: list[str] = []
    outputs: list[str] = []
    for number, view in enumerate(views):
        # By the stream's own clock, not counted from the file's start.
        seek = () if view.start is None else ("-seek_timestamp", "1", "-ss", f"{float(view.start):.6f}")
        length = () if view.seconds is None else ("-t", f"{float(view.seconds):.6f}")
        inputs += ["-threads", "1", "-skip_loop_filter", "all", *seek, *length, *given(view.source)]
        form = ("-ac", "1", "-ar", str(view.rate), "-f", "s16le")
        if not view.rate:
            form = (
                "-filter:v",
                f"scale={TINY}:{TINY}:flags=neighbor,format=gray",
                "-fps_mode",
                "passthrough",
                "-f",
                "rawvideo",
            )
        outputs += ["-map", f"{number}:{view.stream}", *form, f"file:{view.target}"]
    return ["nice", "-n", "19", *ffmpeg(progress_fd), *strict(), *inputs, *outputs]
