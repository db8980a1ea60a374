"""What a run shows: the protocol, and the JSON lines for programs."""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TextIO

from narwhal_cli.outcomes import failure_line, now, one_line
from narwhal_cli.works import Key, Library, Work
from narwhal_operator.contract.outcome import Reason, WorkOutcome
from narwhal_operator.contract.report import WorkerReport

PERIOD_SECONDS: Final = 1.0
"""Between two lines of one work in the same phase."""


class Display(Protocol):
    """What a run tells while it goes on. Called from the event loop; may not block for long."""

    def report(self, work: Work, report: WorkerReport) -> None:
        """A worker's report."""

    def note(self, work: Work, phase: str, message: str) -> None:
        """A turn of events that is no outcome: Suspended, Retrying, Waiting."""

    def outcome(self, work: Work, outcome: WorkOutcome) -> None:
        """How a work ended."""

    def library(self, library: Library, counts: Counter[str]) -> None:
        """How a MediaLibrary ended: its titles by what became of them."""

    def close(self, summary: str | None) -> None:
        """The end of the run, with a last word for people."""


class JsonLines:
    """A line a report, at a bounded rate, and one an outcome; for people only what went wrong, on standard error."""

    def __init__(self, gone: Callable[[], None], out: TextIO = sys.stdout, errors: TextIO = sys.stderr) -> None:
        self._gone = gone  # called when nobody reads the lines any more, as of `narwhal run … | head -1`
        self._out = out
        self._errors = errors
        self._told: dict[Key, tuple[str, float]] = {}
        self._planned: set[Key] = set()

    def report(self, work: Work, report: WorkerReport) -> None:
        """A line when the phase is another, or a second after the last."""
        phase, at = self._told.get(work.key, ("", 0.0))
        moment = time.monotonic()
        if report.phase == phase and moment - at < PERIOD_SECONDS:
            return
        self._told[work.key] = (report.phase, moment)
        progress = report.download or report.transcode
        fields: dict[str, Any] = {"attempt": report.attempt, "phase": report.phase}
        fields |= progress.wire() if progress else {}
        if report.plan and work.key not in self._planned:
            self._planned.add(work.key)
            fields["plan"] = report.plan.wire()
        self._write(work.key, fields)

    def note(self, work: Work, phase: str, message: str) -> None:
        """A line with a message."""
        self._write(work.key, {"phase": phase, "message": message})

    def outcome(self, work: Work, outcome: WorkOutcome) -> None:
        """The last line of a work."""
        self._write(work.key, {"outcome": outcome.wire()})
        if outcome.reason not in {Reason.COMPLETED, Reason.CANCELLED}:
            self._say(failure_line(work, outcome))

    def library(self, library: Library, counts: Counter[str]) -> None:
        """The last line of a library."""
        self._write(library.key, {"phase": library.phase(counts), "counts": dict(counts)})

    def close(self, summary: str | None) -> None:
        """The last word."""
        if summary:
            self._say(summary)

    def _say(self, text: str) -> None:
        self._errors.write(f"{one_line(text)}\n")
        self._errors.flush()

    def _write(self, key: tuple[str, str, str], fields: Mapping[str, Any]) -> None:
        kind, namespace, name = key
        line = {"time": now(), "kind": kind, "namespace": namespace, "name": name, **fields}
        try:
            self._out.write(f"{json.dumps(line, ensure_ascii=False)}\n")
            self._out.flush()
        except OSError:  # nobody reads (EPIPE), the terminal is gone (EIO), the disk is full (ENOSPC)
            # What is left to write, by Python's own flush at the end too, goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
            self._gone()


class LateBars:
    """Progress bars that are made with the first thing to show: the first worker has started long before."""

    def __init__(self) -> None:
        self._bars: Display | None = None

    def report(self, work: Work, report: WorkerReport) -> None:
        """As of a Display."""
        self._made().report(work, report)

    def note(self, work: Work, phase: str, message: str) -> None:
        """As of a Display."""
        self._made().note(work, phase, message)

    def outcome(self, work: Work, outcome: WorkOutcome) -> None:
        """As of a Display."""
        self._made().outcome(work, outcome)

    def library(self, library: Library, counts: Counter[str]) -> None:
        """As of a Display."""
        self._made().library(library, counts)

    def close(self, summary: str | None) -> None:
        """As of a Display."""
        self._made().close(summary)

    def _made(self) -> Display:
        if self._bars is None:
            from narwhal_cli.bars import Bars

            self._bars = Bars()
        return self._bars
