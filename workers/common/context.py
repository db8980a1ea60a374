"""What a worker's run is given: where to work, whom to tell, when to stop, how to reach a store."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from narwhal_operator.contract.download import Artifact, DownloadProgress
from narwhal_operator.contract.order import DirectoryStore, S3Store
from narwhal_operator.contract.report import RangeReport, WorkerReport
from narwhal_operator.contract.transcode import TranscodePlan, TranscodeProgress, TranscodeResult
from workers.common.metrics import Metrics
from workers.common.store import ObjectStore, open_store

Kind = Literal["DownloadJob", "TranscodingJob"]


class Result(msgspec.Struct, frozen=True):
    """What a run that succeeded leaves: the worker's own part of the outcome."""

    message: str = ""
    artifact: Artifact | None = None
    plan: TranscodePlan | None = None
    result: TranscodeResult | None = None
    ranges: int | None = None
    """Parts a transcode was divided into; the work goes on with them."""


@dataclass(slots=True)
class Context:
    """The surroundings of one run. For the event loop, but `metrics` and `current`."""

    scratch: Path
    current: WorkerReport
    index: int | None = None
    """Number of the pod among those of an indexed Job."""
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    metrics: Metrics = field(default_factory=Metrics)
    alive_at: float = field(default_factory=time.monotonic)
    _stores: dict[S3Store | DirectoryStore, ObjectStore] = field(default_factory=dict)

    def report(
        self,
        *,
        phase: str | None = None,
        download: DownloadProgress | None = None,
        transcode: TranscodeProgress | None = None,
        plan: TranscodePlan | None = None,
        part: RangeReport | None = None,
    ) -> None:
        """Replaces the given pieces of the current report; others stay."""
        given = {"phase": phase, "download": download, "transcode": transcode, "plan": plan, "part": part}
        changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        self.current = self.current.model_copy(update=changed)

    def open_store(self, order: S3Store | DirectoryStore) -> ObjectStore:
        """The store of an order, opened once. Raises WorkError(SecretNotFound | SecretInvalid)."""
        if order not in self._stores:
            self._stores[order] = open_store(order)
        return self._stores[order]


Run = Callable[[Any, Context], Awaitable[Result]]
"""A worker's run of its kind of order: raises WorkError to end with a reason; is cancelled (asyncio.CancelledError) to stop."""


def now() -> str:
    """The time as RFC 3339 with milliseconds, in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
