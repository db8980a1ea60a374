"""What is decided about a resource that runs Jobs: every state with every thing that can happen in it.

A row is a sentence, what is seen, and what must follow: actions, the reason of Ready, the True conditions, the phase.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from narwhal_operator.contract.common import Resources
from narwhal_operator.contract.outcome import TABLE, Class, Reason
from narwhal_operator.contract.report import WorkerReport
from narwhal_operator.core import download, transcode
from narwhal_operator.core.observed import Json, Observed, Refusal, RefusalKind
from narwhal_operator.core.plan import Action, CreateJob, DeleteJob, DeleteResource, Plan, SetFinalizer, SuspendJob
from narwhal_operator.core.policy import Policy, WorkerPolicy
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
QUEUED = {"labels": {"kueue.x-k8s.io/queue-name": "q"}}
R, S, C, F = {"Reconciling"}, {"Suspended"}, {"Complete", "Ready"}, {"Failed", "Stalled"}

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
    "a torrent is not supported by this version": Row(
        seen(b.download_spec(source={"torrent": {"magnet": "magnet:?xt=urn:btih:abc"}})),
        [],
        "NotSupported",
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
        seen(meta=QUEUED), ["finalizer on", f"create {JOB} suspended"], "Starting", R, "Starting"
    ),
    "Kueue's suspension is not fought": Row(
        seen(
            SPEC,
            b.status(KIND, SPEC, b.attempt(KIND, SPEC)),
            QUEUED | {"finalizers": [MINE]},
            jobs=(b.job(JOB, suspended=True),),
        ),
        [],
        "Starting",
        R,
        "Starting",
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


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_ends_as_its_class_says(reason: Reason) -> None:
    """Success completes, terminal fails, a disruption is not counted, everything else is counted and tried again."""
    plan = download.decide(ended(reason), b.NOW)
    assert plan.status is not None
    attempt, cls = plan.status["attempts"][0], TABLE[reason].cls
    fails = cls is Class.TERMINAL or reason is Reason.POD_REFUSED
    expected = C if cls is Class.SUCCESS else F if fails else R
    assert told(plan)[2] == expected
    assert (attempt["reason"], attempt["exitCode"]) == (reason.value, TABLE[reason].code)
    counted = {Class.SUCCESS: None, Class.DISRUPTION: False}.get(cls, True)
    assert attempt.get("counted") is counted
    assert plan.status["failures"] == (1 if counted else 0)
    assert ("retryAt" in plan.status) == (expected == R)


def test_a_waiting_retry_says_when_and_how_to_mend() -> None:
    """The message has what the worker said, the mend and the time of the next attempt."""
    plan = download.decide(ended(Reason.SECRET_NOT_FOUND), b.NOW)
    message = plan.status["conditions"][-1]["message"] if plan.status else ""
    assert TABLE[Reason.SECRET_NOT_FOUND].mend in message
    assert "Attempt 2 starts at 2026-01-01T12:00:10Z" in message
    assert plan.requeue_after == pytest.approx(10)


def test_a_decision_repeated_over_its_own_status_changes_nothing() -> None:
    """Complete, then the same again with that status: no action, the same status, no event."""
    first = download.decide(ended(Reason.COMPLETED), b.NOW)
    again = download.decide(seen(SPEC, first.status), b.NOW + timedelta(minutes=5))
    assert (again.actions, again.status, again.events) == ((), first.status, ())


def test_the_time_a_condition_turned_is_kept() -> None:
    """LastTransitionTime moves only when the status of the condition does."""
    first = download.decide(seen(), b.NOW)
    later = download.decide(
        seen(SPEC, first.status, {"finalizers": [MINE]}, jobs=(b.job(JOB),), pods=(b.pod(running=True),)),
        b.NOW + timedelta(minutes=1),
    )
    assert later.status is not None
    assert {c["lastTransitionTime"] for c in later.status["conditions"]} == {"2026-01-01T12:00:00Z"}
    assert {c["reason"] for c in later.status["conditions"]} == {"Progressing"}


def test_a_fault_names_the_field_and_the_mend() -> None:
    """An unknown value ends with the path of its field."""
    plan = download.decide(seen(b.download_spec(connections=0)), b.NOW)
    assert plan.status is not None
    message = plan.status["conditions"][0]["message"]
    assert message.startswith("spec.connections: ")
    assert message.endswith("Correct it and apply again.")


def test_percent_never_goes_back() -> None:
    """A second pod that starts from 0 does not take the percentage back; a report of another attempt is not believed."""
    status = b.status(KIND, SPEC, b.attempt(KIND, SPEC), progress={"percent": 61, "bytesDone": 610, "bytesTotal": 1000})
    report = {"kind": KIND, "uid": b.UID, "attempt": 1, "phase": "Downloading"}
    part = {"percent": 4, "bytesDone": 40, "bytesTotal": 1000, "bytesPerSecond": 50_331_648, "etaSeconds": 72}

    def progress(attempt: int) -> Json:
        told = WorkerReport.from_wire(report | {"attempt": attempt, "download": part})
        view = seen(SPEC, status, {"finalizers": [MINE]}, jobs=(b.job(JOB),), pods=(b.pod(running=True),), report=told)
        plan = download.decide(view, b.NOW)
        assert plan.status is not None
        return plan.status

    mine, other = progress(1), progress(2)
    assert (mine["progress"]["percent"], mine["progress"]["bytesDone"], mine["phase"]) == (61, 40, "Downloading")
    assert mine["display"] == {"progress": "61%", "rate": "48MiB/s", "eta": "1m12s", "size": "1.0Ki"}
    assert (other["progress"]["bytesDone"], other["phase"]) == (610, "Starting")


def test_parallelism_is_accepted_and_said_to_be_one_pod() -> None:
    """This version runs one pod whatever parallelism asks; the plan's notes say so."""
    spec = b.transcode_spec(parallelism=4)
    plan = {
        "width": 1920, "height": 1080, "frameRate": "24/1", "durationSeconds": 30.0, "frames": 720, "videoCodec": "h264"
    }  # fmt: skip
    told = {"kind": "TranscodingJob", "uid": b.UID, "attempt": 1, "phase": "Encoding", "plan": plan}
    name = b.job_name("TranscodingJob", spec)
    status = b.status("TranscodingJob", spec, b.attempt("TranscodingJob", spec))
    view = Observed(
        b.resource("TranscodingJob", spec, status),
        jobs=(b.job(name),),
        pods=(b.pod(running=True),),
        report=WorkerReport.from_wire(told),
    )
    decided = transcode.decide(view, b.NOW).status
    assert decided is not None
    assert decided["plan"]["notes"] == ["parallelism: this version runs one pod"]


