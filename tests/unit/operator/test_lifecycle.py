"""What is decided about a resource that runs Jobs: every state with every thing that can happen in it.

A row is a sentence, what is seen, and what must follow: actions, the reason of Ready, the True conditions, the phase.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from narwhal_operator.contract.outcome import Reason
from narwhal_operator.core import download
from narwhal_operator.core.observed import Observed, Refusal, RefusalKind
from tests.unit.operator import build as b
from tests.unit.operator.views import JOB, KIND, MINE, OFF, SPEC, C, F, R, S, ended, running, seen, told


@dataclass(frozen=True)
class Row:
    """What is seen and what must follow."""

    seen: Observed
    actions: list[str]
    reason: str
    true: set[str]
    phase: str


WAITS_10S = {"retryAt": "2026-01-01T12:00:10Z", "failures": 1}
LOST = b.attempt(
    KIND, SPEC, reason="StoreUnreachable", counted=True, message="no answer", finishedAt="2026-01-01T12:00:00Z"
)
DONE = b.status(KIND, SPEC, b.attempt(KIND, SPEC, reason="Completed")) | {
    "conditions": [b.true("Complete", "Completed"), b.true("Ready", "Completed")],
    "phase": "Complete",
    "finishedAt": "2026-01-01T11:59:00Z",
    "observedGeneration": 1,
}
OTHER = b.download_spec(maxBytes=5)
GOES = b.download_spec(deletionPolicy="Delete")
QUEUED = {"labels": {"kueue.x-k8s.io/queue-name": "q"}}

ROWS = {
    "a new resource gets its finalizer and its Job": Row(
        seen(), ["finalizer on", f"create {JOB}"], "Starting", R, "Starting"
    ),
    "a new suspended resource gets a suspended Job and no finalizer": Row(
        seen(OFF), [f"create {JOB} suspended"], "Suspended", S, "Suspended"
    ),
    "a Job that was created before the operator died is found again": Row(
        seen(jobs=(b.job(JOB),)), ["finalizer on"], "Starting", R, "Starting"
    ),
    "a Job that also ended before the operator was back is not judged before its pods are looked at": Row(
        seen(jobs=(b.job(JOB, complete=True),)), ["finalizer on"], "Starting", R, "Starting"
    ),
    "a Job without a pod is starting": Row(running(jobs=(b.job(JOB),)), [], "Starting", R, "Starting"),
    "a pod that runs is progress": Row(
        running(jobs=(b.job(JOB),), pods=(b.pod(running=True),)), [], "Progressing", R, "Starting"
    ),
    "a pod that ended before its Job says so stays in its last phase": Row(
        seen(
            SPEC,
            b.status(KIND, SPEC, b.attempt(KIND, SPEC), phase="Verifying"),
            {"finalizers": [MINE]},
            jobs=(b.job(JOB),),
            pods=(b.ended_pod("", 0),),
        ),
        [],
        "Progressing",
        R,
        "Verifying",
    ),
    "suspend stops the Job and keeps it": Row(
        running(OFF, jobs=(b.job(JOB),)), [f"suspend {JOB}"], "Suspended", S, "Suspended"
    ),
    "a suspended Job is left alone while suspend stays": Row(
        running(OFF, jobs=(b.job(JOB, suspended=True),)), [], "Suspended", S, "Suspended"
    ),
    "resuming sets the finalizer before the Job runs": Row(
        seen(SPEC, b.status(KIND, SPEC, b.attempt(KIND, SPEC)), jobs=(b.job(JOB, suspended=True),)),
        ["finalizer on", f"resume {JOB}"],
        "Starting",
        R,
        "Starting",
    ),
    "a completed worker completes the resource": Row(
        ended(Reason.COMPLETED), ["finalizer off"], "Completed", C, "Complete"
    ),
    "a terminal reason fails at once": Row(
        ended(Reason.SOURCE_NOT_FOUND), ["finalizer off"], "SourceNotFound", F, "Failed"
    ),
    "a reason that may pass waits for its retry": Row(
        ended(Reason.STORE_UNREACHABLE), [], "StoreUnreachable", R, "Pending"
    ),
    "the last retry used up is Failed with the last reason": Row(
        ended(Reason.STORE_UNREACHABLE, b.download_spec(backoffLimit=0)),
        ["finalizer off"],
        "StoreUnreachable",
        F,
        "Failed",
    ),
    "a disruption does not count even without retries": Row(
        ended(Reason.CANCELLED, b.download_spec(backoffLimit=0)), [], "Cancelled", R, "Pending"
    ),
    "a Job that was deleted by hand is an attempt lost": Row(running(), [], "PodLost", R, "Pending"),
    "a waiting retry waits": Row(
        seen(SPEC, b.status(KIND, SPEC, LOST, **WAITS_10S), {"finalizers": [MINE]}),
        [],
        "StoreUnreachable",
        R,
        "Pending",
    ),
    "a retry whose time has come starts the next attempt": Row(
        seen(SPEC, b.status(KIND, SPEC, LOST, failures=1, retryAt="2026-01-01T11:59:59Z"), {"finalizers": [MINE]}),
        [f"create {b.job_name(KIND, SPEC, 2)}"],
        "Starting",
        R,
        "Starting",
    ),
    "suspended while a retry waits it has no Job": Row(
        seen(OFF, b.status(KIND, SPEC, LOST, **WAITS_10S)), [], "Suspended", S, "Suspended"
    ),
    "Complete is final though its Job is gone": Row(seen(SPEC, DONE), [], "Completed", C, "Complete"),
    "Complete stays Complete when suspended": Row(seen(OFF, DONE), [], "Completed", C, "Complete"),
    "what still runs after the end is stopped": Row(
        seen(SPEC, DONE, jobs=(b.job("stray"),)), ["delete stray"], "Completed", C, "Complete"
    ),
    "with Delete the end keeps the finalizer": Row(ended(Reason.COMPLETED, GOES), [], "Completed", C, "Complete"),
    "Delete that is said after the end sets the finalizer": Row(
        seen(GOES, DONE), ["finalizer on"], "Completed", C, "Complete"
    ),
    "Retain that is said after the end takes it away": Row(
        seen(SPEC, DONE, {"finalizers": [MINE]}), ["finalizer off"], "Completed", C, "Complete"
    ),
    "other work after the end starts anew": Row(
        seen(OTHER, DONE), ["finalizer on", f"create {b.job_name(KIND, OTHER)}"], "Starting", R, "Starting"
    ),
    "other work while a worker runs stops that one first": Row(
        replace(
            running(jobs=(b.job(JOB),)), resource=b.resource(KIND, OTHER, b.status(KIND, SPEC, b.attempt(KIND, SPEC)))
        ),
        [f"delete {JOB}"],
        "Restarting",
        R,
        "Pending",
    ),
    "other work waits while the earlier worker is on its way out": Row(
        replace(
            running(jobs=(b.job(JOB, deleting=True),)),
            resource=b.resource(KIND, OTHER, b.status(KIND, SPEC, b.attempt(KIND, SPEC))),
        ),
        [],
        "Restarting",
        R,
        "Pending",
    ),
    "a spec that is not understood fails and names the field": Row(
        seen(b.download_spec(stallTimeout="soon")), [], "InvalidOrder", F, "Failed"
    ),
    "a spec made invalid in mid-run stops the worker": Row(
        replace(running(jobs=(b.job(JOB),)), resource=b.resource(KIND, SPEC | {"x": 1}, finalizers=[MINE])),
        [f"delete {JOB}", "finalizer off"],
        "InvalidOrder",
        F,
        "Failed",
    ),
    "an image that cannot be pulled is shown and waited for": Row(
        running(jobs=(b.job(JOB),), pods=(b.pod(waiting=("ErrImagePull", "not found")),)),
        [],
        "PodRefused",
        R,
        "Starting",
    ),
    "an image that cannot be pulled for long is Failed": Row(
        running(
            jobs=(b.job(JOB),),
            pods=(b.pod(waiting=("ErrImagePull", "x"), created_at=b.NOW - timedelta(minutes=11)),),
        ),
        ["finalizer off"],
        "PodRefused",
        F,
        "Failed",
    ),
    "a full cluster is waited for without an end": Row(
        running(
            jobs=(b.job(JOB),),
            pods=(b.pod(unschedulable="0/1 nodes", created_at=b.NOW - timedelta(days=1)),),
        ),
        [],
        "PodRefused",
        R,
        "Starting",
    ),
    "a quota that forbids the pod is shown": Row(
        running(jobs=(b.job(JOB),), pod_refusal="exceeded quota: small"), [], "PodRefused", R, "Starting"
    ),
    "a Job that loses pod after pod is given up as lost": Row(
        running(jobs=(b.job(JOB),), pods=tuple(b.pod(name=f"p{n}", failed=True, exit_code=10) for n in range(6))),
        [],
        "PodLost",
        R,
        "Pending",
    ),
    "the Job of a lost attempt is stopped before the next one": Row(
        seen(SPEC, b.status(KIND, SPEC, LOST, **WAITS_10S), jobs=(b.job(JOB),)),
        [f"delete {JOB}"],
        "Restarting",
        R,
        "Pending",
    ),
    "a Job the API server finds invalid fails the resource": Row(
        seen(refusal=Refusal(RefusalKind.INVALID, "bad label")), [], "InvalidOrder", F, "Failed"
    ),
    "a Job that a quota forbids is tried again": Row(
        seen(refusal=Refusal(RefusalKind.FORBIDDEN, "count/jobs.batch")), [], "PodRefused", R, "Pending"
    ),
    "Kueue's Job is made suspended and left to Kueue": Row(
        seen(meta=QUEUED), ["finalizer on", f"create {JOB} suspended"], "QueuedByKueue", R, "Queued"
    ),
    "Kueue's suspension is not fought": Row(
        seen(
            SPEC,
            b.status(KIND, SPEC, b.attempt(KIND, SPEC)),
            QUEUED | {"finalizers": [MINE]},
            jobs=(b.job(JOB, suspended=True, queue="q"),),
        ),
        [],
        "QueuedByKueue",
        R,
        "Queued",
    ),
    "a Job that Kueue's webhook took into its default queue is Kueue's": Row(
        running(jobs=(b.job(JOB, suspended=True, queue="default"),)), [], "QueuedByKueue", R, "Queued"
    ),
    "a Job that waits goes to the queue its resource names now": Row(
        seen(
            SPEC,
            b.status(KIND, SPEC, b.attempt(KIND, SPEC)),
            QUEUED | {"finalizers": [MINE]},
            jobs=(b.job(JOB, suspended=True, queue="other"),),
        ),
        [f"queue {JOB} in q"],
        "QueuedByKueue",
        R,
        "Queued",
    ),
    "a Job that Kueue lets run stays in its queue": Row(
        seen(
            SPEC,
            b.status(KIND, SPEC, b.attempt(KIND, SPEC)),
            QUEUED | {"finalizers": [MINE]},
            jobs=(b.job(JOB, queue="other"),),
        ),
        [],
        "Starting",
        R,
        "Starting",
    ),
    "a suspended resource has no Job that Kueue took into its default queue": Row(
        running(OFF, jobs=(b.job(JOB, queue="default"),)), [f"delete {JOB}"], "Suspended", S, "Suspended"
    ),
    "a suspended resource whose Job is gone gets no other": Row(
        seen(OFF, b.status(KIND, SPEC, LOST)), [], "Suspended", S, "Suspended"
    ),
    "a suspended resource under Kueue has no Job that Kueue could let run": Row(
        seen(OFF, b.status(KIND, SPEC, b.attempt(KIND, SPEC)), QUEUED, jobs=(b.job(JOB),)),
        [f"delete {JOB}"],
        "Suspended",
        S,
        "Suspended",
    ),
    "a finished resource is deleted when its time is over": Row(
        seen(b.download_spec(ttlSecondsAfterFinished=30), DONE), ["delete the resource"], "", set(), ""
    ),
}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
def test_decision(row: Row) -> None:
    """Each sentence of the table holds."""
    assert told(download.decide(row.seen, b.NOW)) == (row.actions, row.reason, row.true, row.phase)


FAILED = b.status(KIND, SPEC, b.attempt(KIND, SPEC, reason="SourceNotFound", counted=True), failures=1) | {
    "conditions": [b.true("Failed", "SourceNotFound"), b.true("Stalled", "X"), b.true("Ready", "X")],
    "finishedAt": "2026-01-01T11:59:00Z",
    "observedGeneration": 1,
}


@pytest.mark.parametrize(
    ("wish", "actions", "reason"),
    [
        ("2026-01-01T11:59:00Z", ["finalizer on", f"create {b.job_name(KIND, SPEC, 2)}"], "Starting"),
        ("2026-01-01T10:00:00Z", [], "X"),
    ],
    ids=["of this failure", "of an earlier one"],
)
def test_a_failure_is_tried_again_when_its_user_names_it(wish: str, actions: list[str], reason: str) -> None:
    """By the annotation with the moment it ended: once, with a new Job and all of backoffLimit."""
    plan = download.decide(seen(SPEC, FAILED, {"annotations": {"narwhal.dev/retry": wish}}), b.NOW)
    assert told(plan)[:2] == (actions, reason)
    assert plan.status is not None
    assert (plan.status["failures"], "finishedAt" in plan.status) == ((0, False) if actions else (1, True))


def test_a_retry_that_waits_does_not_fail_by_the_old_attempt() -> None:
    """The attempt that failed for good is kept, and counts no more: between two passes the wish is not lost."""
    wish = {"annotations": {"narwhal.dev/retry": "2026-01-01T11:59:00Z"}}
    off = b.download_spec(suspend=True)
    first = download.decide(seen(off, FAILED, wish), b.NOW)
    assert told(first)[1:3] == ("Suspended", S)
    again = download.decide(
        seen(off, first.status, wish, jobs=(b.job(b.job_name(KIND, SPEC, 2), suspended=True),)), b.NOW
    )
    assert told(again)[1:3] == ("Suspended", S)
