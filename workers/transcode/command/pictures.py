"""Still pictures from stored segments: sheets of thumbnails, and candidates for a poster."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from workers.transcode.command.common import ffmpeg, given, strict
from workers.transcode.command.graph import TONEMAP
from workers.transcode.plan import Rung
from workers.transcode.source import Source
from workers.transcode.tiles import Tiles

POSTER_SIDE: Final = 1280
"""Pixels of a poster's longer side at most."""
_JPEG: Final = ("-c:v", "mjpeg", "-flags:v", "+bitexact", "-fflags", "+bitexact", "-map_metadata", "-1")
_FULL: Final = "out_color_matrix=bt601:out_range=full"
"""What JFIF says JPEG is."""


def sheet(source: Source, rung: Rung, picked: Sequence[int], tiles: Tiles, target: str, progress_fd: int) -> list[str]:
    """One sheet: these frames of a file, counted from 0, side by side."""
    wanted = "+".join(f"eq(n,{number})" for number in picked)
    scale = f"scale={tiles.width}:{tiles.height}:flags=area:{_FULL},setsar=1,format=yuvj420p"
    graph = [f"select='{wanted}'", *_mapped(rung), scale, f"tile={tiles.columns}x{tiles.rows}"]
    filters = ("-filter:v", ",".join(graph), "-frames:v", "1", "-q:v", "4", "-update", "1")
    return [*_look(source, progress_fd), *filters, *_output(target)]


def posters(source: Source, rung: Rung, target: str, progress_fd: int) -> list[str]:
    """The key frames of a file, each a picture; `target` has a %d."""
    scale = _fitted()
    graph = [*_mapped(rung), f"{scale}:flags=bicubic:{_FULL}", "setsar=1", "format=yuvj420p"]
    return [
        *_look(source, progress_fd, "-skip_frame", "nokey"),
        "-filter:v",
        ",".join(graph),
        "-q:v",
        "3",
        *_output(target),
    ]


def cover(source: Source, stream: int, target: str, progress_fd: int) -> list[str]:
    """The cover picture of an input, as a poster."""
    head = ["nice", "-n", "19", *ffmpeg(progress_fd), *strict(), "-threads", "1", *given(source), "-map", f"0:{stream}"]
    graph = f"{_fitted()}:flags=bicubic:{_FULL},setsar=1,format=yuvj420p"
    return [*head, "-filter:v", graph, "-frames:v", "1", "-q:v", "3", "-update", "1", *_output(target)]


def mark(
    source: Source, demuxer: str, size: tuple[Fraction, Fraction], opacity: Fraction, target: str, progress_fd: int
) -> list[str]:
    """A PNG of a watermark: of that width, and of that height per height and width of the image; even, and no larger than 8K."""
    open_ = ("-protocol_whitelist", "file", "-format_whitelist", demuxer, "-f", demuxer, "-i", f"file:{source.path}")
    wide = max(2, 2 * round(size[0] / 2))
    high = f"min(4320,max(2,2*round({float(size[1]):.4f}*ih/iw/2)))"
    graph = f"scale=w={wide}:h='{high}':flags=lanczos,format=rgba,colorchannelmixer=aa={float(opacity):.2f}"
    coded = ("-c:v", "png", "-flags:v", "+bitexact", "-fflags", "+bitexact", "-map_metadata", "-1")
    head = [*ffmpeg(progress_fd), *strict(), "-threads", "1", *open_, "-map", "0:v", "-filter:v", graph]
    return [*head, "-frames:v", "1", "-update", "1", *coded, "-f", "image2", f"file:{target}"]


def _fitted() -> str:
    size = f"w='min({POSTER_SIDE},iw)':h='min({POSTER_SIDE},ih)'"
    return f"scale={size}:force_original_aspect_ratio=decrease:force_divisible_by=2"


def _mapped(rung: Rung) -> Sequence[str]:
    return () if rung.dynamic_range == "SDR" else TONEMAP


def _look(source: Source, progress_fd: int, *extra: str) -> list[str]:
    return ["nice", "-n", "19", *ffmpeg(progress_fd), *strict(), "-threads", "1", *extra, *given(source), "-map", "0:v"]


def _output(target: str) -> Sequence[str]:
    return (*_JPEG, "-fps_mode", "passthrough", "-f", "image2", f"file:{target}")
