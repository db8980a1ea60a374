"""What every argument list shares: where FFmpeg reads and writes, how strict it is."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

import msgspec

from workers.transcode import limits
from workers.transcode.source import Source, doors

INIT: Final = "init.mp4"
SEGMENT: Final = "%05d.m4s"
LIST: Final = "ffmpeg.m3u8"
"""FFmpeg's own playlist; never published (segments.md: it lacks tags and guesses bit rates)."""


class Job(msgspec.Struct, frozen=True):
    """The surroundings of one encode: where it reads and writes, the descriptor of its progress, threads."""

    source: Source
    scratch: str
    progress_fd: int
    threads: int


class Range(msgspec.Struct, frozen=True):
    """Segments from `start` to before `stop`."""

    start: int
    stop: int


def ffmpeg(progress_fd: int) -> list[str]:
    """The program, quiet but for errors, and its progress on a descriptor of its own."""
    quiet = ("-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+error")
    return ["ffmpeg", *quiet, "-y", "-progress", f"pipe:{progress_fd}", "-stats_period", "0.5"]


def strict() -> Iterable[str]:
    """An input that is damaged is an error."""
    # Without both, a file cut in half or with flipped bits ends with exit code 0.
    return ("-xerror", "-err_detect", "explode", "-max_pixels", str(limits.MAX_PIXELS))


def lenient() -> Iterable[str]:
    """An input that is damaged is decoded as far as it can be, however little that is; decoders conceal what is missing."""
    # FFmpeg gives up by itself where two thirds of the packets do not decode.
    return ("-max_error_rate", "1", "-max_pixels", str(limits.MAX_PIXELS))


def care(*, tolerant: bool) -> Iterable[str]:
    """How damage is taken: as an error, unless it is tolerated."""
    return lenient() if tolerant else strict()


def given(source: Source) -> Iterable[str]:
    """A source as an input."""
    return (*doors(source), "-i", source.url)


def overlaid(path: str) -> Iterable[str]:
    """Our own PNG of a watermark as an input."""
    return ("-protocol_whitelist", "file", "-format_whitelist", "png_pipe", "-f", "png_pipe", "-i", f"file:{path}")


def segments(directory: str, start: int, seconds: Fraction, options: Iterable[str]) -> Iterable[str]:
    """Fragmented MP4 segments in a directory. A video one ends at each key frame: `seconds` only has to be shorter."""
    return (
        *("-map_metadata", "-1", "-map_chapters", "-1", "-f", "hls", "-start_number", str(start)),
        *("-hls_time", f"{int(seconds * 1_000_000) / 1_000_000:.6f}", "-hls_playlist_type", "vod"),
        # temp_file: a segment has its name once it is whole.
        *("-hls_segment_type", "fmp4", "-hls_flags", "temp_file", "-hls_fmp4_init_filename", INIT),
        *("-hls_segment_options", ":".join(options), "-hls_segment_filename", f"{directory}/{SEGMENT}"),
        f"{directory}/{LIST}",
    )
