"""The guard of a worker: nothing of it stays, whichever of the processes is killed. Real processes."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from narwhal_cli import guard, leftovers
from tests.support.processes import until

SECONDS = 30.0
TREE = "setsid sleep 999 & (setsid setsid sleep 999 &) ; echo started; {last}"
"""A worker whose children have sessions of their own, one of them orphaned."""


class Guarded:
    """A guard under test: its directory is below `parent`."""

    def __init__(self, parent: Path, argv: Sequence[str], standby: Sequence[str] = (), **files: str) -> None:
        self.directory = parent / f"{guard.PREFIX}{os.urandom(4).hex()}"
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, *standby],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, leftovers.MARK: str(self.directory)},
            start_new_session=True,
        )
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in files.items()}
        request = {"directory": str(self.directory), "files": encoded, "argv": argv}
        self.send(json.dumps(request).encode() + b"\n")

    def send(self, data: bytes) -> None:
        """Writes to the guard."""
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def line(self) -> str:
        """The next line of the worker."""
        assert self.process.stdout
        return self.process.stdout.readline().decode().strip()

    def rest(self) -> list[str]:
        """What the worker still says until it ends; standard input stays open."""
        assert self.process.stdout
        return self.process.stdout.read().decode().split()

    def alive(self) -> list[int]:
        """Every process of this run but the guard: what carries its mark."""
        return [pid for pid in marked(self.directory) if pid != self.process.pid]


def processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # ended, or of another user
        return []


@contextmanager
def guarded(parent: Path, script: str, **files: str) -> Iterator[Guarded]:
    """A guard that is gone in the end, whatever the test found."""
    with under_guard(Guarded(parent, ["/bin/sh", "-c", script], **files)) as found:
        yield found


@contextmanager
def under_guard(found: Guarded) -> Iterator[Guarded]:
    """The same of any program."""
    try:
        yield found
    finally:
        found.process.kill()
        leftovers.clear(str(found.directory))
        with found.process:  # closes its pipes
            pass


def test_the_worker_s_exit_code_is_the_guard_s(tmp_path: Path) -> None:
    """Its output passes through, its files are there and are this user's alone, its standard input is empty."""
    script = (
        "cat; cat $NARWHAL_RUN_DIRECTORY/a/b; stat -c ' %a' $NARWHAL_RUN_DIRECTORY $NARWHAL_RUN_DIRECTORY/a/b; exit 54"
    )
    with guarded(tmp_path, script, **{"a/b": "hello"}) as run:
        assert run.rest() == ["hello", "700", "600"]
        assert run.process.wait(SECONDS) == 54
        assert not run.directory.exists()


def test_a_worker_that_is_killed_ends_with_128_and_the_signal(tmp_path: Path) -> None:
    """As a shell tells it."""
    with guarded(tmp_path, "kill -9 $$") as run:
        assert run.process.wait(SECONDS) == 128 + signal.SIGKILL


def test_what_a_worker_leaves_behind_is_killed(tmp_path: Path) -> None:
    """Children with sessions of their own do not outlive the worker."""
    with guarded(tmp_path, TREE.format(last="exit 3")) as run:
        assert run.process.wait(SECONDS) == 3
        assert run.alive() == []


@pytest.mark.parametrize("ending", ["end of input", "SIGTERM", "both"])
def test_a_worker_is_asked_to_stop(tmp_path: Path, ending: str) -> None:
    """The end of standard input, as of a starter that was killed, or SIGTERM, or both: the worker may tidy up."""
    script = "trap 'echo tidied; exit 10' TERM; " + TREE.format(last="while :; do sleep 0.02; done")
    with guarded(tmp_path, script) as run:
        assert run.line() == "started"
        assert run.process.stdin
        if ending != "end of input":
            run.process.terminate()
        if ending != "SIGTERM":
            run.process.stdin.close()
        assert run.rest() == ["tidied"]
        assert run.process.wait(SECONDS) == 10
        assert run.alive() == []
        assert not run.directory.exists()


def test_a_worker_that_does_not_stop_is_killed_on_demand(tmp_path: Path) -> None:
    """Whoever insists does not wait for the grace period."""
    with guarded(tmp_path, "trap '' TERM; " + TREE.format(last="while :; do sleep 0.02; done")) as run:
        assert run.line() == "started"
        started = time.monotonic()
        run.process.terminate()
        run.process.send_signal(guard.INSIST)
        assert run.process.wait(SECONDS) == 128 + signal.SIGKILL
        assert time.monotonic() - started < guard.GRACE_SECONDS
        assert run.alive() == []


