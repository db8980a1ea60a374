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
SILENCE: Final = timedelta(seconds=60)
"""From the wish that a pod end, and at least half of it from the end of its grace: a worker needs a second, a busy kubelet some
more. One that has not ended by then is on a node that nobody hears of, and may stay so until somebody deletes the node."""


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


def given_up_at(pod: Pod) -> datetime | None:
    """When the end of a pod that is to end is waited for no longer; None where there is nothing to wait for."""
    if pod.deleted_at is None or not _going(pod):
        return None
    return pod.deleted_at + max(SILENCE - pod.grace, SILENCE / 2)


def overdue(pods: tuple[Pod, ...], now: datetime) -> tuple[Pod, ...]:
    """The pods whose end was waited for in vain."""
    return tuple(pod for pod in pods if (end := given_up_at(pod)) is not None and end < now)


def silent(pods: tuple[Pod, ...], now: datetime) -> bool:
    """Whether there are pods that have not ended, and no end of any of them will be heard of."""
    going = sum(_going(pod) for pod in pods)
    return going > 0 and len(overdue(pods, now)) == going


def _going(pod: Pod) -> bool:
    return pod.exit_code is None and not pod.failed


def thrashes(pods: tuple[Pod, ...]) -> bool:
    """Whether the Job has replaced its pod, or that of one index, too often."""
    return max(Counter(pod.index for pod in pods if pod.failed).values(), default=0) >= REPLACEMENTS
