"""The guard: the parent of one worker, which leaves nothing behind, whatever happens to the program that started it.

Run as a script of its own (`python -I -S guard.py`), for it must start in milliseconds and outlive `narwhal`. It reads
one line of JSON from standard input: the directory to make, the files to write into it, and the worker's argv. Arguments of
its own are the argv of a program that is started at once, to stand by (workers.standby): when the worker is a module of the
same interpreter, that program is told to become it. Standard input stays open as long as the starter wants the worker to run; its end means: stop. So a starter that is killed, even by
SIGKILL, stops its workers, and the directory with the Secrets in it is removed.

Whatever the worker started and did not wait for becomes a child of the guard (PR_SET_CHILD_SUBREAPER) and is killed too; if
the guard itself is killed, the kernel kills the worker (PR_SET_PDEATHSIG).
"""

import base64
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final, NoReturn

REQUEST_LIMIT: Final = 32 * 1024 * 1024
GRACE_SECONDS: Final = 10.0
"""From SIGTERM to SIGKILL. Workers stop within one."""
REAP_SECONDS: Final = 10.0
"""How long killed processes are waited for: one in a dead NFS mount can stay."""
STALE_SECONDS: Final = 60.0
"""Age at which an unlocked directory is that of a guard that was killed, not of one that is about to lock it."""
INSIST: Final = signal.SIGUSR1
"""Kills the worker at once. Not a second SIGTERM: a service manager sends one to narwhal and to the guard alike."""
_STOP: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
PREFIX: Final = "narwhal-run-"
NO_SCRATCH: Final = 125
"""Exit code when the directory cannot be made; one line on standard error says why."""
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36


def main() -> int:
    """Runs one worker to its end; its exit code, 128 + N when signal N ended it."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, *_STOP, INSIST):
        signal.signal(number, lambda *_: None)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    standby = _stand_by(sys.argv[1:]) if sys.argv[1:] else None
    request = _request()
    if request is None:
        _kill_all()
        return 0
    directory = Path(request["directory"])
    try:
        _write_files(directory, request["files"])
        worker = (standby and _tell(standby, request["argv"])) or _start(request["argv"])
        _remove_stale(directory.parent)
        return _watch(worker, woken)
    except OSError as error:
        sys.stderr.write(f"{error.filename or directory}: {error.strerror}\n")
        return NO_SCRATCH
    finally:
        _kill_all()
        shutil.rmtree(directory, ignore_errors=True)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _request() -> dict[str, Any] | None:
    """The starter's line; None when it ended before it had written all of it."""
    line = bytearray()
    while not line.endswith(b"\n"):
        part = os.read(0, 1 << 20)
        if not part or len(line) > REQUEST_LIMIT:
            return None
        line += part
    request: dict[str, Any] = json.loads(line)
    return request


def _write_files(directory: Path, files: dict[str, str]) -> None:
    """Makes the directory, for this user alone, and locks it: the descriptor stays open until this process ends."""
    directory.mkdir(mode=0o700)
    fcntl.flock(os.open(directory, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(base64.b64decode(content))


def _start(argv: list[str], given: int | None = None) -> int:
    guard = os.getpid()
    worker = os.fork()
    if worker == 0:
        _become(argv, guard, given)
    return worker


def _stand_by(argv: list[str]) -> tuple[int, int]:
    """Starts the program that stands by; its process and the descriptor it is told at."""
    given, told = os.pipe()
    standby = _start(argv, given)
    os.close(given)
    return standby, told


def _tell(standby: tuple[int, int], argv: list[str]) -> int | None:
    """Tells the program that stands by what to become; its process, None when it cannot be that."""
    worker, told = standby
    if argv[:3] != [sys.executable, "-P", "-m"]:
        return None
    try:
        os.write(told, json.dumps(argv[3:]).encode() + b"\n")
    except BrokenPipeError:  # it broke: the worker, started anew, will say why
        return None
    os.close(told)
    return worker


def _become(argv: list[str], guard: int, given: int | None) -> NoReturn:
    """Turns the forked child into the worker; 127 when there is no such program, as of a shell."""
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == guard:  # else it died before the line above
            os.dup2(os.open(os.devnull, os.O_RDONLY) if given is None else given, 0)
            os.execv(argv[0], argv)  # noqa: S606 - no shell is the point
    finally:
        os._exit(127)


def _watch(worker: int, woken: int) -> int:
    """Waits for the worker's end; hands on the wish to stop, and insists when it is not followed."""
    inputs = [0, woken]
    deadline: float | None = None
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select(inputs, [], [], left)
        numbers = os.read(woken, 512) if woken in ready else b""
        code = _reap(worker) if signal.SIGCHLD in numbers else None
        if code is not None:
            return code
        released = 0 in ready and not os.read(0, 1 << 16)
        if released:
            inputs = [woken]
        if deadline is None and (released or not _STOP.isdisjoint(numbers)):
            os.kill(worker, signal.SIGTERM)
            deadline = time.monotonic() + GRACE_SECONDS
        if INSIST in numbers or (deadline is not None and time.monotonic() >= deadline):
            os.kill(worker, signal.SIGKILL)
            deadline = time.monotonic() + REAP_SECONDS


def _reap(worker: int) -> int | None:
    """Takes the exits of children, adopted ones too; the worker's exit code once it has ended."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == worker:
            ended = os.waitstatus_to_exitcode(status)
            code = ended if ended >= 0 else 128 - ended


def _kill_all() -> None:
    """Kills every process below this one, until there is none: what was orphaned has become a child of this."""
    deadline = time.monotonic() + REAP_SECONDS
    while time.monotonic() < deadline:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for pid in _descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        select.select([], [], [], 0.01)


def _descendants(root: int) -> list[int]:
    parents = {int(path.name): _parent(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def _parent(process: Path) -> int:
    try:
        # After the name, which may hold blanks and brackets: state, parent.
        return int((process / "stat").read_bytes().rpartition(b")")[2].split()[1])
    except OSError:  # it has ended since it was listed
        return 0


def _remove_stale(parent: Path) -> None:
    """Removes the directories of guards that were killed themselves: nobody holds their lock."""
    oldest = time.time() - STALE_SECONDS
    for entry in parent.glob(f"{PREFIX}*"):
        try:
            info = entry.lstat()
            if info.st_uid != os.getuid() or info.st_mtime > oldest:
                continue
            lock = os.open(entry, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # no directory, or another guard has just removed it
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(entry, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)


if __name__ == "__main__":
    sys.exit(main())
