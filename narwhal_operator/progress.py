"""Pulls `/progress` of running worker pods and keeps the last report of each. A report is shown, never decided from."""

import asyncio
from dataclasses import dataclass
from typing import Final

import aiohttp
import structlog
from pydantic import ValidationError

from narwhal_operator import metrics
from narwhal_operator.contract.order import PROGRESS_PORT
from narwhal_operator.contract.report import WorkerReport
from narwhal_operator.core.history import attempt_of
from narwhal_operator.core.observed import Key, Observed
from narwhal_operator.core.pods import newest
from narwhal_operator.queue import WorkQueue

INTERVAL: Final = 2.0
"""Seconds between two looks at a pod, and so between two status writes for its progress; more with many pods."""
_PER_SECOND: Final = 50
"""Pods looked at in a second at most: what a pass for each costs bounds it."""
_AT_ONCE: Final = 16
_TIMEOUT: Final = aiohttp.ClientTimeout(total=2.0)
_LIMIT: Final = 65_536
"""Bytes of a report; a larger one is none of ours."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Target:
    key: Key
    attempt: int
    url: str


class Progress:
    """The running worker pods and what they said last."""

    def __init__(self, queue: WorkQueue, port: int = PROGRESS_PORT) -> None:
        self._queue = queue
        self._port = port
        self._targets: dict[str, _Target] = {}  # by the resource's uid
        self._uids: dict[Key, str] = {}
        self._reports: dict[str, WorkerReport] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)

    def report(self, uid: str) -> WorkerReport | None:
        """The last report of the worker of this resource."""
        return self._reports.get(uid)

    def seen(self, observed: Observed | None, key: Key) -> None:
        """Follow the pod a pass saw running; forget the one it did not."""
        pod = None if observed is None else newest(observed.pods)
        attempt = None if observed is None else attempt_of(observed.resource)
        if observed is None or pod is None or not pod.running or not pod.ip or attempt is None:
            self._forget(key)
            return
        host = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
        uid = observed.resource.uid
        self._uids[key] = uid
        self._targets[uid] = _Target(key, attempt, f"http://{host}:{self._port}/progress")
        metrics.FOLLOWED.set(len(self._targets))

    def _forget(self, key: Key) -> None:
        uid = self._uids.pop(key, None)
        if uid is not None:
            self._targets.pop(uid, None)
            self._reports.pop(uid, None)
            metrics.FOLLOWED.set(len(self._targets))

    async def run(self) -> None:
        """Look at all pods, again and again."""
        while True:
            pause = max(INTERVAL, len(self._targets) / _PER_SECOND)
            await asyncio.gather(asyncio.sleep(pause), self.look())

    async def look(self) -> None:
        """One look at all pods. A connection for each: a pod is asked every few seconds, and pods go without a word."""
        if not self._targets:
            return
        connector = aiohttp.TCPConnector(limit=_AT_ONCE, force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, trust_env=False) as session:
            await asyncio.gather(*(self._look(session, uid) for uid in list(self._targets)))

    async def _look(self, session: aiohttp.ClientSession, uid: str) -> None:
        async with self._gate:
            target = self._targets.get(uid)
            report = None if target is None else await _fetch(session, target.url)
        if target is None or report is None or uid not in self._targets:
            return
        if (report.uid, report.attempt) == (uid, target.attempt) and report != self._reports.get(uid):
            self._reports[uid] = report
            self._queue.add(target.key)


async def _fetch(session: aiohttp.ClientSession, url: str) -> WorkerReport | None:
    """The report at a URL; None while the worker does not answer: its pod's end is told by Kubernetes, not by this."""
    try:
        async with session.get(url, allow_redirects=False) as answer:
            body = await answer.content.read(_LIMIT)
            return WorkerReport.model_validate_json(body) if answer.status == 200 else None
    except (TimeoutError, aiohttp.ClientError, OSError, ValidationError) as error:
        _log.debug("no progress report", url=url, error=f"{type(error).__name__}: {error}")
        return None
