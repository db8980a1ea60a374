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
from narwhal_operator.queue import REPORT, WorkQueue

INTERVAL: Final = 2.0
"""Seconds between two looks at a pod, and so between two status writes for its progress; more with many pods."""
_PER_SECOND: Final = 70
"""Pods looked at in a second at most, for each costs a write: of 200 running each is looked at every 2.9 s."""
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
        self._targets: dict[str, dict[str, _Target]] = {}  # by the resource's uid and the pod's name
        self._uids: dict[Key, str] = {}
        self._reports: dict[str, dict[str, WorkerReport]] = {}  # likewise; of the parts that have ended too
        self._gate = asyncio.Semaphore(_AT_ONCE)

    def report(self, uid: str) -> WorkerReport | None:
        """The last report of a worker of this resource."""
        return next(reversed(self._reports.get(uid, {}).values()), None)

    def reports(self, uid: str) -> tuple[WorkerReport, ...]:
        """The last report of each worker of this resource."""
        return tuple(self._reports.get(uid, {}).values())

    def seen(self, observed: Observed | None, key: Key) -> None:
        """Follow the pods a pass saw running; forget those it did not, but what was said of parts that have ended."""
        attempt = None if observed is None else attempt_of(observed.resource)
        pods = () if observed is None or attempt is None else observed.pods
        found = {pod.name: pod.ip for pod in pods if pod.running and pod.ip}
        kept = {pod.name for pod in pods if pod.name in found or pod.index is not None}
        if observed is None or attempt is None or not (found or kept):
            self._forget(key)
            return
        uid = observed.resource.uid
        self._uids[key] = uid
        self._targets[uid] = {name: _Target(key, attempt, self._url(ip)) for name, ip in found.items()}
        self._reports[uid] = {name: one for name, one in self._reports.get(uid, {}).items() if name in kept}
        metrics.FOLLOWED.set(self._followed)

    def _url(self, ip: str) -> str:
        return f"http://{f'[{ip}]' if ':' in ip else ip}:{self._port}/progress"

    @property
    def _followed(self) -> int:
        return sum(len(targets) for targets in self._targets.values())

    def _forget(self, key: Key) -> None:
        uid = self._uids.pop(key, None)
        if uid is not None:
            self._targets.pop(uid, None)
            self._reports.pop(uid, None)
            metrics.FOLLOWED.set(self._followed)

    async def run(self) -> None:
        """Look at all pods, again and again."""
        while True:
            pause = max(INTERVAL, self._followed / _PER_SECOND)
            await asyncio.gather(asyncio.sleep(pause), self.look(pause))

    async def look(self, over: float = 0.0) -> None:
        """One look at all pods. A connection for each: a pod is asked every few seconds, and pods go without a word.

        `over`: seconds it is spread over, so that the passes it brings about do not wait for each other.
        """
        if not self._targets:
            return
        step = over / len(self._targets)
        connector = aiohttp.TCPConnector(limit=_AT_ONCE, force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, trust_env=False) as session:
            uids = list(self._targets)
            await asyncio.gather(*(self._look(session, uid, number * step) for number, uid in enumerate(uids)))

    async def _look(self, session: aiohttp.ClientSession, uid: str, wait: float) -> None:
        """One look at the pods of one resource: one pass for what all of them said."""
        await asyncio.sleep(wait)
        targets = dict(self._targets.get(uid, {}))
        news = await asyncio.gather(*(self._ask(session, uid, name, target) for name, target in targets.items()))
        if any(news):
            self._queue.add(next(iter(targets.values())).key, REPORT)

    async def _ask(self, session: aiohttp.ClientSession, uid: str, name: str, target: _Target) -> bool:
        async with self._gate:
            report = await _fetch(session, target.url)
        known = self._reports.get(uid, {})
        if report is None or name not in self._targets.get(uid, {}) or report == known.get(name):
            return False
        if (report.uid, report.attempt) != (uid, target.attempt):
            return False
        self._reports.setdefault(uid, {})[name] = report
        return True


async def _fetch(session: aiohttp.ClientSession, url: str) -> WorkerReport | None:
    """The report at a URL; None while the worker does not answer: its pod's end is told by Kubernetes, not by this."""
    try:
        async with session.get(url, allow_redirects=False) as answer:
            body = await answer.content.read(_LIMIT)
            return WorkerReport.from_json(body) if answer.status == 200 else None
    except (TimeoutError, aiohttp.ClientError, OSError, ValidationError) as error:
        _log.debug("no progress report", url=url, error=f"{type(error).__name__}: {error}")
        return None
