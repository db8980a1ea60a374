"""What a status says of an attempt, a wait, a progress; and what a decision takes from an older status."""

from datetime import timedelta

import pytest

from narwhal_operator.contract.common import Resources
from narwhal_operator.contract.outcome import TABLE, Class, Reason
from narwhal_operator.contract.report import WorkerReport
from narwhal_operator.core import download, transcode
from narwhal_operator.core.observed import Json, Observed, Pod
from narwhal_operator.core.plan import CreateJob
from narwhal_operator.core.policy import Policy, WorkerPolicy
from tests.unit.operator import build as b
from tests.unit.operator.views import JOB, KIND, MINE, SPEC, C, F, R, ended, running, seen, told


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


@pytest.mark.parametrize(
    ("pods", "seconds"),
    [
        pytest.param((), 5, id="no pod yet: only an Event of the Job says why"),
        pytest.param((b.pod(),), 30, id="a pod without a node"),
        pytest.param((b.pod(waiting=("ContainerCreating", "")),), 30, id="an image that is pulled"),
        pytest.param((b.pod(unschedulable="0/1 nodes"),), 30, id="no room"),
        pytest.param((b.pod(waiting=("ErrImagePull", "x")),), 5, id="one that will be given up"),
        pytest.param((b.pod(failed=True),), 5, id="one that is replaced"),
    ],
)
def test_how_soon_a_job_whose_pod_does_not_run_is_looked_at_again(pods: tuple[Pod, ...], seconds: float) -> None:
    """What a pod's events tell is not asked for every few seconds: a full cluster has thousands that wait."""
    assert download.decide(running(jobs=(b.job(JOB),), pods=pods), b.NOW).requeue_after == seconds


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


def test_what_is_at_rest_has_no_rate_and_no_peer() -> None:
    """Between attempts and at the end mirrors are shown as they were, none of them active."""
    mirror = {"host": "a.example", "bytes": 5, "bytesPerSecond": 3, "failures": 1, "state": "Active"}
    banned = {"host": "b.example", "bytes": 2, "failures": 0, "state": "Banned", "reason": "ChecksumMismatch"}
    seen_last = {"percent": 40, "bytesDone": 400, "bytesTotal": 1000, "bytesPerSecond": 9, "connections": 4, "peers": 2}
    before = seen_last | {"bytesRefetched": 8, "mirror": "a.example", "mirrors": [mirror, banned]}
    at_rest = [{"host": "a.example", "bytes": 5, "failures": 1, "state": "Standby"}, banned]
    for reason, wanted in (
        (Reason.SOURCE_STALLED, {"percent": 40, "bytesDone": 400, "bytesTotal": 1000}),
        (Reason.COMPLETED, {"percent": 100, "bytesDone": 1000, "bytesTotal": 1000}),
    ):
        more: Json = {"artifact": b.ARTIFACT} if reason is Reason.COMPLETED else {}
        text = b.outcome(KIND, SPEC, reason, **more)
        status = b.status(KIND, SPEC, b.attempt(KIND, SPEC), progress=before)
        job = b.job(JOB, complete=True) if more else b.job(JOB, failed="PodFailurePolicy")
        pod = b.ended_pod(text, TABLE[reason].code)
        plan = download.decide(seen(SPEC, status, jobs=(job,), pods=(pod,)), b.NOW)
        assert plan.status is not None
        assert plan.status["progress"] == wanted | {"bytesRefetched": 8, "mirrors": at_rest}


@pytest.mark.parametrize("reason", [Reason.COMPLETED, Reason.SOURCE_STALLED])
def test_the_last_word_of_a_worker_counts_more_than_what_was_seen_of_it(reason: Reason) -> None:
    """Its outcome tells what no look at its progress has: short work is over between two looks."""
    mirror = {"host": "a.example", "bytes": 900, "failures": 2, "state": "Failed", "reason": "SourceStalled"}
    told = {"percent": 30, "bytesDone": 300, "bytesTotal": 1000, "bytesRefetched": 70, "mirrors": [mirror]}
    more: Json = {"artifact": b.ARTIFACT} if reason is Reason.COMPLETED else {}
    text = b.outcome(KIND, SPEC, reason, download=told, **more)
    before = {"percent": 40, "bytesDone": 400, "bytesTotal": 1000}
    job = b.job(JOB, complete=True) if more else b.job(JOB, failed="PodFailurePolicy")
    status = b.status(KIND, SPEC, b.attempt(KIND, SPEC), progress=before)
    pod = b.ended_pod(text, TABLE[reason].code)
    plan = download.decide(seen(SPEC, status, jobs=(job,), pods=(pod,)), b.NOW)
    assert plan.status is not None
    shown = plan.status["progress"]
    assert (shown["bytesRefetched"], shown["mirrors"]) == (70, [mirror])
    assert shown["percent"] == (100 if more else 40)


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
