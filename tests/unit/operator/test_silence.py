"""A node that says nothing any more: its pod is waited for, then left behind; the work goes on elsewhere."""

from datetime import timedelta
from typing import Any, Final

import pytest

from narwhal_operator.contract.common import PodTemplate
from narwhal_operator.contract.outcome import Reason
from narwhal_operator.core import download
from narwhal_operator.core.observed import Job, Json, Observed, Pod
from narwhal_operator.core.parse import job_of, pod_of
from narwhal_operator.render.job import NODE_PATIENCE, _patience
from tests.unit.operator import build as b
from tests.unit.operator.views import JOB, KIND, MINE, SPEC, C, F, R, running, seen, told

NEXT: Final = b.job_name(KIND, SPEC, 2)
CLOSED: Final = b.attempt(KIND, SPEC, reason="PodLost", counted=False, finishedAt="2026-01-01T11:59:00Z")
SILENT: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def gone(seconds: float, name: str = "lost", **more: Any) -> Pod:
    """A pod whose grace ended so many seconds ago, and of which nothing was heard since."""
    asked = {"deleted_at": b.NOW - timedelta(seconds=seconds), "grace": timedelta(seconds=30)}
    return b.pod(name=name, **(asked | more))


def between(*left: Pod, **job: Any) -> Observed:
    """The first attempt is over and its Job is still there, with these pods."""
    old = b.job(JOB, left=left, **({"deleting": True} | job))
    return seen(SPEC, b.status(KIND, SPEC, CLOSED), {"finalizers": [MINE]}, jobs=(old,))


ROWS: Final = {
    "a pod that is to end is looked after": (
        running(jobs=(b.job(JOB),), pods=(gone(-20),)), [], "Starting", R
    ),
    "beside one that works, too": (
        running(jobs=(b.job(JOB),), pods=(gone(-20), b.pod(running=True))), [], "Progressing", R
    ),
    "one that ought to have ended is waited for": (
        running(jobs=(b.job(JOB),), pods=(gone(10),)), [], "PodLost", R
    ),
    "one that is not heard of ends the attempt, and nobody is blamed": (
        running(jobs=(b.job(JOB),), pods=(gone(31),)), [], "PodLost", R
    ),
    "one that was forced away has as long from then on": (
        running(jobs=(b.job(JOB),), pods=(gone(59, grace=timedelta(0)),)), [], "PodLost", R
    ),
    "so it does where others of its Job work": (
        running(jobs=(b.job(JOB),), pods=(gone(31), b.pod(running=True))), [], "PodLost", R
    ),
    "one that has ended is no such pod": (
        running(jobs=(b.job(JOB),), pods=(gone(99, exit_code=143, failed=True),)), [], "Progressing", R
    ),
    "its Job is deleted": (between(gone(31), deleting=False), [f"delete {JOB}"], "Restarting", R),
    "a worker of it that lives is waited for": (between(gone(31), b.pod(running=True)), [], "Restarting", R),
    "one that is being stopped is waited for": (between(gone(-5), gone(31)), [], "Restarting", R),
    "what is not heard of is not waited for": (between(gone(31)), [f"create {NEXT}"], "Starting", R),
    "a Job without pods is gone in a moment": (between(), [], "Restarting", R),
    "a Job past its deadline whose pod is not heard of is past its deadline": (
        running(jobs=(b.job(JOB, failing="DeadlineExceeded"),), pods=(gone(31),)), [], "DeadlineExceeded", F
    ),
    "not before": (
        running(jobs=(b.job(JOB, failing="DeadlineExceeded"),), pods=(gone(10),)), [], "PodLost", R
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_silent_node(name: str) -> None:
    """What is done, what is said."""
    view, actions, reason, true = ROWS[name]
    plan = download.decide(view, b.NOW)
    done = [word for word in told(plan)[0] if not word.startswith("finalizer")]
    assert (done, told(plan)[1], told(plan)[2]) == (actions, reason, true)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[3] is not C and row[3] is not F])
def test_it_is_looked_at_again(name: str) -> None:
    """No event tells that a time has passed: each of these passes plans its next, but one that has made a worker."""
    view, actions, _, _ = ROWS[name]
    if name != "one that has ended is no such pod":
        assert download.decide(view, b.NOW).requeue_after is not None, actions


def test_what_the_status_says() -> None:
    """Which pod on which node, until when; afterwards an attempt that does not count."""
    waiting = download.decide(running(jobs=(b.job(JOB),), pods=(gone(10),)), b.NOW).status or {}
    message = waiting["conditions"][0]["message"]
    assert "Pod lost was to end by 2026-01-01T11:59:50Z, and node n1 does not say" in message
    assert "another attempt begins at 2026-01-01T12:00:20Z" in message
    forced = download.decide(running(jobs=(b.job(JOB),), pods=(gone(59, grace=timedelta(0)),)), b.NOW).status or {}
    assert "another attempt begins at 2026-01-01T12:00:01Z" in forced["conditions"][0]["message"]
    ended = download.decide(running(jobs=(b.job(JOB),), pods=(gone(31),)), b.NOW).status or {}
    (attempt,) = ended["attempts"]
    assert (attempt["reason"], attempt["counted"], attempt["node"]) == (Reason.POD_LOST, False, "n1")
    assert ended["failures"] == 0


def test_what_is_read_of_a_pod_that_is_deleted() -> None:
    """The API server's deletionTimestamp is the end of the pod's grace; a Job that is to fail says why."""
    meta: Json = {"name": "p", "creationTimestamp": "2026-01-01T11:00:00Z", "deletionTimestamp": "2026-01-01T12:00:00Z"}
    pod = pod_of({"metadata": meta | {"deletionGracePeriodSeconds": 30}})
    assert (pod.deleted_at, pod.grace) == (b.NOW, timedelta(seconds=30))
    condition = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}
    found: Job = job_of({"metadata": meta | {"uid": "u"}, "status": {"conditions": [condition]}})
    assert (found.failing, found.failed, found.message, found.finished) == ("DeadlineExceeded", None, "too long", False)


@pytest.mark.parametrize(
    ("tolerations", "ours"),
    [
        (None, SILENT),
        ([{"key": "spot", "operator": "Exists"}], SILENT),
        ([{"key": SILENT[0], "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}], SILENT[1:]),
        ([{"key": SILENT[1], "operator": "Exists", "effect": "NoSchedule"}], SILENT),
        ([{"operator": "Exists"}], ()),
    ],
)
def test_a_worker_leaves_a_silent_node_soon(tolerations: list[Json] | None, ours: tuple[str, ...]) -> None:
    """Half a minute, not Kubernetes' five; unless its user says otherwise."""
    made = _patience(PodTemplate.from_wire({"tolerations": tolerations} if tolerations else {}))
    assert tuple(one["key"] for one in made) == ours
    assert {(one["operator"], one["effect"], one["tolerationSeconds"]) for one in made} <= {
        ("Exists", "NoExecute", NODE_PATIENCE)
    }
