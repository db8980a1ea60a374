"""One attempt at a work: a worker under its guard, its reports as they come, and the outcome it leaves.

The worker is the very program that runs in a pod; here its order lies in a private directory and its reports come on
standard output instead of `/progress`.
"""

import asyncio
import base64
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from narwhal_cli import guard
from narwhal_cli.launch import launch
from narwhal_cli.leftovers import clear
from narwhal_cli.orders import ORDER, SCRATCH, Place, bundle
from narwhal_cli.outcomes import local_outcome
from narwhal_cli.works import Work
from narwhal_operator.contract import download, transcode
from narwhal_operator.contract.download import Artifact
from narwhal_operator.contract.model import Contract
from narwhal_operator.contract.outcome import BY_CODE, TABLE, Reason, WorkOutcome
from narwhal_operator.contract.report import WorkerReport

TAIL_LINES: Final = 20
"""Lines of a worker's standard error that are kept for the evidence."""
DEADLINE_SLACK: Final = 5.0
"""Seconds after activeDeadlineSeconds, which the worker itself heeds, before it is stopped from outside."""
INSIST_SECONDS: Final = 1.0
CLEAR_SECONDS: Final = 10
"""For the end of all that a killed guard has left, and for the last lines of it."""
_MODULES: Final = {download.KIND: "workers.download", transcode.KIND: "workers.transcode"}
_VMSTAT: Final = Path("/proc/vmstat")

OnReport = Callable[[WorkerReport], None]


@dataclass(slots=True)
class Stop:
    """The wish to end: once asks the workers to stop, again, a second later at least, kills them."""

    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: asyncio.Event = field(default_factory=asyncio.Event)
    _asked_at: float = 0.0

    def ask(self) -> None:
        """Asks to stop. A terminal and a parent process may send a signal each for one Ctrl-C: that insists on nothing."""
        if not self.wanted.is_set():
            self._asked_at = time.monotonic()
            self.wanted.set()
        elif time.monotonic() - self._asked_at >= INSIST_SECONDS:
            self.at_once.set()


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt needs to know."""

    work: Work
    place: Place
    number: int
    made: Artifact | None = None  # what the DownloadJob it waited for has made


async def run_attempt(attempt: Attempt, on_report: OnReport, stop: Stop) -> WorkOutcome:
    """Runs a worker to its end. Raises WorkError(SecretNotFound | ConfigMapNotFound | DependencyMissing) before it."""
    guarded = (attempt.place.ready and attempt.place.ready.take()) or await launch()
    process, directory = guarded.process, guarded.directory
    killed_before = _oom_kills()
    reading = asyncio.create_task(_read(process, on_report))
    ended = asyncio.create_task(_exit_code(process, directory))
    try:
        files = bundle(attempt.work, attempt.place, directory, attempt.number, attempt.made).files
        await _hand_over(process, _request(attempt.work, directory, files))
        late = await _until_end(process, ended, stop, attempt.work.spec.active_deadline_seconds)
    finally:
        _let_go(process)
        code = await ended
        outcome, tail = await _said(reading)
    if late and (outcome is None or outcome.reason is Reason.CANCELLED):
        limit = attempt.work.spec.active_deadline_seconds
        message = f"Ran longer than activeDeadlineSeconds ({limit} s). {TABLE[Reason.DEADLINE_EXCEEDED].mend}"
        return local_outcome(attempt.work, Reason.DEADLINE_EXCEEDED, message, attempt.number)
    return outcome or _without_outcome(attempt, code, tail, stop, _oom_kills() > killed_before)


def _request(work: Work, directory: str, files: Mapping[str, bytes]) -> bytes:
    # -P: a directory `workers` beside the user's manifest is not ours.
    argv = [sys.executable, "-P", "-m", _MODULES[work.kind], "--order", f"{directory}/{ORDER}", "--report"]
    argv += ["--scratch", f"{directory}/{SCRATCH}"]
    encoded = {name: base64.b64encode(content).decode() for name, content in files.items()}
    return json.dumps({"directory": directory, "files": encoded, "argv": argv}).encode() + b"\n"


async def _hand_over(process: asyncio.subprocess.Process, request: bytes) -> None:
    if process.stdin is None:
        raise RuntimeError("a guard without standard input")
    try:
        process.stdin.write(request)
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return  # it has ended already; its exit code tells


async def _exit_code(process: asyncio.subprocess.Process, directory: str) -> int:
    """The guard's exit code, once all below it is gone, which it sees to; if it was killed itself, we do."""
    ended = asyncio.ensure_future(process.wait())  # ends when the pipes are closed too
    tries = 0
    while tries < CLEAR_SECONDS:
        await asyncio.wait({ended}, timeout=1)
        if ended.done() and ended.result() >= 0:
            return ended.result()
        if process.returncode is not None:
            tries += 1
            await asyncio.to_thread(clear, directory)
            if ended.done():
                return ended.result()
    ended.cancel()
    return -signal.SIGKILL


