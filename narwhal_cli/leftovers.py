"""What is left of an attempt whose guard was killed itself: found by a mark in its environment, and removed."""

import os
import shutil
import signal
from pathlib import Path
from typing import Final

MARK: Final = "NARWHAL_RUN_DIRECTORY"
"""Environment variable of a worker and of all it starts: the directory of the attempt, which no other has."""


PASSES: Final = 100
"""Through all processes, at most: each finds what was forked while the one before it ran."""


def clear(directory: str) -> None:
    """Kills every process of this user that carries the mark, and removes the directory with the Secrets."""
    mark = f"{MARK}={directory}".encode()
    empty = 0
    for _ in range(PASSES):
        # Twice without a find: a process in the middle of execve shows no environment.
        empty = 0 if _kill_marked(mark) else empty + 1
        if empty == 2:
            break
    shutil.rmtree(directory, ignore_errors=True)


def _kill_marked(mark: bytes) -> bool:
    found = False
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
                found = True
        except OSError:  # of another user, or ended since it was listed
            continue
    return found
