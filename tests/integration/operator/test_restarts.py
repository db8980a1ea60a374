"""The operator is killed and started again, at any moment and many times."""

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.operator.plane import Operator, Plane, reason_of
from tests.support.processes import until
from tests.unit.operator import build as b

DLJ = "DownloadJob"
COUNT = 40


def test_killed_in_a_burst_it_makes_each_job_once(plane: Plane, namespace: str, operator: Operator) -> None:
    """Resources come while it is killed five times; in the end each has one Job and a status."""
    for number in range(COUNT):
        plane.apply(DLJ, namespace, f"d{number}", b.download_spec(suspend=True))
        if number % 8 == 4:
            operator.kill()
            operator.start(wait=False)
    until(lambda: operator.page("/readyz"), 60, "the operator is ready")

    def all_told() -> bool:
        return [reason_of(o) for o in plane.list(DLJ, namespace)] == ["Suspended"] * COUNT

    until(all_told, 60, "every resource has its status")
    owners = [job["metadata"]["ownerReferences"][0]["name"] for job in plane.list("Job", namespace)]
    assert sorted(owners) == sorted(f"d{number}" for number in range(COUNT))


@pytest.mark.parametrize("reason", [Reason.COMPLETED, Reason.SOURCE_EMPTY])
def test_what_ends_while_it_is_down_is_seen_when_it_is_back(
    plane: Plane, namespace: str, operator: Operator, reason: Reason
) -> None:
    """The outcome waits in the pod's termination message."""
    plane.apply(DLJ, namespace, "bbb", b.download_spec())
    seen = plane.ready(DLJ, namespace, "bbb", "Starting")
    pod = plane.pod_of(namespace, seen["status"]["attempts"][0]["job"])
    operator.kill()
    plane.end(namespace, pod, reason, **({"artifact": b.ARTIFACT} if reason is Reason.COMPLETED else {}))
    operator.start()
    (attempt,) = plane.ready(DLJ, namespace, "bbb", reason.value)["status"]["attempts"]
    assert attempt["reason"] == reason.value


def test_a_deletion_while_it_is_down_goes_on_when_it_is_back(plane: Plane, namespace: str, operator: Operator) -> None:
    """The finalizer holds the resource until then."""
    plane.apply(DLJ, namespace, "bbb", b.download_spec())
    seen = plane.ready(DLJ, namespace, "bbb", "Starting")
    name = seen["status"]["attempts"][0]["job"]
    operator.kill()
    plane.delete(DLJ, namespace, "bbb")
    assert plane.get(DLJ, namespace, "bbb") is not None
    operator.start()
    plane.gone("Job", namespace, name)
    sweep = until(lambda: plane.list("Job", namespace), 60, "the sweep")[0]
    plane.end(namespace, plane.pod_of(namespace, sweep["metadata"]["name"]), Reason.COMPLETED)
    plane.gone(DLJ, namespace, "bbb")


def test_told_to_stop_it_ends_with_0(operator: Operator) -> None:
    """SIGTERM, as the kubelet sends it."""
    assert operator.stop() == 0
