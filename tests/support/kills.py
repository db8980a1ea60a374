"""A download in a process of its own that is killed (SIGKILL) at a chosen call of its store."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from narwhal_operator.contract.order import DownloadOrder
from narwhal_operator.contract.report import WorkerReport
from workers.common.context import Context
from workers.common.store import ObjectStore, open_store
from workers.download import claim
from workers.download.run import run

MODULES: Final = ["tests.support.kills", "workers.common.s3", "workers.download.upload"]
LIMIT_SECONDS: Final = 60.0


@dataclass(slots=True)
class Deadly:
    """A store whose calls are counted and written down; before the one of that number the process is killed.

    Before one is after the one before it: so each moment between two writes comes.
    """

    store: ObjectStore
    moment: int
    journal: Path
    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The method of the store, counted."""

        def call(*args: Any, **kwargs: Any) -> Any:
            with self.lock:
                self.count += 1
                with self.journal.open("a") as file:
                    file.write(f"{name}\n")
                if self.count == self.moment:
                    os.kill(os.getpid(), signal.SIGKILL)
            return getattr(self.store, name)(*args, **kwargs)

        return call


class _Context(Context):
    moment: int
    journal: Path

    def open_store(self, order: Any) -> ObjectStore:
        return Deadly(open_store(order), self.moment, self.journal)


def killed_at(order: DownloadOrder, scratch: Path, moment: int) -> tuple[bool, list[str]]:
    """Runs the order up to the call of that number: whether it was killed there, and the names of the calls of its store."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(MODULES)
    journal = scratch / f"calls-{moment}"
    process = context.Process(target=_child, args=(order.wire(), scratch, moment, journal))
    process.start()
    process.join(LIMIT_SECONDS)
    assert process.exitcode in {0, -signal.SIGKILL}, f"call {moment}: exit code {process.exitcode}"
    return process.exitcode != 0, journal.read_text().splitlines()


def _child(wire: dict[str, Any], scratch: Path, moment: int, journal: Path) -> None:
    claim.NOTE_PARTS = 1  # type: ignore[misc]  # of this process alone: so a small file has many moments
    order = DownloadOrder.model_validate(wire)
    first = WorkerReport(kind="DownloadJob", uid=order.head.uid, attempt=order.head.attempt, phase="Starting")
    context = _Context(scratch, first)
    context.moment, context.journal = moment, journal
    asyncio.run(run(order, context))
