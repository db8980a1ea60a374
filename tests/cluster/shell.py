"""Running programs and waiting for things: every call has a time limit, every failure names its command."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tests.cluster.errors import ClusterError

T = TypeVar("T")

TAIL_LINES = 15
# Debian's users have no sbin on their PATH, and half of what a node needs lives there.
PATH = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/local/sbin:/usr/sbin:/sbin"


def say(message: str) -> None:
    """One line of progress for the person waiting; standard output stays free for results."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, indented for an error message."""
    kept = text.strip().splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in kept) or "    (no output)"


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 120,
) -> str:
    """The standard output of a program.

    Args:
        argv: the program and its arguments; nothing secret belongs here.
        stdin: text for its standard input; without it the input is empty.
        env: the whole environment; without it ours, with the sbin directories on PATH.
        cwd: its working directory.
        timeout: seconds until it is killed.

    Raises:
        ClusterError: it is missing, ended with another code than 0, or took too long.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            env=dict(env) if env is not None else {**os.environ, "PATH": PATH},
            cwd=cwd,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{words[0]} is not installed: run hack/setup-machine cluster") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"`{shlex.join(words)}` did not end within {timeout:.0f} s") from error
    if done.returncode != 0:
        raise ClusterError(f"`{shlex.join(words)}` ended with {done.returncode}:\n{tail(done.stderr or done.stdout)}")
    return done.stdout


def wait_for(what: str, check: Callable[[], T | None], timeout: float, interval: float = 0.1) -> T:
    """What `check` returns once it is truthy.

    Args:
        what: the thing waited for, as it reads in "... did not come within 30 s".
        check: asked again and again; it may raise ClusterError to end the wait early.
        timeout: seconds until the wait is given up.
        interval: seconds between two questions.

    Raises:
        ClusterError: the deadline passed.
    """
    deadline = time.monotonic() + timeout
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not within {timeout:.0f} s")
        time.sleep(interval)
