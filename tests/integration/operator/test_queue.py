"""Limits on a real API server: who waits, says so; who ends, makes room."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.operator.plane import Json, Operator, Plane
from tests.support.processes import until
from tests.unit.operator import build as b

DLJ = "DownloadJob"


@pytest.fixture
def limited(login: Path, tmp_path: Path) -> Iterator[Operator]:
    """An operator that lets one resource of a namespace run."""
    made = Operator(login, tmp_path, {"NARWHAL_RUNNING_PER_NAMESPACE": "1", "NARWHAL_BACKOFF_SCALE": "0.05"})
    made.start()
    yield made
    if made.running:
        made.kill()


def _spec(name: str, **more: object) -> Json:
    return b.download_spec(destination={"bucket": "media", "key": name}) | more


def _running(plane: Plane, namespace: str) -> list[str]:
    jobs = plane.list("Job", namespace)
    ended = {job["metadata"]["name"] for job in jobs if job.get("status", {}).get("conditions")}
    names = [job["metadata"]["annotations"]["narwhal.dev/name"] for job in jobs if job["metadata"]["name"] not in ended]
    assert len(names) <= 1
    return names


def test_one_runs_the_others_wait_by_priority_and_a_restart_changes_nothing(
    plane: Plane, namespace: str, limited: Operator
) -> None:
    """The first made runs; then the one whose priority was raised while it waited, though the operator was killed."""
    plane.apply(DLJ, namespace, "a", _spec("a"))
    first = plane.until(DLJ, namespace, "a", lambda o: o.get("status", {}).get("attempts"), "an attempt")
    for name in ("b", "c"):
        plane.apply(DLJ, namespace, name, _spec(name))
        waits = plane.ready(DLJ, namespace, name, "Queued")
        assert waits["status"]["phase"] == "Queued"
    assert f"namespace {namespace} runs 1 of 1" in waits["status"]["conditions"][-1]["message"]
    plane.patch(DLJ, namespace, "c", {"spec": {"priority": 7}})
    limited.kill()
    limited.start()
    assert _running(plane, namespace) == ["a"]
    pod = plane.pod_of(namespace, first["status"]["attempts"][0]["job"])
    plane.end(namespace, pod, Reason.COMPLETED, artifact=b.ARTIFACT)
    until(lambda: _running(plane, namespace) == ["c"], 60, "c runs")
    assert plane.ready(DLJ, namespace, "b", "Queued")["status"]["attempts"] == []
    plane.patch(DLJ, namespace, "c", {"spec": {"suspend": True}})
    plane.ready(DLJ, namespace, "b", "Starting")
