"""Pods that do not come to run: what the cluster says, and whether waiting for it has an end."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from narwhal_operator.core.observed import Job, Observed, Pod

STUCK: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""Reasons of a waiting container that the kubelet retries and only a person mends."""
REPLACEMENTS: Final = 6
"""Pods of one Job that may be disrupted before the attempt ends: past this it is no drain, it is the work or its
node, and the operator's own backoff must bound it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a pod does not run, in the cluster's words, and since when if that has a bound."""

    message: str
    since: datetime | None = None

    def overdue(self, now: datetime, limit: float) -> bool:
        """Whether it has lasted longer than `limit` seconds."""
        return self.since is not None and now - self.since > timedelta(seconds=limit)


def wait_of(observed: Observed, job: Job) -> Wait | None:
    """What keeps the pod of an unfinished Job from running. A cluster that is full is waited for without a bound."""
    pod = leading(observed.pods)
    if pod is None:
        since = job.started_at or job.created_at
        return Wait(observed.pod_refusal, since) if observed.pod_refusal else None
    if pod.waiting is not None and pod.waiting[0] in STUCK:
        reason, message = pod.waiting
        return Wait(f"{pod.name}: {reason}: {message}", pod.scheduled_at or pod.created_at)
    if pod.unschedulable:
        return Wait(f"{pod.name}: no node has room: {pod.unschedulable}")
    return None


def newest(pods: tuple[Pod, ...]) -> Pod | None:
    """The pod made last."""
    return max(pods, key=lambda pod: pod.created_at, default=None)


def leading(pods: tuple[Pod, ...]) -> Pod | None:
    """The pod to speak of: of several one that runs, else one that may yet; the newest of these."""
    return newest(tuple(pod for pod in pods if pod.running)) or newest(
        tuple(pod for pod in pods if pod.exit_code is None and not pod.failed) or pods
    )


def thrashes(pods: tuple[Pod, ...]) -> bool:
    """Whether the Job has replaced its pod, or that of one index, too often."""
    return max(Counter(pod.index for pod in pods if pod.failed).values(), default=0) >= REPLACEMENTS
