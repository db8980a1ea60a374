"""Looking at files: ffprobe, and FFmpeg that only decodes."""

from collections.abc import Sequence

from workers.transcode import limits
from workers.transcode.command.common import Source, doors, ffmpeg, given, strict


def version() -> list[str]:
    """FFmpeg's version and build."""
    return ["ffmpeg", "-hide_banner", "-version"]


def probe(source: Source, *extra: str) -> list[str]:
    """Container and streams as JSON. `extra` replaces the guard on pixels, to learn what it refused."""
    guard = extra or ("-max_pixels", str(limits.MAX_PIXELS))
    shown = ("-show_format", "-show_streams", "-show_chapters", "-of", "json")
    return ["ffprobe", "-v", "error", *doors(), *guard, *shown, f"file:{source.path}"]


def first_frame(source: Source, stream: int) -> list[str]:
    """The first frame of a stream as JSON, with its side data."""
    chosen = ("-select_streams", str(stream), "-read_intervals", "%+#1", "-max_pixels", str(limits.MAX_PIXELS))
    return ["ffprobe", "-v", "error", *doors(), *chosen, "-show_frames", "-of", "json", f"file:{source.path}"]


def scan(source: Source) -> list[str]:
    """A line for each packet: stream, presentation time, decoding time, duration, flags."""
    entries = "packet=stream_index,pts,dts,duration,flags"
    return ["ffprobe", "-v", "quiet", *doors(), "-show_entries", entries, "-of", "csv=p=0", f"file:{source.path}"]


def decode(source: Source, progress_fd: int, stream: str = "v:0") -> list[str]:
    """Decodes one stream strictly and throws it away: what is wrong with a file, without an encoder's part in it."""
    output = ["-map", f"0:{stream}", "-fps_mode", "passthrough", "-f", "null", "-"]
    return [*ffmpeg(progress_fd), *strict(), *given(source), *output]


def count(sources: Sequence[Source], progress_fd: int) -> list[str]:
    """Decodes the first stream of each source strictly; a line on standard output for each frame: stream, times, size.

    All that can be wrong with the bits is found without the deblocking filter, which is a quarter of the work.
    """
    inputs = [flag for source in sources for flag in ("-threads", "1", "-skip_loop_filter", "all", *given(source))]
    maps = [flag for number in range(len(sources)) for flag in ("-map", f"{number}:0")]
    tiny = ("-filter:v", "scale=16:16:flags=neighbor", "-fps_mode", "passthrough", "-f", "framecrc", "-")
    return ["nice", "-n", "19", *ffmpeg(progress_fd), *strict(), *inputs, *maps, *tiny]
