"""The scratch volume of worker pods: its bound, and pods that were evicted because they passed it."""

from dataclasses import replace
from typing import Any, Final

import pytest

from narwhal_operator.contract import naming
from narwhal_operator.contract.common import Resources
from narwhal_operator.contract.outcome import TABLE, Reason
from narwhal_operator.core import transcode
from narwhal_operator.core.observed import Job, Json, Observed
from narwhal_operator.core.parse import pod_of
from narwhal_operator.core.plan import CreateJob, DeleteJob
from narwhal_operator.core.policy import Policy, WorkerPolicy
from narwhal_operator.render.job import job as manifest
from tests.unit.operator import build as b

KIND: Final = "TranscodingJob"
SPEC: Final = b.transcode_spec(parallelism=3)
POLICY: Final = Policy(transcode=WorkerPolicy("images/transcode:1", Resources(), "50Gi"))
MINE: Final = {"finalizers": ["narwhal.dev/sweep"]}
WORDS: Final = 'Usage of EmptyDir volume "scratch" exceeds the limit "8Mi". '
PRESSED: Final = [{"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}]


def evicted(code: int, message: str = WORDS, conditions: list[Json] | None = None) -> Json:
    """A pod as a kubelet leaves it that has evicted it (kubelet/eviction/eviction_manager.go)."""
    ended = {"exitCode": code, "finishedAt": "2026-01-01T12:00:00Z"}
    return {
        "metadata": {"name": "bbb-pod", "labels": {"batch.kubernetes.io/job-completion-index": "2"}},
        "status": {
            "phase": "Failed",
            "reason": "Evicted",
            "message": message,
            "conditions": conditions or [],
            "containerStatuses": [{"state": {"terminated": ended}}],
        },
    }


def seen(stage: str, raw: Json, **job: Any) -> Observed:
    """A transcode in a stage, its pod evicted."""
    made: Job = b.job(naming.job_name("bbb", b.UID, b.digest(KIND, SPEC), 1, stage), **job)
    opened = {"number": 1, "job": made.name, "stage": stage, "ranges": 4}
    resource = b.resource(KIND, SPEC, b.status(KIND, SPEC, opened), **MINE)
    return Observed(resource, POLICY, jobs=(made,), pods=(pod_of(raw),))


@pytest.mark.parametrize(
    ("stage", "code", "job"),
    [
        pytest.param("Plan", 137, {"failed": "PodFailurePolicy"}, id="killed"),
        pytest.param("Plan", TABLE[Reason.CANCELLED].code, {}, id="stopped in time: the Job replaces it"),
        pytest.param("Range", TABLE[Reason.CANCELLED].code, {}, id="a part that the Job replaces"),
        pytest.param("Range", 137, {"failed": "FailedIndexes"}, id="a part that failed"),
    ],
)
def test_a_pod_that_passed_its_bound_is_a_failure_that_counts(stage: str, code: int, job: Json) -> None:
    """Whatever its exit code: the words are the kubelet's and the mend is there; no Job goes on, a retry has its limit."""
    view = seen(stage, evicted(code), **job)
    plan = transcode.decide(view, b.NOW)
    assert plan.status is not None
    (attempt,) = plan.status["attempts"]
    assert (attempt["reason"], attempt["counted"], plan.status["failures"]) == ("ScratchFull", True, 1)
    assert 'volume "scratch" exceeds the limit "8Mi"' in attempt["message"]
    assert "limits.ephemeral-storage" in attempt["message"]
    later = replace(view, resource=b.resource(KIND, SPEC, plan.status, **MINE))
    stops = [action for action in transcode.decide(later, b.NOW).actions if isinstance(action, DeleteJob)]
    assert len(stops) == (0 if job else 1)


def test_a_node_that_is_short_of_disk_is_a_disruption() -> None:
    """The kubelet says Evicted then, too, with the condition of a disruption: it counts against nobody."""
    raw = evicted(137, "The node was low on resource: ephemeral-storage. ", PRESSED)
    plan = transcode.decide(seen("Plan", raw, failed="PodFailurePolicy"), b.NOW)
    assert plan.status is not None
    (attempt,) = plan.status["attempts"]
    assert (attempt["reason"], attempt["counted"]) == ("PodLost", False)


def test_what_is_done_is_done() -> None:
    """A pod that was evicted, and replaced by one that completed, fails nothing."""
    plan = transcode.decide(seen("Range", evicted(10), complete=True), b.NOW)
    assert plan.status is not None
    assert (plan.status["attempts"][0].get("reason"), plan.status["failures"]) == (None, 0)


@pytest.mark.parametrize(
    ("limits", "size", "count"),
    [
        (None, "50Gi", 50 * 1024**3),
        ({"memory": "1Gi"}, "50Gi", 50 * 1024**3),
        ({"ephemeral-storage": "200Gi"}, "200Gi", 200 * 1024**3),
        ({"ephemeral-storage": 4096}, "4096", 4096),
        ({"ephemeral-storage": 0}, "0", None),
        ({"ephemeral-storage": "1500m"}, "1500m", None),
    ],
)
def test_the_volume_is_as_large_as_the_limit_of_its_container(
    limits: Json | None, size: str, count: int | None
) -> None:
    """What it holds counts against ephemeral-storage; the worker is told, and refuses an input that does not fit."""
    spec = b.transcode_spec(template={"resources": {"limits": limits}} if limits else {})
    resource = b.resource(KIND, spec)
    create = next(a for a in transcode.decide(Observed(resource, POLICY), b.NOW).actions if isinstance(a, CreateJob))
    pod = manifest(create, resource, POLICY)["spec"]["template"]["spec"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == "scratch"]
    assert volume["emptyDir"] == {"sizeLimit": size}
    assert create.order.wire().get("scratchBytes") == count
