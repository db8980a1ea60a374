"""The process around a worker's run: an order in, reports while it runs, one outcome and its exit code at the end."""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

from narwhal_operator.contract.model import ValidationError, mistakes
from narwhal_operator.contract.order import DownloadOrder, TranscodeOrder, parse_order
from narwhal_operator.contract.outcome import TABLE, Reason, WorkError, WorkOutcome
from narwhal_operator.contract.report import WorkerReport
from workers.common.context import Context, Kind, Result, Run, now
from workers.common.files import FULL, scratch_full
from workers.common.log import log
from workers.common.reporter import Reporter

STOP_SECONDS: Final = 0.7
"""What a run gets to tidy up after SIGTERM; the process ends within a second of it."""
ORDER_LIMIT: Final = 1024 * 1024
MESSAGE_LIMIT: Final = 1024
HEARTBEAT_SECONDS: Final = 1.0


def main(kind: Kind, run: Run) -> NoReturn:
    """Runs a worker process: parses arguments, reads the order, runs, tells the outcome, exits with its code.

    The process ends by `os._exit`: a thread that waits for a store must not hold it for its timeout.
    """
    # Until the event loop takes over, a stop ends the process at once: nothing is begun yet.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(TABLE[Reason.CANCELLED].code))
    options = _options(kind)
    reporter = Reporter() if options.report else None
    started, context = now(), None
    try:
        order = _read_order(options.order, kind)
        with _scratch(options.scratch) as scratch:
            first = WorkerReport(kind=kind, uid=order.head.uid, attempt=order.head.attempt, phase="Starting")
            context = Context(scratch, first, options.index)
            ending = _run(run, order, context, options.listen, reporter)
    except Exception as error:  # noqa: BLE001 - whatever it is, the outcome must be told
        ending = _ending_of(error)
    fields = {**_head_of(options.order), **ending}
    download = None if context is None else context.current.download
    outcome = WorkOutcome(kind=kind, started_at=started, finished_at=now(), download=download, **fields)
    _tell(outcome, options.termination_log, reporter)
    os._exit(TABLE[outcome.reason].code)


def _options(kind: Kind) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=f"Carries out the order of one {kind}.")
    parser.add_argument("--order", type=Path, required=True, help="file with the order")
    parser.add_argument("--termination-log", type=Path, help="file for the outcome: JSON, at most 4 KiB")
    parser.add_argument("--listen", metavar="HOST:PORT", help="serve /progress, /metrics and /healthz there")
    parser.add_argument("--report", action="store_true", help="JSON lines on standard output")
    parser.add_argument("--index", type=int, help="number of this pod among those of an indexed Job")
    parser.add_argument("--scratch", type=Path, help="directory for temporary files; absent: a private one")
    return parser.parse_args()


