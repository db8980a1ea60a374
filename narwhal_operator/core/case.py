"""What the rules of the two job kinds share: the case a check looks at, and the rules of a kind as a value."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from narwhal_operator.contract import naming
from narwhal_operator.contract.common import JobStatus, Stage, Suspendable
from narwhal_operator.contract.order import DownloadOrder, OrderHead, S3Store, TranscodeOrder
from narwhal_operator.core.history import History
from narwhal_operator.core.observed import Job, Json, Observed
from narwhal_operator.core.pods import silent
from narwhal_operator.core.policy import Policy, WorkerPolicy
from narwhal_operator.core.summary import Verdict

SpecT = TypeVar("SpecT", bound=Suspendable)
StatusT = TypeVar("StatusT", bound=JobStatus)


@dataclass(frozen=True, slots=True)
class Case(Generic[SpecT, StatusT]):
    """One resource at one moment, its spec understood."""

    observed: Observed
    now: datetime
    spec: SpecT
    before: StatusT  # the status as it is; of other work: empty
    history: History
    first: Stage | None = None  # the stage an attempt begins with, where it has several

    @property
    def stage(self) -> Stage | None:
        """Of the attempt that is open or would be next."""
        return self.history.open.stage if self.history.open is not None else self.first

    @property
    def job_name(self) -> str:
        """The name of the Job of the attempt that is open or would be next."""
        if self.history.open is not None:
            return self.history.open.job
        resource = self.observed.resource
        return naming.job_name(resource.key.name, resource.uid, self.history.digest, self.history.number, self.first)

    @property
    def job(self) -> Job | None:
        """That Job, if it exists."""
        return self.observed.job(self.job_name)

    @property
    def leftovers(self) -> tuple[Job, ...]:
        """Jobs of earlier attempts or other work that still run.

        Not one that is being deleted and has pods only that nobody hears of: should they work on, cut off, they find a later
        attempt's claim in the store and stop (ADR 0028).
        """
        others = [job for job in self.observed.jobs if not job.finished and job.name != self.job_name]
        return tuple(job for job in others if not (job.deleting and silent(job.left or (), self.now)))

    def head(self, attempt: int | None = None) -> OrderHead:
        """Whose order it is; attempt None: a sweep."""
        resource = self.observed.resource
        return OrderHead(
            uid=resource.uid,
            namespace=resource.key.namespace,
            name=resource.key.name,
            attempt=attempt or max(1, self.history.number),
            work_digest=self.history.digest,
            task="Sweep" if attempt is None else self.stage or "Run",
        )


@dataclass(frozen=True, slots=True)
class Rules(Generic[SpecT, StatusT]):
    """What is different between the kinds that run Jobs."""

    spec: type[SpecT]
    status: type[StatusT]
    blocked: Callable[[Case[SpecT, StatusT]], Verdict | None]
    """What must be there before an order can be made."""
    order: Callable[[Case[SpecT, StatusT], OrderHead], DownloadOrder | TranscodeOrder]
    worker: Callable[[SpecT, Policy], WorkerPolicy]
    """The admin's word on the pods of this spec."""
    facts: Callable[[Case[SpecT, StatusT], Verdict], Json]
    """The kind's own fields of the status, by their names in the model."""
    first: Callable[[SpecT], Stage | None] = lambda _spec: None
    """The stage an attempt begins with; None: its one Job does all."""


def work_of(spec: Suspendable) -> str:
    """The digest of what a spec asks to be made. Defaults are left out: a new field in a newer schema changes nothing."""
    fields = spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    return naming.work_digest(fields)


def fault_of(error: ValidationError) -> str:
    """What is wrong with a spec, as its user names the fields; three faults at most."""
    faults = [f"{_path(fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}" for fault in error.errors()[:3]]
    return "; ".join(faults) + ". Correct it and apply again."


def _path(location: tuple[int | str, ...]) -> str:
    path = "spec"
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path


def s3_store(mount: str, secret: str) -> S3Store:
    """The store whose Secret is mounted there."""
    return S3Store(credentials=mount, secret=secret)


def secret_of(ref: Any, policy: Policy) -> str:
    """The Secret a storageRef names, or the operator's default."""
    return ref.name if ref is not None else policy.storage_secret
