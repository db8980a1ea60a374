"""Runs one program at a time of a run: in a process group of its own, under limits, watched, and gone when told.

A program that outlives its worker would write where nobody looks: the kernel kills it with the worker (PDEATHSIG), and
every way out of `run` kills the group.
"""

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.transcode import limits
from workers.transcode.cgroup import oom_kills
from workers.transcode.progress import Block, Parser

TICK_SECONDS: Final = 0.25
CHUNK: Final = 64 * 1024


class Ended(msgspec.Struct, frozen=True):
    """How a program ended: exit code, or the signal that killed it, its last words, its last progress."""

    code: int
    tail: str
    last: Block | None
    stalled: bool = False
    oom_kills: int | None = None  # of the kernel in this container meanwhile; None: nobody counts them

    @property
    def killed_by(self) -> int | None:
        """The signal that ended it, None when it exited by itself."""
        return -self.code if self.code < 0 else None


class Bounds(msgspec.Struct, frozen=True):
    """The limits of one program."""

    stall_seconds: float | None = msgspec.field(default_factory=lambda: limits.STALL_SECONDS)
    """Killed when its progress says nothing new for so long; None for programs without progress."""
    wall_seconds: float | None = None
    address_space: int = limits.ADDRESS_SPACE
    tail_bytes: int = limits.STDERR_TAIL
    """Bytes of its last words that are kept."""


@dataclass(slots=True)
class Program:
    """A program that runs, for who wants to hold it: FFmpeg waits while the store is slow."""

    pid: int | None = None
    held: bool = False
    last: Block | None = None
    changed: float = field(default_factory=time.monotonic)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it runs."""

    def hold(self, hold: bool) -> None:
        """Stops the whole group, or lets it go on."""
        if hold != self.held and self.pid is not None:
            self.held = hold
            self.changed = time.monotonic()
            _signal(self.pid, signal.SIGSTOP if hold else signal.SIGCONT)

    def saw(self, block: Block) -> None:
        """Notes a report; only one that differs is a sign of life."""
        if block != self.last:
            self.last, self.changed = block, time.monotonic()


def require(*programs: str) -> None:
    """Raises WorkError(ProgramMissing) when one of the programs is not on PATH."""
    for program in programs:
        if shutil.which(program) is None:
            package = {"setpriv": "util-linux", "nice": "coreutils"}.get(program, "ffmpeg")
            message = f"The program {program} is not on PATH. Install it: apt-get install {package}."
            raise WorkError(Reason.PROGRAM_MISSING, message)


async def run(
    argv: Callable[[int], Sequence[str]],
    *,
    fds: Sequence[int] = (),
    bounds: Bounds | None = None,
    program: Program | None = None,
    on_progress: Callable[[Block], None] | None = None,
    on_output: Callable[[bytes], None] | None = None,
) -> Ended:
    """Runs a program to its end. `argv` is given the descriptor its progress goes to.

    Cancelled, it kills the program's group and waits for it. Raises nothing of its own: how a program ended is a fact
    for the caller to judge; `ask` judges one of them.
    """
    program = program or Program()
    read_fd, write_fd = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", "--", *argv(write_fd)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if on_output else asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(write_fd, *fds),
            process_group=0,  # no session: the kernel shares evenly between sessions, `nice` is within one (sched(7), autogroup)
            limit=CHUNK,
        )
    except BaseException:
        os.close(read_fd)
        raise
    finally:
        os.close(write_fd)
    program.pid = process.pid
    program.started.set()
    try:
        return await _attend(process, read_fd, bounds or Bounds(), program, on_progress, on_output)
    finally:
        program.pid = None
        if process.returncode is None:
            _signal(process.pid, signal.SIGKILL)
            await process.wait()


async def ask(
    argv: Callable[[int], Sequence[str]],
    *,
    fds: Sequence[int] = (),
    bounds: Bounds | None = None,
    program: Program | None = None,
    on_output: Callable[[bytes], None] | None = None,
) -> Ended:
    """Runs a program whose failure says something of the media; that somebody killed it says nothing of it.

    Raises WorkError OutOfMemory or EncoderFailed then, which are tried again.
    """
    ended = await run(argv, fds=fds, bounds=bounds, program=program, on_output=on_output)
    if error := starved(ended):
        raise error
    if ended.killed_by == signal.SIGKILL and not ended.stalled:
        raise WorkError(Reason.ENCODER_FAILED, "FFmpeg was killed by signal 9 from outside; it is tried again.")
    return ended


def starved(ended: Ended) -> WorkError | None:
    """The error of a program that was killed for want of memory: surely, or most likely where nobody counts such kills."""
    if ended.stalled or ended.killed_by != signal.SIGKILL or ended.oom_kills == 0:
        return None
    sure = "" if ended.oom_kills else ", most likely"
    message = f"FFmpeg was killed{sure} for want of memory; raise spec.template.resources.limits.memory."
    return WorkError(Reason.OUT_OF_MEMORY, message, evidence=ended.tail)


async def _attend(
    process: asyncio.subprocess.Process,
    read_fd: int,
    bounds: Bounds,
    program: Program,
    on_progress: Callable[[Block], None] | None,
    on_output: Callable[[bytes], None] | None,
) -> Ended:
    _limit(process.pid, bounds)
    before = oom_kills()
    tail = bytearray()
    parser = Parser()

    def words(data: bytes) -> None:
        tail.extend(data)
        del tail[: -bounds.tail_bytes]

    def reports(data: bytes) -> None:
        for block in parser.feed(data):
            program.saw(block)
            if on_progress:
                on_progress(block)

    pipe = asyncio.StreamReader(limit=CHUNK)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(pipe), os.fdopen(read_fd, "rb", 0)
    )
    drains = [asyncio.ensure_future(_drain(pipe, reports)), asyncio.ensure_future(_drain(process.stderr, words))]
    if on_output:
        drains.append(asyncio.ensure_future(_drain(process.stdout, on_output)))
    try:
        stalled = await _watch(process, bounds, program)
        await asyncio.gather(*drains)
    finally:
        for drain in drains:
            drain.cancel()
        transport.close()
    after = oom_kills()
    kills = None if before is None or after is None else after - before
    return Ended(await process.wait(), tail.decode("utf-8", "replace"), program.last, stalled, kills)


async def _watch(process: asyncio.subprocess.Process, bounds: Bounds, program: Program) -> bool:
    """Waits for the end; kills what is over its time. True when that was needed."""
    began = time.monotonic()
    waiting = asyncio.ensure_future(process.wait())
    try:
        while not (await asyncio.wait({waiting}, timeout=TICK_SECONDS))[0]:
            now = time.monotonic()
            silent = bounds.stall_seconds is not None and now - program.changed > bounds.stall_seconds
            late = bounds.wall_seconds is not None and now - began > bounds.wall_seconds
            if (silent and not program.held) or late:
                _signal(process.pid, signal.SIGKILL)
                await waiting
                return True
    finally:
        waiting.cancel()
    return False


async def _drain(stream: asyncio.StreamReader | None, take: Callable[[bytes], None]) -> None:
    while stream is not None and (data := await stream.read(CHUNK)):
        take(data)


def _limit(pid: int, bounds: Bounds) -> None:
    # Set from outside: code between fork and exec could deadlock with the threads that talk to the store.
    with contextlib.suppress(ProcessLookupError):  # it has ended already
        resource.prlimit(pid, resource.RLIMIT_AS, (bounds.address_space, bounds.address_space))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limits.FILE_SIZE, limits.FILE_SIZE))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # the group is gone, which is what is wanted
        os.killpg(pid, number)
