"""A package to be damaged: made once by the real worker, copied for each test, judged as `narwhal verify` does."""

import asyncio
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import X264, Studio, args, ffmpeg, picture, tone
from workers.verify.collect import Collector
from workers.verify.facts import Package
from workers.verify.readers import DirectoryReader
from workers.verify.report import judge
from workers.verify.rule import Severity

ENTRIES = ("master.m3u8", "manifest.mpd")
SUBTITLES = "1\n00:00:00,200 --> 00:00:00,800\nOne\n\n2\n00:00:02,100 --> 00:00:02,900\nTwo\n"


def make(base: Path, **packaging: Any) -> Path:
    """Two rungs, sound, subtitles, I-frame playlists, HLS and DASH: 3.2 s in segments of 1 s."""
    studio = Studio(base)
    text = base / "text.srt"
    text.write_text(SUBTITLES)
    sources = args(picture(), tone(), "-i", text)
    ffmpeg(*sources, "-map", "0", "-map", "1", "-map", "2", *X264, "-c:a", "aac", "-c:s", "srt", studio.input("in.mkv"))
    spec = {
        "packaging": {"segmentDuration": "1s", "manifests": ["HLS", "DASH"], **packaging},
        "subtitles": {"mode": "WebVTT"},
        "thumbnails": {"interval": "1s"},
    }
    ended = studio.run(studio.order("in.mkv", spec=spec))
    assert ended.reason is Reason.COMPLETED, ended.message
    return studio.output


@dataclass(frozen=True, slots=True)
class Pack:
    """A copy of it."""

    root: Path

    @classmethod
    def copy(cls, good: Path, to: Path) -> "Pack":
        """A package of one's own."""
        shutil.copytree(good, to)
        return cls(to)

    def path(self, name: str) -> Path:
        """A file of the version, or a pointer."""
        if name in ENTRIES:
            return self.root / name
        (version,) = (self.root / "v").iterdir()
        return version / name

    def replace(self, name: str, old: str, new: str, count: int = 1) -> None:
        """Replaces a text that must be there."""
        path = self.path(name)
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}:\n{text}"
        path.write_text(text.replace(old, new, count))

    def sub(self, name: str, pattern: str, new: str, count: int = 1) -> None:
        """Replaces what a pattern matches, which must be there."""
        path = self.path(name)
        text, made = re.subn(pattern, new, path.read_text(), count=count, flags=re.MULTILINE)
        assert made, f"{pattern!r} matches nothing in {name}:\n{path.read_text()}"
        path.write_text(text)

    def patch(self, name: str, at: int, data: bytes) -> None:
        """Overwrites bytes."""
        path = self.path(name)
        found = bytearray(path.read_bytes())
        found[at : at + len(data)] = data
        path.write_bytes(bytes(found))

    def find(self, name: str, mark: bytes) -> int:
        """Where bytes are in a file."""
        at = self.path(name).read_bytes().find(mark)
        assert at >= 0
        return at

    def package(self, entries: Sequence[str] = ENTRIES) -> Package:
        """Its facts."""
        return asyncio.run(Collector(DirectoryReader(self.root)).run(entries))

    def broken(self, entries: Sequence[str] = ENTRIES) -> dict[str, list[str]]:
        """The rules it breaks, without advice, and what was found."""
        return broken(self.package(entries))


def broken(package: Package) -> dict[str, list[str]]:
    """The rules a package breaks, without advice, and what was found."""
    report = judge(package)
    found = (*report.of(Severity.ERROR), *report.of(Severity.WARNING))
    return {one.rule.name: [f"{f.where}:{f.line}: {f.message}" for f in one.findings] for one in found}
