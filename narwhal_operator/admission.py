"""The line of core.queueing around decisions: who may not start yet is decided again with its place in the line.

In the memory of the operator that leads, made anew at its start from the Jobs that run and the resources that wait.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from narwhal_operator import metrics
from narwhal_operator.contract import conditions as c
from narwhal_operator.contract.download import KIND as DOWNLOAD
from narwhal_operator.contract.transcode import KIND as TRANSCODE
from narwhal_operator.core import labels
from narwhal_operator.core.decide import DECIDE
from narwhal_operator.core.observed import Json, Key, Observed
from narwhal_operator.core.parse import job_of, resource_of
from narwhal_operator.core.plan import Plan, occupies
from narwhal_operator.core.queueing import Claim, Limits, Line
from narwhal_operator.queue import WorkQueue

_KINDS: Final = frozenset({DOWNLOAD, TRANSCODE})


class Admission:
    """Decisions under limits; without limits, decisions."""

    def __init__(self, limits: Limits, queue: WorkQueue) -> None:
        self._line = Line(limits) if limits.any else None
        self._queue = queue
        self._recalled: dict[Key, Claim] = {}

    def decided(self, observed: Observed, now: datetime) -> Plan:
        """The plan for what is seen."""
        key, decide = observed.resource.key, DECIDE[observed.resource.key.kind]
        line = self._line
        if line is None or key.kind not in _KINDS or labels.QUEUE in observed.resource.labels:
            return decide(observed, now)
        plan = decide(replace(observed, turn=line.turn(key)), now)
        if plan.claim is not None:
            self._wake(line.want(key, plan.claim), key)
            return decide(replace(observed, turn=line.turn(key)), now)
        if occupies(observed.jobs, plan):
            line.hold(key)
        else:
            self._wake(line.let_go(key), key)
        return plan

    def gone(self, key: Key) -> None:
        """A resource is there no more."""
        if self._line is not None and key.kind in _KINDS:
            self._wake(self._line.let_go(key), key)

    def recall_job(self, raw: Json) -> None:
        """A Job of the first look: its resource has a place, if it runs."""
        job, owner = job_of(raw), labels.owner_of(raw)
        queued = labels.QUEUE in (raw["metadata"].get("labels") or {})
        running = job.attempt and not job.finished and not job.suspended
        if self._line is not None and owner is not None and running and not queued:
            self._line.hold(Key(*owner))

    def recall(self, raw: Json) -> None:
        """A resource of the first look: it waits, if its status says so."""
        resource = resource_of(raw)
        if (resource.condition(c.READY) or {}).get("reason") == c.QUEUED and resource.deleted_at is None:
            priority = resource.spec.get("priority")
            since = resource.created_at.timestamp()
            self._recalled[resource.key] = Claim(priority if isinstance(priority, int) else 0, since)

    def recalled(self) -> None:
        """The first look is done: those that wait stand in line together. Passes of theirs come, granted or not."""
        if self._line is not None:
            self._line.enter(self._recalled)
        self._recalled = {}

    def _wake(self, granted: Iterable[Key], key: Key) -> None:
        """Those whose turn has come start in passes of their own."""
        for other in granted:
            if other != key:
                self._queue.add(other)
        if self._line is not None:
            metrics.RUNNING.set(self._line.running)
            metrics.WAITING.set(self._line.waiting)
