"""Media files for the tests, made of the clip in tests/data or of FFmpeg's own sources."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HTML: Final = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n"
TEXT: Final = b"#EXTM3U\n#EXTINF:4,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
"""Text with a film's name: a playlist, the kind of text FFmpeg would follow if it were let."""


@dataclass(frozen=True)
class Media:
    """Files to transcode, or to be refused."""

    clip: Path
    words_only: Path
    truncated: Path
    long: Path
    """80 s of a test pattern with a tone: long enough to be interrupted, cheap to encode."""


def make(clip: Path, directory: Path) -> Media:
    """Makes the files."""
    words, whole, long = directory / "words.mkv", directory / "whole.mp4", directory / "long.mp4"
    (directory / "words.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nHello\n")
    ffmpeg("-i", str(directory / "words.srt"), "-c:s", "srt", str(words))
    ffmpeg("-i", str(clip), "-c", "copy", "-movflags", "+faststart", str(whole))
    truncated = directory / "truncated.mp4"
    truncated.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=80", "-f", "lavfi", "-i", "sine=f=440:d=80"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "30", "-pix_fmt", "yuv420p", "-c:a", "aac"),
        *("-movflags", "+faststart", str(long)),
    )
    return Media(clip, words, truncated, long)


def ffmpeg(*arguments: str) -> None:
    """Runs FFmpeg; its own words on failure."""
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def frames(file: Path) -> int:
    """Frames of video that decode, strictly."""
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_frames", "-show_entries", "stream=nb_read_frames",
         "-of", "default=nokey=1:noprint_wrappers=1", str(file)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return int(done.stdout.split()[0])


def seconds(file: Path) -> float:
    """Seconds of sound that decode, strictly."""
    raw = ["-map", "0:a:0", "-ac", "1", "-ar", "8000", "-c:a", "pcm_s8", "-f", "data", "-"]
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", str(file), *raw],
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert not done.stderr, done.stderr.decode(errors="replace")
    return len(done.stdout) / 8000
