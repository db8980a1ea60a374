"""Makes the files of the kinds, once: they are kept outside the tree, named by what makes them."""

import os
import subprocess
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path

from tests.cluster.paths import cache_root
from tests.conformance.kinds import SUBTITLES, Kind
from tests.integration.transcode.studio import ffmpeg


def media(kind: Kind) -> Path:
    """The file of a kind."""
    recipe = repr((kind.made, engine()))
    folder = cache_root() / "conformance"
    kept = folder / f"{kind.name}-{sha256(recipe.encode()).hexdigest()[:16]}{Path(kind.file).suffix}"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            _make(kind, Path(work)).replace(kept)  # whole or not at all: another run may look for it now
    return kept


@cache
def engine() -> str:
    """FFmpeg's first words: another FFmpeg makes other files."""
    return subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.partition("\n")[0]


def _make(kind: Kind, work: Path) -> Path:
    extras = {"cover": work / "cover.jpg", "subtitles": work / "words.srt"}
    extras["subtitles"].write_text(SUBTITLES)
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", extras["cover"])
    before = Path(os.devnull)
    for number, step in enumerate(kind.made):
        made = work / (f"out{Path(kind.file).suffix}" if number == len(kind.made) - 1 else f"{number}.mp4")
        ffmpeg(
            *(str(argument).format(before, **extras) if "{" in str(argument) else argument for argument in step), made
        )
        before = made
    return before
