"""FFmpeg's version: asked for early, and never guessed from a program that did not end by itself."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.transcode import engine


@pytest.fixture(autouse=True)
def _nobody_asked_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_asked", [])
    monkeypatch.setattr(engine, "RECORD", "/nowhere/ffmpeg")


def install(directory: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ffmpeg of this script, and nothing else of that name on PATH."""
    program = directory / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{Path(shutil.which('setpriv') or '/usr/bin').parent}:/bin")


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("echo ffmpeg version 5.1.9-0+deb12u1 Copyright", "ffmpeg 5.1.9-0+deb12u1"),
        ("echo something else", "ffmpeg"),
        ("exit 1", "ffmpeg"),
    ],
)
def test_a_version_is_the_second_word_of_ffmpegs_first_line(
    script: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no such line has no number."""
    install(tmp_path, script, monkeypatch)
    assert asyncio.run(engine.version()) == version


def test_it_is_asked_once_however_often_it_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that stood by asked already."""
    install(tmp_path, f"echo x >> {tmp_path}/asked; echo ffmpeg version 7", monkeypatch)
    engine.ask()
    engine.ask()
    assert asyncio.run(engine.version()) == "ffmpeg 7"
    assert (tmp_path / "asked").read_text() == "x\n"


@pytest.mark.parametrize(("signal", "reason"), [("KILL", Reason.OUT_OF_MEMORY), ("TERM", Reason.ENCODER_FAILED)])
def test_one_that_is_killed_is_tried_again(
    signal: str, reason: Reason, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken for a version without a number, all would be encoded anew under another name."""
    install(tmp_path, f"kill -{signal} $$", monkeypatch)
    with pytest.raises(WorkError) as caught:
        asyncio.run(engine.version())
    assert caught.value.reason is reason


def test_one_that_does_not_answer_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed, and the worker tries again."""
    install(tmp_path, "exec sleep 997", monkeypatch)
    monkeypatch.setattr(engine, "SECONDS", 0.2)
    engine.ask()
    process = engine._asked[0]
    with pytest.raises(WorkError, match="did not tell its version"):
        asyncio.run(engine.version())
    assert process.wait(10) != 0


def test_a_machine_without_it_is_told_so_later() -> None:
    """Asking does not fail: what is missing, and how to get it, is said when there is an order."""
    code = (
        "from workers.transcode import engine; engine.ARGV = ('/nowhere/setpriv',); engine.ask(); print(engine._asked)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("record", "version"),
    [
        ("{size}\nffmpeg version 6.1 Copyright\n", "ffmpeg 6.1"),
        ("1\nffmpeg version 6.1 Copyright\n", "ffmpeg 7"),
        ("ffmpeg version 6.1 Copyright\n", "ffmpeg 7"),
        ("", "ffmpeg 7"),
    ],
)
def test_an_image_records_its_own(record: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg is not started for it; of another ffmpeg than was recorded, such as one of a derived image, the program tells."""
    install(tmp_path, f"echo x >> {tmp_path}/asked; echo ffmpeg version 7", monkeypatch)
    (tmp_path / "record").write_text(record.format(size=(tmp_path / "ffmpeg").stat().st_size))
    monkeypatch.setattr(engine, "RECORD", str(tmp_path / "record"))
    engine.ask()
    assert asyncio.run(engine.version()) == version
    assert (tmp_path / "asked").exists() == (version == "ffmpeg 7")