def test_the_users_resources_take_the_place_of_defaults_they_would_contradict() -> None:
    """A limit that is asked for drops the default request above it; CPUs for the encoder come from the limit."""
    policy = Policy(
        transcode=WorkerPolicy(resources=Resources(requests={"cpu": "1", "memory": "1Gi"}, limits={"memory": "4Gi"}))
    )
    spec = b.transcode_spec(template={"resources": {"limits": {"memory": "512Mi", "cpu": "1500m"}}})
    plan = transcode.decide(Observed(b.resource("TranscodingJob", spec), policy=policy), b.NOW)
    create = next(action for action in plan.actions if isinstance(action, CreateJob))
    assert create.resources.wire() == {"limits": {"memory": "512Mi", "cpu": "1500m"}}
    assert create.order.wire()["cpus"] == 1.5


def test_a_status_of_another_version_is_read_as_far_as_it_is_known() -> None:
    """A field this version does not know neither breaks the pass nor loses the attempts."""
    status = b.status(KIND, SPEC, b.attempt(KIND, SPEC)) | {"invented": {"x": 1}}
    plan = download.decide(seen(SPEC, status, {"finalizers": [MINE]}, jobs=(b.job(JOB),)), b.NOW)
    assert plan.actions == ()
    assert plan.status is not None
    assert plan.status["attempts"] == [b.attempt(KIND, SPEC)]
