"""FFmpeg's version: part of an output version's name. An image knows its own; elsewhere it is asked before anything is loaded.

FFmpeg loads, too: over 200 libraries, nearly a tenth of a second of CPU. So this module itself loads next to nothing
before it has asked.
"""

import contextlib
import os
import subprocess
from typing import Final

RECORD: Final = "/usr/share/narwhal/ffmpeg"
"""Written as an image is built: the size of its ffmpeg in bytes, and in the next line the first of `ffmpeg -version`."""

ARGV: Final = ("setpriv", "--pdeathsig", "KILL", "--", "ffmpeg", "-hide_banner", "-version")
SECONDS: Final = 30.0
LENGTH: Final = 128

_asked: "list[subprocess.Popen[bytes]]" = []
"""The program that was asked, until its answer is fetched; one at most."""


def ask() -> None:
    """Starts the program that tells its version, where no image has recorded it; once, until the answer is fetched."""
    if not os.path.exists(RECORD):  # noqa: PTH110 - pathlib would be loaded for it
        _start()


def _start() -> None:
    """What is not installed tells nothing."""
    if _asked:
        return
    with contextlib.suppress(OSError):  # runner.require says what is missing, and how to get it
        nothing, answer = subprocess.DEVNULL, subprocess.PIPE
        _asked.append(subprocess.Popen(ARGV, stdin=nothing, stdout=answer, stderr=nothing))  # noqa: S603 - words of ours


async def version() -> str:
    """Such as `ffmpeg 5.1.9`. Raises WorkError(OutOfMemory | EncoderFailed), which are tried again.

    An answer that is not FFmpeg's is no version: `ffmpeg` alone.
    """
    import asyncio

    from narwhal_operator.contract.outcome import Reason, WorkError

    if (known := _recorded()) is not None:
        return known
    _start()
    if not _asked:
        raise WorkError(Reason.ENCODER_FAILED, "FFmpeg did not start to tell its version; it is tried again.")
    process = _asked.pop()
    try:
        text, _ = await asyncio.to_thread(process.communicate, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise WorkError(Reason.ENCODER_FAILED, f"FFmpeg did not tell its version in {SECONDS:.0f} s.") from None
    finally:
        if process.poll() is None:
            process.kill()
    if process.returncode < 0:  # a version without a number would be another output: all would be encoded anew
        from workers.transcode import runner

        message = f"FFmpeg was killed by signal {-process.returncode} as it told its version; it is tried again."
        killed = runner.Ended(process.returncode, "", None)
        raise runner.starved(killed) or WorkError(Reason.ENCODER_FAILED, message)
    return _named(text)


def _recorded() -> str | None:
    """The version that the image records; None where it records none, or of another ffmpeg than the one at hand."""
    import shutil
    from pathlib import Path

    try:
        size, _, line = Path(RECORD).read_bytes().partition(b"\n")
        program = shutil.which("ffmpeg")
        return _named(line) if program and Path(program).stat().st_size == int(size) else None
    except (OSError, ValueError):
        return None


def _named(text: bytes) -> str:
    words = text[:200].decode("utf-8", "replace").split()
    return f"ffmpeg {words[2]}"[:LENGTH] if words[:2] == ["ffmpeg", "version"] else "ffmpeg"
