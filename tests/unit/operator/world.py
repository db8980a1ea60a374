"""A small world around the fake API server: a clock, the Job controller with a kubelet, the garbage collector.

The operator in it is the real one: observe, decide and execute of `Reconciler.once`. It can be killed at any write and
started again with an empty memory, as a pod is.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from narwhal_operator.admission import Admission
from narwhal_operator.contract.outcome import TABLE, Reason, WorkOutcome
from narwhal_operator.core import labels
from narwhal_operator.core.observed import Json, Key
from narwhal_operator.core.policy import Policy
from narwhal_operator.core.queueing import Limits
from narwhal_operator.core.text import moment_of, rfc3339
from narwhal_operator.hints import Hints
from narwhal_operator.kube.errors import ApiError
from narwhal_operator.kube.fake import FakeApi
from narwhal_operator.kube.observe import Memory
from narwhal_operator.kube.paths import PLURALS, collection, named
from narwhal_operator.queue import WorkQueue
from narwhal_operator.reconcile import Reconciler
from narwhal_operator.resync import Resync
from tests.unit.operator import build as b

BUSY: Final = timedelta(seconds=2)
IDLE: Final = timedelta(seconds=30)
"""How far the clock goes in a step in which something changed, and in one in which nothing did."""
REST: Final = 6
"""Idle steps after which all is at rest: together longer than any wait of a scenario."""
STEPS: Final = 200

Work = Callable[[Json], Reason | None]
"""How the pod of an order ends; None: it goes on running."""


class Killed(BaseException):
    """The operator died here."""


def completes(_order: Json) -> Reason | None:
    """Every worker does its work."""
    return Reason.COMPLETED


@dataclass
class World:
    """Everything there is."""

    work: Work = completes
    now: datetime = b.NOW
    api: FakeApi = field(init=False)
    operator: Reconciler = field(init=False)
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=lambda: Policy(backoff_scale=0.5))

    def __post_init__(self) -> None:
        """An empty API server and an operator that has not looked at it."""
        self.api = FakeApi(clock=lambda: self.now)
        self.hints = Hints()

    async def add(self, kind: str, name: str, spec: Json, **meta: Any) -> None:
        """What `kubectl apply` does."""
        body = {"apiVersion": "narwhal.dev/v1alpha1", "kind": kind, "spec": spec}
        body["metadata"] = {"name": name, "namespace": "media"} | meta
        hooks = self.api.before, self.api.after
        self.api.before = self.api.after = _quiet
        await self.api.create(collection(kind, "media"), body)
        self.api.writes.pop()
        self.api.before, self.api.after = hooks

    async def start(self) -> None:
        """A new operator: its memory is what its first look finds."""
        queue = WorkQueue()
        self.hints = Hints()
        admission = Admission(self.limits, queue)
        await Resync(self.api, queue, self.hints, (), 600, admission).once()
        memory = Memory(jobs=self.hints.jobs)
        self.operator = Reconciler(self.api, queue, self.policy, memory, lambda: self.now, admission)

    async def pass_over_all(self) -> None:
        """One pass for each resource there is, then the events the passes made."""
        for kind in PLURALS:
            for obj in self.api.of_kind(kind):
                key = Key(kind, "media", obj["metadata"]["name"])
                try:
                    await self.operator.once(key)
                except ApiError:
                    continue  # the real loop queues the key again; so does the next step here
        for job in self.api.of_kind("Job"):
            list(self.hints.job(job))

    async def settle(self) -> None:
        """Let time go by until nothing changes any more; an operator that is killed is started again."""
        await self.start()
        idle = 0
        for _ in range(STEPS):
            before = self.api.version
            try:
                await self.pass_over_all()
            except Killed:
                await self.start()
                continue
            self.controllers()
            self.api.collect()
            changed = self.api.version != before
            idle = 0 if changed else idle + 1
            self.now += BUSY if changed else IDLE
            if idle > REST:
                return
        raise AssertionError(f"not at rest after {STEPS} steps")

    def controllers(self) -> None:
        """What Job controller, scheduler and kubelet do in one step."""
        for path, job in list(self.api.objects.items()):
            if job.get("kind") == "Job":
                self._job(path, job)

    def _job(self, path: str, job: Json) -> None:
        name, status = job["metadata"]["name"], job.get("status", {})
        pods = [p for p in self.api.of_kind("Pod") if p["metadata"]["labels"][labels.JOB_NAME] == name]
        if status.get("conditions") or "deletionTimestamp" in job["metadata"]:
            self._expire(path, job)
            return
        if job["spec"]["suspend"]:
            for pod in pods:
                self._remove(pod)
            return
        if not pods:
            self._pod(job)
            return
        order = json.loads(job["spec"]["template"]["metadata"]["annotations"][labels.ORDER])
        reason = self.work(order)
        if reason is not None:
            self._end(path, pods[0], order, reason)

    def _expire(self, path: str, job: Json) -> None:
        """The TTL controller, for Jobs that nobody owns: what it does to the others changes no end."""
        ended = moment_of(job.get("status", {}).get("completionTime"))
        ttl = timedelta(seconds=job["spec"]["ttlSecondsAfterFinished"])
        if "ownerReferences" not in job["metadata"] and ended is not None and self.now - ended > ttl:
            self.api.objects.pop(path)
            self.api.version += 1

    def _pod(self, job: Json) -> None:
        meta = job["spec"]["template"]["metadata"]
        name = f"{job['metadata']['name']}-pod"
        owner = {
            "kind": "Job",
            "name": job["metadata"]["name"],
            "uid": job["metadata"]["uid"],
            "blockOwnerDeletion": True,
        }
        marks = meta["labels"] | {labels.JOB_NAME: job["metadata"]["name"]}
        if job["spec"].get("completionMode") == "Indexed":
            marks |= {labels.INDEX: "0"}  # one pod stands for all parts: which of them ends how is the table's matter
        self.api.version += 1
        self.api.objects[named("Pod", "media", name)] = {
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": "media",
                "uid": f"uid-of-{name}",
                "resourceVersion": "1",
                "creationTimestamp": rfc3339(self.now),
                "labels": marks,
                "ownerReferences": [owner],
            },
            "spec": {"nodeName": "n1"},
            "status": {
                "phase": "Running",
                "containerStatuses": [{"state": {"running": {"startedAt": rfc3339(self.now)}}}],
            },
        }

    def _end(self, path: str, pod: Json, order: Json, reason: Reason) -> None:
        code = TABLE[reason].code
        ended = {"exitCode": code, "finishedAt": rfc3339(self.now), "message": outcome_of(order, reason)}
        good = reason is Reason.COMPLETED
        phase = "Succeeded" if good else "Failed"
        self.api.set(
            named("Pod", "media", pod["metadata"]["name"]),
            {"status": {"phase": phase, "containerStatuses": [{"state": {"terminated": ended}}]}},
        )
        kind = {"type": "Complete"} if good else {"type": "Failed", "reason": "PodFailurePolicy"}
        self.api.set(path, {"status": {"conditions": [kind | {"status": "True"}], "completionTime": rfc3339(self.now)}})

    def _remove(self, pod: Json) -> None:
        self.api.version += 1
        del self.api.objects[named("Pod", "media", pod["metadata"]["name"])]


def outcome_of(order: Json, reason: Reason) -> str:
    """The termination message of the worker of an order."""
    head, good = order["head"], reason is Reason.COMPLETED
    made: Json = {
        "kind": order["kind"],
        "uid": head["uid"],
        "attempt": head["attempt"],
        "workDigest": head["workDigest"],
        "reason": reason.value,
        "message": TABLE[reason].meaning,
        "startedAt": "2026-01-01T11:59:00Z",
        "finishedAt": "2026-01-01T12:00:00Z",
    }
    if good and head["task"] == "Plan":
        made["ranges"] = 3
    if good and head["task"] in {"Run", "Finish"}:
        made |= {"artifact": b.ARTIFACT} if order["kind"] == "DownloadJob" else {"result": b.RESULT}
    return WorkOutcome.from_wire(made).termination()


def _quiet(_number: int, _verb: str, _path: str) -> None:
    return
