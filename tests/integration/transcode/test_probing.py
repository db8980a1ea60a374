"""ffprobe under way: what it says waits for who reads it, and it does not outlive who asked."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.integration.transcode.studio import X264, ffmpeg, picture
from workers.transcode.inputfile import InputFile, open_input
from workers.transcode.probing import probing

LIMIT: Final = 30.0


@pytest.fixture
def given(tmp_path: Path) -> Iterator[InputFile]:
    """An input of two seconds, open."""
    ffmpeg(*picture(seconds=2), *X264, tmp_path / "in.mp4")
    found = open_input(tmp_path / "in.mp4", "media/in.mp4")
    with found.file:
        yield found


async def test_what_ffprobe_says_waits_for_who_takes_it_apart(given: InputFile) -> None:
    """All of it, in its order, though nobody was there when it came: the rest of the worker was being loaded."""
    text = bytearray()
    async with probing(given) as running:
        await asyncio.wait_for(asyncio.shield(running.ending), LIMIT)
        ended = await running.end(text.extend)
    assert ended.code == 0
    found = json.loads(text)
    assert len(found["packets"]) == 50
    assert found["format"]["nb_streams"] == 1


async def test_it_runs_from_the_first_moment_and_no_longer_than_who_asked(
    given: InputFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong beside it, no program stays behind."""
    script = tmp_path / "ffprobe"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    pid = tmp_path / "pid"
    with pytest.raises(RuntimeError, match="beside it"):
        await broken_beside(given, pid)
    assert not runs(pid)


async def broken_beside(given: InputFile, pid: Path) -> None:
    """Breaks once the program has told its pid and runs."""
    async with probing(given) as running:
        while not runs(pid):
            assert not running.ending.done()
            await asyncio.sleep(0.01)
        raise RuntimeError("beside it")


def runs(pid: Path) -> bool:
    """Whether the process runs whose pid is in that file."""
    return pid.exists() and (text := pid.read_text().strip()) != "" and Path("/proc", text).exists()