def _read_order(path: Path, kind: Kind) -> DownloadOrder | TranscodeOrder:
    try:
        with path.open("rb") as file:
            order = parse_order(file.read(ORDER_LIMIT))
    except OSError as error:
        raise WorkError(Reason.INVALID_ORDER, f"The order {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise WorkError(Reason.INVALID_ORDER, f"The order is not valid: {'; '.join(mistakes(error))}.") from None
    if order.kind != kind:
        raise WorkError(Reason.INVALID_ORDER, f"The order is of a {order.kind}; this worker runs {kind}s.")
    return order


def _head_of(path: Path) -> dict[str, Any]:
    """Whose order it is: as much as can be known, for the outcome of an order that is not valid needs it too."""
    try:
        head = json.loads(path.read_bytes()[:ORDER_LIMIT])["head"]
        return {
            "uid": str(head.get("uid", ""))[:64],
            "attempt": max(1, int(head.get("attempt", 1))),
            "work_digest": str(head.get("workDigest", ""))[:64],
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"uid": "", "attempt": 1, "work_digest": ""}


@contextmanager
def _scratch(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="narwhal-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def _run(
    run: Run, order: DownloadOrder | TranscodeOrder, context: Context, listen: str | None, reporter: Reporter | None
) -> dict[str, Any]:
    if listen:
        from workers.common.serve import serve

        serve(listen, context)
    # Neither asyncio.run nor loop.close: both wait for threads that may be waiting for a store.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(_live(run, order, context, reporter))


async def _live(
    run: Run, order: DownloadOrder | TranscodeOrder, context: Context, reporter: Reporter | None
) -> dict[str, Any]:
    """Runs until the end, a signal, the deadline or the loss of whoever reads the reports."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(run(order, context))
    why = Reason.CANCELLED

    def stop(reason: Reason = Reason.CANCELLED) -> None:
        nonlocal why
        why = why if context.cancelled.is_set() else reason
        context.cancelled.set()
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if reporter:
        reporter.start(context, lambda: loop.call_soon_threadsafe(stop))
    limit = order.spec.active_deadline_seconds
    if limit is not None and order.head.task != "Sweep":
        loop.call_later(limit, stop, Reason.DEADLINE_EXCEEDED)
    heartbeat = asyncio.create_task(_beat(context))
    stopped = asyncio.create_task(context.cancelled.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        await asyncio.wait({task}, timeout=STOP_SECONDS)
    heartbeat.cancel()
    stopped.cancel()
    return {"plan": context.current.plan, **_ending(task, why if context.cancelled.is_set() else None, limit)}


async def _beat(context: Context) -> None:
    while True:
        context.alive_at = time.monotonic()
        await asyncio.sleep(HEARTBEAT_SECONDS)


def _ending(task: "asyncio.Future[Result]", stopped: Reason | None, limit: int | None) -> dict[str, Any]:
    """How the run ended, as fields of the outcome. What fails because it is being stopped was stopped."""
    error = task.exception() if task.done() and not task.cancelled() else None
    if task.done() and not task.cancelled() and error is None:
        return {"reason": Reason.COMPLETED, **_fields(task.result())}
    if stopped is Reason.DEADLINE_EXCEEDED:
        return {"reason": stopped, "message": f"Ran longer than activeDeadlineSeconds ({limit} s); raise it."}
    if stopped or error is None:
        return {"reason": Reason.CANCELLED, "message": "Told to stop; what is stored is kept for the next run."}
    return _ending_of(error)


def _fields(result: Result) -> dict[str, Any]:
    found = {"artifact": result.artifact, "plan": result.plan, "result": result.result, "ranges": result.ranges}
    return {"message": result.message[:MESSAGE_LIMIT], **{name: value for name, value in found.items() if value}}


def _ending_of(error: BaseException) -> dict[str, Any]:
    if isinstance(error, WorkError):
        evidence = error.evidence[-MESSAGE_LIMIT:] if error.evidence else None
        return {"reason": error.reason, "message": error.message[:MESSAGE_LIMIT], "evidence": evidence}
    if isinstance(error, OSError) and error.errno in FULL:  # of a store it is classified where it is raised
        return _ending_of(scratch_full(error, error.filename or "The scratch volume"))
    if isinstance(error, MemoryError):
        return {
            "reason": Reason.OUT_OF_MEMORY,
            "message": "No memory left; raise spec.template.resources.limits.memory.",
        }
    lines = traceback.format_exception(error)
    log("error", "internal error", traceback="".join(lines)[-16384:])
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" at {Path(frame[0].filename).name}:{frame[0].lineno}" if frame else ""
    # Not the exception's own text: nobody vouches that it holds no secret.
    message = f"Narwhal broke ({type(error).__name__}{where}); please report it with the log of the worker."
    return {"reason": Reason.INTERNAL_ERROR, "message": message}


def _tell(outcome: WorkOutcome, termination_log: Path | None, reporter: Reporter | None) -> None:
    if termination_log:
        try:
            # In place, not by rename: the kubelet mounts this very file.
            termination_log.write_text(outcome.termination(), encoding="utf-8")
        except OSError as error:
            log("error", "the termination log cannot be written", path=str(termination_log), error=error.strerror)
    if reporter:
        reporter.finish(outcome)
    failed = outcome.reason not in {Reason.COMPLETED, Reason.CANCELLED}
    log("error" if failed else "info", "ended", reason=outcome.reason.value, message=outcome.message)
    sys.stderr.flush()
