"""The argument lists of ffprobe: what an input is asked. Pure; loaded without those of FFmpeg, for it is asked first."""

from typing import Final

from workers.transcode import limits
from workers.transcode.source import Source, doors

HEADER: Final = ("-show_format", "-show_streams", "-show_chapters")


def scan(source: Source) -> list[str]:
    """A line for each packet, then container, streams and chapters, as one JSON object: `walk.Listing` takes it apart."""
    guard = ("-max_pixels", str(limits.MAX_PIXELS))
    entries = ("-show_entries", "packet=stream_index,pts,dts,duration,flags")
    return ["ffprobe", "-v", "error", *doors(source), *guard, *entries, *HEADER, "-of", "json=c=1", source.url]


def header(source: Source, *guard: str) -> list[str]:
    """Container, streams and chapters alone; with another guard in the place of that on pixels, to learn what it refused."""
    return ["ffprobe", "-v", "error", *doors(source), *guard, *HEADER, "-of", "json", source.url]


def first_frame(source: Source, stream: int) -> list[str]:
    """The first frame of a stream as JSON, with its side data."""
    chosen = ("-select_streams", str(stream), "-read_intervals", "%+#1", "-max_pixels", str(limits.MAX_PIXELS))
    return ["ffprobe", "-v", "error", *doors(source), *chosen, "-show_frames", "-of", "json", source.url]
