"""Downloads as tests run them: an order in, how it ended out; in this process, or as the process it is in a cluster."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from narwhal_operator.contract.download import Artifact
from narwhal_operator.contract.order import DirectoryStore, DownloadOrder, S3Store, parse_order
from narwhal_operator.contract.outcome import Reason, WorkError, WorkOutcome
from narwhal_operator.contract.report import WorkerReport
from workers.common.context import Context
from workers.download.run import run

_TOP: Final = (
    "headers", "caBundle", "allowedNetworks", "allowedHosts", "connectionsPerHost", "proxy", "peerDiscovery", "torrentFile",
    "scratchBytes",
)  # fmt: skip
"""Fields of the order itself, not of its spec."""
LOOPBACK: Final = ("127.0.0.0/8",)


def make_order(
    urls: str | Sequence[str],
    store: DirectoryStore | S3Store,
    *,
    bucket: str = "media",
    key: str = "films/clip.bin",
    head: Mapping[str, Any] | None = None,
    **spec: Any,
) -> DownloadOrder:
    """An order to fetch the URLs into the store; `spec` has the fields of a DownloadJob, `http` those of its source."""
    http = {"urls": [urls] if isinstance(urls, str) else list(urls), **spec.pop("http", {})}
    top = {name: spec.pop(name) for name in _TOP if name in spec}
    source = spec.pop("source", {"http": http})
    text = json.dumps(
        {
            "kind": "DownloadJob",
            "head": {
                "uid": "uid-1", "namespace": "media", "name": "clip", "attempt": 1, "workDigest": "w1", **(head or {})
            },
            "spec": {"source": source, "destination": {"bucket": bucket, "key": key}, **spec},
            "destination": {"store": store.wire(), "bucket": bucket, "key": key},
            "allowedNetworks": list(LOOPBACK),
            **top,
        }
    )  # fmt: skip
    found = parse_order(text)
    assert isinstance(found, DownloadOrder)
    return found


@dataclass(frozen=True, slots=True)
class Ended:
    """How a download ended."""

    reason: Reason
    message: str
    artifact: Artifact | None
    report: WorkerReport
    evidence: str | None = None
    metrics: str = ""


async def fetch(order: DownloadOrder, scratch: Path) -> Ended:
    """Runs the order in this process."""
    first = WorkerReport(kind="DownloadJob", uid=order.head.uid, attempt=order.head.attempt, phase="Starting")
    context = Context(scratch, first)
    try:
        result = await run(order, context)
    except WorkError as error:
        text = context.metrics.text().decode()
        return Ended(error.reason, error.message, None, context.current, error.evidence, text)
    text = context.metrics.text().decode()
    return Ended(Reason.COMPLETED, result.message, result.artifact, context.current, None, text)


@dataclass(slots=True)
class Worker:
    """A worker as a process of its own."""

    order: DownloadOrder
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] = field(init=False)

    def start(self) -> "Worker":
        """Starts it."""
        path = self.directory / "order.json"
        path.write_text(json.dumps(self.order.wire()))
        argv = [
            sys.executable, "-m", "workers.download", "--order", str(path), "--report",
            "--termination-log", str(self.directory / "termination"),
        ]  # fmt: skip
        with (self.directory / "stderr").open("wb") as errors:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **self.environment},
                text=True,
            )
        return self

    def wait(self, seconds: float = 60.0) -> tuple[int, WorkOutcome | None, str]:
        """Its exit code, its outcome (None when it was killed) and all it said."""
        out, _ = self.process.communicate(timeout=seconds)
        said = out + (self.directory / "stderr").read_text()
        lines = [json.loads(line) for line in out.splitlines()]
        outcomes = [WorkOutcome.model_validate(line["outcome"]) for line in lines if "outcome" in line]
        return self.process.returncode, outcomes[0] if outcomes else None, said


async def finished(worker: Worker) -> tuple[int, WorkOutcome | None, str]:
    """As `wait`, from a test that runs an event loop."""
    return await asyncio.to_thread(worker.wait)
