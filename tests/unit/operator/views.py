"""Views of a DownloadJob as passes have them, and plans in a few words: what the tests of the lifecycle share."""

from dataclasses import replace
from typing import Any

from narwhal_operator.contract.outcome import TABLE, Reason
from narwhal_operator.core.observed import Json, Observed
from narwhal_operator.core.plan import (
    Action,
    CreateJob,
    DeleteJob,
    DeleteResource,
    Plan,
    QueueJob,
    SetFinalizer,
    SuspendJob,
)
from tests.unit.operator import build as b

KIND = "DownloadJob"
SPEC = b.download_spec()
OFF = b.download_spec(suspend=True)
JOB = b.job_name(KIND, SPEC)
MINE = "narwhal.dev/sweep"


def seen(spec: Json = SPEC, status: Json | None = None, meta: Json | None = None, **more: Any) -> Observed:
    """What a pass sees of a DownloadJob."""
    return Observed(resource=b.resource(KIND, spec, status, **(meta or {})), **more)


def running(spec: Json = SPEC, **more: Any) -> Observed:
    """A DownloadJob whose first attempt has been started."""
    status = b.status(KIND, spec, b.attempt(KIND, spec))
    return seen(spec, status, {"finalizers": [MINE]}, **more)


def ended(reason: Reason, spec: Json = SPEC, **more: Any) -> Observed:
    """A DownloadJob whose first attempt has just ended with a reason."""
    good = reason is Reason.COMPLETED
    made: Json = {"artifact": b.ARTIFACT} if good else {}
    text = b.outcome(KIND, spec, reason, **made)
    pod = b.ended_pod(text, TABLE[reason].code)
    job = b.job(JOB, complete=good, failed=None if good else "PodFailurePolicy")
    return replace(running(spec, **more), jobs=(job,), pods=(pod,))


def short(action: Action) -> str:
    """An action in a few words."""
    match action:
        case CreateJob():
            return f"create {action.name}{' suspended' if action.suspend else ''}"
        case DeleteJob():
            return f"delete {action.name}"
        case SuspendJob():
            return f"{'suspend' if action.suspend else 'resume'} {action.name}"
        case QueueJob():
            return f"queue {action.name} in {action.queue}"
        case SetFinalizer():
            return "finalizer on" if action.present else "finalizer off"
        case DeleteResource():
            return "delete the resource"
        case _:
            raise AssertionError(action)


def told(plan: Plan) -> tuple[list[str], str, set[str], str]:
    """What a plan does, and what its status says: reason of Ready, True conditions, phase."""
    status = plan.status or {}
    conditions = {c["type"]: c for c in status.get("conditions", [])}
    true = {name for name, c in conditions.items() if c["status"] == "True"}
    return (
        [short(a) for a in plan.actions],
        conditions.get("Ready", {}).get("reason", ""),
        true,
        status.get("phase", ""),
    )


R, S, C, F = {"Reconciling"}, {"Suspended"}, {"Complete", "Ready"}, {"Failed", "Stalled"}
"""Conditions that are True: in progress, suspended, complete, failed."""
