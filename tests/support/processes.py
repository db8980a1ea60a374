"""Ports, deadlines and programs that end with the test run, however it ends."""

import ctypes
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")
_PR_SET_PDEATHSIG: Final = 1
STOP_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.02
PORTS: Final = (20_000, 30_000)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on now.

    None of those that the kernel gives to outgoing connections (ip_local_port_range): one would be taken before it is listened
    on. Nor one of the cluster's: a kubelet has 10250, Services have 30000 and more.
    """
    first, last = PORTS
    found: dict[int, socket.socket] = {}
    try:
        while len(found) < count:
            port, item = first + secrets.randbelow(last - first), socket.socket()
            try:
                item.bind(("127.0.0.1", port))
            except OSError:
                item.close()
            else:
                found[port] = item
        return list(found)
    finally:
        for item in found.values():
            item.close()


def until(probe: Callable[[], T | None], seconds: float, what: str) -> T:
    """What the probe returns as soon as it is true; AssertionError naming `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(POLL_SECONDS)


def end_with_parent() -> None:
    """Asks the kernel to kill this process when the one that started it is gone (prctl(2), Linux)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def program(
    argv: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in the background, its output in a file; stopped in the end, by force if it must be."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - runs before any thread of ours, calls one syscall
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
