"""What a decision asks for, as frozen values: actions in their order, events, one status. `kube.execute` carries it out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from narwhal_operator.contract.common import PodTemplate, Resources
from narwhal_operator.contract.order import DownloadOrder, TranscodeOrder
from narwhal_operator.core.observed import Job, Json
from narwhal_operator.core.queueing import Claim


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Create a Job for an order; that it exists already is success. A sweep outlives its resource: no owner."""

    name: str
    order: DownloadOrder | TranscodeOrder
    resources: Resources
    template: PodTemplate
    suspend: bool = False
    deadline: int | None = None  # seconds
    avoid: tuple[str, ...] = ()  # nodes it should not run on where there are others
    queue: str | None = None  # Kueue's queue name
    completions: int = 1  # over 1: an indexed Job
    parallelism: int = 1


@dataclass(frozen=True, slots=True)
class SuspendJob:
    """Set `spec.suspend` of a Job."""

    name: str
    suspend: bool


@dataclass(frozen=True, slots=True)
class QueueJob:
    """Set the label by which Kueue queues a suspended Job."""

    name: str
    queue: str


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete a Job; it stays until its pods are gone, so that no two workers write at once."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class SetFinalizer:
    """Add or remove our finalizer."""

    present: bool


@dataclass(frozen=True, slots=True)
class DeleteResource:
    """Delete the resource itself: its time to live is over."""


@dataclass(frozen=True, slots=True)
class CreateChild:
    """Create a resource of ours for a title of a library."""

    kind: str
    name: str
    spec: Json


@dataclass(frozen=True, slots=True)
class PatchChild:
    """Replace fields of a child's spec."""

    kind: str
    name: str
    spec: Json


@dataclass(frozen=True, slots=True)
class DeleteChild:
    """Delete a child whose title is gone."""

    kind: str
    name: str
    uid: str


JobAction = CreateJob | SuspendJob | QueueJob | DeleteJob
Action = JobAction | SetFinalizer | DeleteResource | CreateChild | PatchChild | DeleteChild


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes Event on the resource. `about` tells apart two of the same reason, such as the attempt's number."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in order, then the events, and last the status in one write."""

    actions: tuple[Action, ...] = ()
    status: Json | None = None  # None: leave it as it is
    events: tuple[Event, ...] = ()
    requeue_after: float | None = None  # seconds
    claim: Claim | None = None  # it wants to start and has no place


def occupies(jobs: Iterable[Job], plan: Plan) -> bool:
    """Whether a worker runs, or will by this plan: what limits are about. A Job that is being stopped still runs."""
    if any(job.attempt and not job.finished and not job.suspended for job in jobs):
        return True
    return any(
        (isinstance(action, CreateJob) and not action.suspend and action.order.head.task == "Run")
        or (isinstance(action, SuspendJob) and not action.suspend)
        for action in plan.actions
    )
