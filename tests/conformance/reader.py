"""The first reader: FFmpeg's own HLS and DASH demuxers, strict."""

import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

TIMEOUT_SECONDS: Final = 120
ZERO: Final = Fraction(0)


@dataclass(frozen=True, slots=True)
class Stream:
    """A decoded stream: the times of its frames in seconds, and for audio its samples."""

    kind: str
    times: tuple[Fraction, ...]
    samples: int = 0
    size: tuple[int, int] = (0, 0)

    @property
    def start(self) -> Fraction:
        """When it begins."""
        return self.times[0]


def read(manifest: Path, videos: int, audios: int, origin: Fraction = ZERO) -> list[Stream]:
    """Each stream of a package, decoded from the first to the last byte; an error of the decoder is the test's.

    Times count from `origin`, the first time stamp that the segments have.

    The manifest is opened once for each stream: FFmpeg's DASH demuxer ends all streams with the first that ends.
    """
    streams = [f"v:{number}" for number in range(videos)] + [f"a:{number}" for number in range(audios)]
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-copyts", "-xerror"]
    argv += [word for _ in streams for word in ("-err_detect", "explode", "-i", str(manifest))]
    argv += [word for number, stream in enumerate(streams) for word in ("-map", f"{number}:{stream}")]
    argv += ["-fps_mode", "passthrough", "-c:a", "pcm_s16le", "-f", "framecrc", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert not done.stderr, done.stderr[-2000:]
    return _streams(done.stdout, origin)


def _streams(text: str, origin: Fraction) -> list[Stream]:
    about: dict[str, dict[int, str]] = {}
    frames: dict[int, list[tuple[int, int]]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            words = line[1:].replace(":", " ").split()
            if len(words) > 2 and words[1].isdecimal():
                about.setdefault(words[0], {})[int(words[1])] = " ".join(words[2:])
        else:
            number, _, pts, duration, *_ = (word.strip() for word in line.split(","))
            frames.setdefault(int(number), []).append((int(pts), int(duration)))
    return [_stream(number, about, frames.get(number, []), origin) for number in sorted(about["tb"])]


def _stream(number: int, about: dict[str, dict[int, str]], frames: list[tuple[int, int]], origin: Fraction) -> Stream:
    base = Fraction(about["tb"][number])
    kind = about["media_type"][number]
    times = tuple(pts * base - origin for pts, _ in frames)
    if kind == "video":
        width, height = about["dimensions"][number].split("x")
        return Stream(kind, times, size=(int(width), int(height)))
    rate = int(about["sample_rate"][number])
    return Stream(kind, times, samples=round(sum(duration for _, duration in frames) * base * rate))
