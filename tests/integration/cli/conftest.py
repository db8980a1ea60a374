"""A shell, an origin and a small film for each test."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.shell import Shell
from tests.support.origin import File, Origin

SOURCES = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=2", "-f", "lavfi", "-i", "sine=r=48000:d=2")
CODECS = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A user of this test's own."""
    return Shell(tmp_path)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two seconds of picture and tone."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *SOURCES, *CODECS, path], check=True, timeout=60)
    return path.read_bytes()


@pytest.fixture
def origin(film: bytes) -> Iterator[Origin]:
    """An HTTP origin with the film at /film.mp4."""
    with Origin() as server:
        server.serve("/film.mp4", File(film))
        yield server
