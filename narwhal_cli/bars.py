"""Progress bars for a person at a terminal. rich is imported here, once the first worker has started."""

from collections import Counter
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from narwhal_cli.outcomes import duration_text, failure_line, one_line, size_text, success_line
from narwhal_cli.works import Key, Library, Work
from narwhal_operator.contract.download import DownloadProgress
from narwhal_operator.contract.outcome import Reason, WorkOutcome
from narwhal_operator.contract.report import WorkerReport
from narwhal_operator.contract.transcode import TranscodeProgress

REFRESH: Final = 4
"""Frames a second: more would be work for nobody."""
EVIDENCE_LINES: Final = 10
"""Last lines of the program that failed, above the line that says what failed."""


class Bars:
    """A bar for each work that is going on, and a line for each that has ended."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            TextColumn("{task.fields[phase]}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[percent]:>4}", markup=False),
            TextColumn("{task.fields[facts]}", markup=False),
            refresh_per_second=REFRESH,
            transient=True,
        )
        self._errors = Console(stderr=True, soft_wrap=True)
        self._tasks: dict[Key, TaskID] = {}
        self._progress.start()

    def report(self, work: Work, report: WorkerReport) -> None:
        """Moves the work's bar."""
        progress = report.download or report.transcode
        percent = progress.percent if progress else None
        task = self._task(work)
        self._progress.update(
            task,
            total=None if progress is None or percent is None else 100,
            completed=percent or 0,
            phase=report.phase,
            percent="" if percent is None else f"{percent}%",
            facts=_facts(progress),
        )

    def note(self, work: Work, phase: str, message: str) -> None:
        """A line above the bars."""
        self._print(f"{work.title}: {phase}: {message}", "yellow")

    def outcome(self, work: Work, outcome: WorkOutcome) -> None:
        """A line in place of the bar."""
        task = self._tasks.pop(work.key, None)
        if task is not None:
            self._progress.remove_task(task)
        if outcome.reason is Reason.COMPLETED:
            self._print(success_line(work, outcome), "green")
        elif outcome.reason is not Reason.CANCELLED:
            for line in (outcome.evidence or "").splitlines()[-EVIDENCE_LINES:]:
                self._print(f"  {line}", "dim")
            self._say(failure_line(work, outcome))

    def library(self, library: Library, counts: Counter[str]) -> None:
        """A line of the titles by what became of them."""
        told = ", ".join(f"{count} {what}" for what, count in counts.items())
        self._print(f"{library.title}: {library.phase(counts)}: {told}", "bold")

    def close(self, summary: str | None) -> None:
        """Takes the bars away."""
        self._progress.stop()
        if summary:
            self._say(summary)

    def _task(self, work: Work) -> TaskID:
        if work.key not in self._tasks:
            self._tasks[work.key] = self._progress.add_task(work.title, total=None, phase="", percent="", facts="")
        return self._tasks[work.key]

    def _print(self, text: str, style: str) -> None:
        self._progress.console.print(Text(one_line(text), style=style), soft_wrap=True)

    def _say(self, text: str) -> None:
        # Through the bars' own console, which clears them first, when both are the same terminal.
        console = self._progress.console if self._errors.is_terminal else self._errors
        console.print(Text(one_line(text), style="red"), soft_wrap=True)


def _facts(progress: DownloadProgress | TranscodeProgress | None) -> str:
    facts: list[str] = []
    if isinstance(progress, DownloadProgress):
        total = f" of {size_text(progress.bytes_total)}" if progress.bytes_total else ""
        facts = [f"{size_text(progress.bytes_done)}{total}"]
        facts += [f"{size_text(progress.bytes_per_second)}/s"] if progress.bytes_per_second else []
        facts += [f"{progress.peers} peers"] if progress.peers is not None else []
    elif progress:
        facts = [f"{progress.segments_done} of {progress.segments_total} segments"] if progress.segments_total else []
        facts += [f"{progress.speed:.1f}x"] if progress.speed else []
    if progress and progress.eta_seconds is not None:
        facts.append(f"{duration_text(progress.eta_seconds)} left")
    return "  ".join(facts)
