"""What one pass sees, as frozen values: the resource, its Jobs and pods, what it depends on. Made by `kube.observe`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from narwhal_operator.contract.report import WorkerReport
from narwhal_operator.core.key import Key
from narwhal_operator.core.policy import Policy
from narwhal_operator.core.queueing import Turn

__all__ = ["Job", "Json", "Key", "Observed", "Pod", "Refusal", "RefusalKind", "Resource"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One of our custom resources."""

    key: Key
    uid: str
    generation: int
    version: str  # metadata.resourceVersion
    created_at: datetime
    deleted_at: datetime | None
    labels: Mapping[str, str]
    finalizers: tuple[str, ...]
    spec: Json
    status: Json
    retry: str | None = None  # the annotation: when the failure that is to be tried again ended

    def condition(self, name: str) -> Json | None:
        """The condition of this type in the status, if it has one."""
        conditions = self.status.get("conditions")
        found = [c for c in conditions if isinstance(c, dict)] if isinstance(conditions, list) else []
        return next((c for c in found if c.get("type") == name), None)

    def holds(self, name: str) -> bool:
        """Whether the condition of this type is True."""
        return (self.condition(name) or {}).get("status") == "True"

    @property
    def asked_again(self) -> bool:
        """Whether its user wants the very failure it shows tried again: by the moment it ended, so once for each."""
        return self.retry is not None and self.retry == self.status.get("finishedAt") and self.holds("Failed")


@dataclass(frozen=True, slots=True)
class Job:
    """A batch/v1 Job of ours."""

    name: str
    uid: str
    attempt: int  # 0: a sweep
    created_at: datetime
    suspended: bool
    deleting: bool
    complete: bool
    failed: str | None  # reason of its condition Failed
    started_at: datetime | None = None  # when it last began or was resumed
    message: str = ""
    queue: str | None = None  # Kueue's: its spec.suspend is Kueue's then, whoever gave it the label
    completed: int = 0
    """Pods that have succeeded; of an indexed Job: indexes."""
    failing: str | None = None
    """Reason of its condition FailureTarget: it will fail once the last of its pods is known to have ended."""
    left: "tuple[Pod, ...] | None" = None
    """Its pods, where it is being deleted and they were looked at."""

    @property
    def finished(self) -> bool:
        """Whether no pod of it will run again."""
        return self.complete or self.failed is not None


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of a Job of ours, reduced to its one container."""

    name: str
    created_at: datetime
    scheduled_at: datetime | None = None
    node: str | None = None
    ip: str | None = None
    running: bool = False
    failed: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    out_of_memory: bool = False
    termination: str = ""
    waiting: tuple[str, str] | None = None  # reason and message of a container that does not start
    unschedulable: str | None = None
    overfilled: str = ""
    """What the kubelet says where it evicted the pod for its own use of disk, beyond a limit of its own."""
    index: str | None = None  # of an indexed Job
    deleted_at: datetime | None = None
    """metadata.deletionTimestamp: when its grace is over, for it is being deleted."""
    grace: timedelta = timedelta(0)
    """Of that deletion."""


class RefusalKind(StrEnum):
    """Why the API server does not take what a plan asks for."""

    INVALID = "Invalid"  # 422: it never will
    FORBIDDEN = "Forbidden"  # 403: quota, admission, a policy
    TERMINATING = "Terminating"  # 403: the namespace is going
    NAME_TAKEN = "NameTaken"  # 409: an object of this name that is not ours


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the API server said no to, in its own words."""

    kind: RefusalKind
    message: str


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision rests on, read live at one moment."""

    resource: Resource
    policy: Policy = field(default_factory=Policy)
    jobs: tuple[Job, ...] = ()
    pods: tuple[Pod, ...] = ()  # of the Job of the open attempt
    pod_refusal: str | None = None  # what the Job controller says when it cannot create a pod
    report: WorkerReport | None = None
    reports: tuple[WorkerReport, ...] = ()  # of all pods, where there are several
    download: Resource | None = None  # the DownloadJob a TranscodingJob takes its input from
    children: tuple[Resource, ...] = ()  # of a MediaLibrary
    turn: Turn | None = None  # in the line of those that want to start; None: there are no limits
    refusal: Refusal | None = None  # of this pass's first try

    def job(self, name: str) -> Job | None:
        """The Job of this name, if it exists."""
        return next((job for job in self.jobs if job.name == name), None)