def test_a_worker_does_not_outlive_a_killed_guard(tmp_path: Path) -> None:
    """The kernel kills the worker; what it had started, and the directory, are found by the mark."""
    with guarded(tmp_path, TREE.format(last="sleep 998"), credentials="hunter2") as run:
        assert run.line() == "started"
        until(lambda: len(run.alive()) >= 3, SECONDS, "worker and children run")
        run.process.kill()
        run.process.wait(SECONDS)
        leftovers.clear(str(run.directory))
        until(lambda: not run.alive(), SECONDS, "all that carries the mark is gone")
        assert not run.directory.exists()


def test_the_directory_of_a_killed_guard_goes_with_the_next_run(tmp_path: Path) -> None:
    """A directory of this user that nobody locks and that is old is removed; one that is locked or new stays."""
    old, new = tmp_path / f"{guard.PREFIX}old", tmp_path / f"{guard.PREFIX}new"
    other = tmp_path / "other"
    for directory in (old, new, other):
        directory.mkdir()
    long_ago = time.time() - 2 * guard.STALE_SECONDS
    for directory in (old, other):
        os.utime(directory, (long_ago, long_ago))
    with guarded(tmp_path, "echo started; sleep 997") as locked:
        assert locked.line() == "started"
        with guarded(tmp_path, "exit 0") as run:
            os.utime(locked.directory, (long_ago, long_ago))
            assert run.process.wait(SECONDS) == 0
            until(lambda: not old.exists(), SECONDS, "the stale directory is gone")
            assert new.exists()
            assert other.exists()
    assert not locked.directory.exists()


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A code of its own and one line, for the starter to tell what to do."""
    (tmp_path / "file").write_text("")
    with guarded(tmp_path / "file", "exit 0") as run:
        _, errors = run.process.communicate(timeout=SECONDS)
        assert run.process.returncode == guard.NO_SCRATCH
        assert errors.decode().strip().endswith("Not a directory")


def test_a_guard_without_a_whole_request_ends(tmp_path: Path) -> None:
    """A starter that was killed while it wrote leaves nothing."""
    argv = [sys.executable, "-I", "-S", guard.__file__]
    done = subprocess.run(argv, input=b'{"directory": "', capture_output=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


STANDBY = [sys.executable, "-P", "-m", "workers.standby"]
"""What stands by; a module that it is to import follows."""


def test_what_stands_by_becomes_the_worker(tmp_path: Path) -> None:
    """The interpreter that imported is the one that runs: with its own arguments and an empty standard input."""
    told = [sys.executable, "-P", "-m", "sysconfig_of_test", "one", "two"]
    (tmp_path / "sysconfig_of_test.py").write_text(
        "import os, sys; print(os.getppid(), sys.argv[1:], sys.stdin.read() == '', 'wave' in sys.modules, flush=True)"
    )
    environment = f"import runpy, sys; sys.path.append({str(tmp_path)!r}); sys.argv[1:] = ['wave']; runpy.run_module('workers.standby', run_name='__main__')"
    standby = [sys.executable, "-P", "-c", environment]
    with under_guard(Guarded(tmp_path, told, standby)) as run:
        assert run.line() == f"{run.process.pid} ['one', 'two'] True True"
        assert run.process.wait(SECONDS) == 0


def test_what_cannot_become_the_worker_is_no_hindrance(tmp_path: Path) -> None:
    """A standby that broke, or that is no interpreter of the worker, is left aside; in the end nothing of it is left."""
    for standby in ([*STANDBY, "no.such.module"], [*STANDBY, "wave"]):
        with under_guard(Guarded(tmp_path, ["/bin/sh", "-c", "echo here"], standby)) as run:
            assert run.line() == "here"
            assert run.process.wait(SECONDS) == 0
            assert run.alive() == []


def test_what_stands_by_ends_with_a_starter_that_asks_for_nothing(tmp_path: Path) -> None:
    """A manifest that is refused leaves no interpreter behind."""
    directory = tmp_path / "unused"
    argv = [sys.executable, "-I", "-S", guard.__file__, *STANDBY, "wave"]
    environment = {**os.environ, leftovers.MARK: str(directory)}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, env=environment, start_new_session=True) as process:
        until(lambda: len(marked(directory)) == 2, SECONDS, "the standby has started")
        assert process.stdin
        process.stdin.close()
        assert process.wait(SECONDS) == 0
    assert marked(directory) == []


def marked(directory: Path) -> list[int]:
    """The processes that carry a directory's mark."""
    mark = f"{leftovers.MARK}={directory}".encode()
    return [pid for pid in processes() if mark in environment(pid)]