async def _until_end(
    process: asyncio.subprocess.Process, ended: asyncio.Task[int], stop: Stop, limit: int | None
) -> bool:
    """Waits for the guard's end, which is that of all below it; True when it was stopped for being late."""
    stopping = asyncio.ensure_future(stop.wanted.wait())
    killing = asyncio.ensure_future(stop.at_once.wait())
    try:
        timeout = None if limit is None else limit + DEADLINE_SLACK
        await asyncio.wait({ended, stopping}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        late = not ended.done() and not stopping.done()
        _let_go(process)
        await asyncio.wait({ended, killing}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            process.send_signal(guard.INSIST)
        await ended
    finally:
        stopping.cancel()
        killing.cancel()
    return late


def _let_go(process: asyncio.subprocess.Process) -> None:
    """Closes the guard's standard input, which asks it to stop; it kills what does not stop."""
    if process.stdin:
        process.stdin.close()


async def _read(process: asyncio.subprocess.Process, on_report: OnReport) -> tuple[WorkOutcome | None, str]:
    """The outcome a worker tells, and the last lines of its standard error."""
    if process.stdout is None or process.stderr is None:
        raise RuntimeError("a guard without output")
    outcome, tail = await asyncio.gather(_outcome(process.stdout, on_report), _tail(process.stderr))
    return outcome, tail


class _Line(Contract):
    """A line of a worker's standard output."""

    report: WorkerReport | None = None
    outcome: WorkOutcome | None = None


async def _said(reading: "asyncio.Task[tuple[WorkOutcome | None, str]]") -> tuple[WorkOutcome | None, str]:
    try:
        return await asyncio.wait_for(reading, CLEAR_SECONDS)
    except TimeoutError:  # something that cannot be killed holds the pipes, such as a process in a dead NFS mount
        return None, ""


async def _outcome(lines: asyncio.StreamReader, on_report: OnReport) -> WorkOutcome | None:
    outcome = None
    async for line in _bounded(lines):
        try:
            told = _Line.from_json(line)
        except ValidationError:  # not a line of ours: some library wrote to standard output
            continue
        if told.report:
            on_report(told.report)
        outcome = told.outcome or outcome
    return outcome


async def _tail(lines: asyncio.StreamReader) -> str:
    last: deque[str] = deque(maxlen=TAIL_LINES)
    echoed = "NARWHAL_LOG_LEVEL" in os.environ
    async for line in _bounded(lines):
        text = line.decode(errors="replace").rstrip()
        last.append(text)
        if echoed:
            sys.stderr.write(f"{text}\n")
    return "\n".join(last)


async def _bounded(lines: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The lines of a stream; one that is too long is passed over."""
    while True:
        try:
            line = await lines.readline()
        except ValueError:  # asyncio: longer than LINE_LIMIT; what was read of it is dropped
            continue
        if not line:
            return
        yield line


def _without_outcome(attempt: Attempt, code: int, tail: str, stop: Stop, out_of_memory: bool) -> WorkOutcome:
    """The outcome of a worker that said nothing: from its exit code, or from how it was killed."""
    work, number = attempt.work, attempt.number
    evidence = tail or None
    if stop.wanted.is_set():
        return local_outcome(work, Reason.CANCELLED, "Told to stop; what is stored is kept for the next run.", number)
    if code == guard.NO_SCRATCH:
        message = f"The temporary directory cannot be used: {tail}."
        return local_outcome(work, Reason.SCRATCH_FULL, message, number)
    if code in BY_CODE and code != 0:
        return local_outcome(work, BY_CODE[code], TABLE[BY_CODE[code]].meaning, number, evidence)
    if code in {128 + signal.SIGKILL, -signal.SIGKILL}:
        if out_of_memory:
            message = "The worker was killed for want of memory; close other programs and run it again."
            return local_outcome(work, Reason.OUT_OF_MEMORY, message, number)
        return local_outcome(work, Reason.POD_LOST, "The worker was killed from outside (signal 9).", number)
    message = f"The worker ended with code {code} and told no outcome; please report it with what NARWHAL_LOG_LEVEL=DEBUG shows."
    return local_outcome(work, Reason.INTERNAL_ERROR, message, number, evidence)


def _oom_kills() -> int:
    """Processes this machine's kernel has killed for want of memory since it started; 0 where it does not tell."""
    try:
        lines = _VMSTAT.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
