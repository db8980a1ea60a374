"""The JSON lines of a local run, written by a thread of their own: a slow reader never slows the work."""

import os
import sys
from collections.abc import Callable
from threading import Event, Thread
from typing import Final, TextIO

from narwhal_operator.contract.outcome import WorkOutcome
from workers.common.context import Context

PERIOD_SECONDS: Final = 0.5
LAST_SECONDS: Final = 5.0
"""How long the outcome may wait for a reader that has stopped reading."""


class Reporter:
    """Writes the context's report when it has changed, at most twice a second, and the outcome last."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._parent = os.getppid()
        self._ended = Event()
        self._thread: Thread | None = None

    def start(self, context: Context, gone: Callable[[], object]) -> None:
        """Begins; calls `gone` once, from its thread, when whoever reads the lines is no more."""
        self._thread = Thread(target=self._loop, args=(context, gone), name="reporter", daemon=True)
        self._thread.start()

    def finish(self, outcome: WorkOutcome) -> None:
        """Writes the outcome as the last line."""
        self._ended.set()
        if self._thread:
            self._thread.join(LAST_SECONDS)
        last = Thread(target=self._write, args=("outcome", outcome.to_json()))
        last.daemon = True
        last.start()
        last.join(LAST_SECONDS)

    def _loop(self, context: Context, gone: Callable[[], object]) -> None:
        told = ""
        while not self._ended.is_set():
            text = context.current.to_json()
            orphaned = os.getppid() != self._parent
            if orphaned or (text != told and not self._write("report", text)):
                gone()
                return
            told = text
            self._ended.wait(PERIOD_SECONDS)

    def _write(self, name: str, text: str) -> bool:
        try:
            self._out.write(f'{{"{name}": {text}}}\n')
            self._out.flush()
        except (BrokenPipeError, ValueError):  # ValueError: closed
            return False
        return True
