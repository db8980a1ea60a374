"""A transcode by several pods at a real API server: the Job controller makes the pods of all parts, one after the other ends."""

import pytest

from narwhal_operator.contract.outcome import Reason
from narwhal_operator.core import labels
from tests.integration.operator.plane import SECONDS, Json, Operator, Plane
from tests.support.processes import until
from tests.unit.operator import build as b

KIND = "TranscodingJob"


def stage(plane: Plane, namespace: str, name: str, number: int, wanted: str) -> str:
    """The name of the Job of a stage, once the status says so."""

    def reached(found: Json) -> bool:
        attempts = found.get("status", {}).get("attempts", [])
        return bool(attempts) and (attempts[-1]["number"], attempts[-1].get("stage")) == (number, wanted)

    found = plane.until(KIND, namespace, name, reached, f"attempt {number} is in stage {wanted}")
    return str(found["status"]["attempts"][-1]["job"])


def pods(plane: Plane, namespace: str, job: str, count: int) -> dict[str, Json]:
    """The pods of a Job that have not ended, by index, once there are so many."""

    def found() -> dict[str, Json] | None:
        mine = [pod for pod in plane.list("Pod", namespace) if pod["metadata"]["labels"].get(labels.JOB_NAME) == job]
        alive = [pod for pod in mine if pod["status"]["phase"] in {"Pending", "Running"}]
        return {pod["metadata"]["labels"][labels.INDEX]: pod for pod in alive} if len(alive) == count else None

    return until(found, 60, f"{count} pods of {job}")


def end(plane: Plane, namespace: str, pod: Json, reason: Reason, **more: object) -> None:
    """The worker ran and ends."""
    plane.run(namespace, pod)
    plane.end(namespace, pod, reason, **more)


def test_a_transcode_by_several_pods(plane: Plane, operator: Operator, namespace: str) -> None:
    """Plan, three parts of which two run at once and one fails and is made again, Finish; the operator is killed at each."""
    plane.apply(KIND, namespace, "film", b.transcode_spec(parallelism=2))
    plan = stage(plane, namespace, "film", 1, "Plan")
    end(plane, namespace, plane.pod_of(namespace, plan), Reason.COMPLETED, ranges=3)
    job = stage(plane, namespace, "film", 1, "Range")
    first = pods(plane, namespace, job, 2)
    assert sorted(first) == ["0", "1"]
    args = first["0"]["spec"]["containers"][0]
    assert args["args"][-2:] == ["--index", "$(JOB_COMPLETION_INDEX)"]
    assert "JOB_COMPLETION_INDEX" in [one["name"] for one in args["env"]]
    operator.kill()
    end(plane, namespace, first["0"], Reason.COMPLETED)
    end(plane, namespace, first["1"], Reason.CANCELLED)
    operator.start()
    later = pods(plane, namespace, job, 2)
    assert sorted(later) == ["1", "2"]
    for pod in later.values():
        end(plane, namespace, pod, Reason.COMPLETED)
    finish = stage(plane, namespace, "film", 1, "Finish")
    end(plane, namespace, plane.pod_of(namespace, finish), Reason.COMPLETED, result=b.RESULT)
    done = plane.ready(KIND, namespace, "film", "Completed")
    assert [one["reason"] for one in done["status"]["attempts"]] == ["Completed"]
    assert done["status"]["attempts"][0]["ranges"] == 3


def test_a_part_that_fails_for_good_ends_the_others(plane: Plane, operator: Operator, namespace: str) -> None:
    """The Job controller stops the other pods; the reason of the part is that of the transcode."""
    plane.apply(KIND, namespace, "film", b.transcode_spec(parallelism=2))
    end(
        plane,
        namespace,
        plane.pod_of(namespace, stage(plane, namespace, "film", 1, "Plan")),
        Reason.COMPLETED,
        ranges=3,
    )
    job = stage(plane, namespace, "film", 1, "Range")
    parts = pods(plane, namespace, job, 2)
    plane.run(namespace, parts["0"])
    end(plane, namespace, parts["1"], Reason.INPUT_DAMAGED)
    plane.until("Job", namespace, job, lambda o: o.get("status", {}).get("conditions"), "is ending")
    end(plane, namespace, parts["0"], Reason.CANCELLED)
    found = plane.ready(KIND, namespace, "film", "InputDamaged")
    assert [one["type"] for one in found["status"]["conditions"]] == ["Failed", "Stalled", "Ready"]


def test_a_part_that_is_killed_for_memory_gets_more_in_the_next_attempt(
    plane: Plane, operator: Operator, namespace: str
) -> None:
    """Not the same again from its Job: the attempt ends at once, and the next one's pods have half as much more."""
    limits = {"resources": {"limits": {"memory": "1Gi"}}}
    plane.apply(KIND, namespace, "film", b.transcode_spec(parallelism=2, template=limits))
    plan = stage(plane, namespace, "film", 1, "Plan")
    end(plane, namespace, plane.pod_of(namespace, plan), Reason.COMPLETED, ranges=3)
    parts = pods(plane, namespace, stage(plane, namespace, "film", 1, "Range"), 2)
    plane.run(namespace, parts["0"])
    killed = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:01:00Z"}
    plane.play(namespace, parts["1"], {"terminated": killed}, "Failed")
    again = plane.pod_of(namespace, stage(plane, namespace, "film", 2, "Plan"))
    assert again["spec"]["containers"][0]["resources"]["limits"] == {"memory": "1536Mi"}
    found = plane.get(KIND, namespace, "film")
    assert found is not None
    (first, _) = found["status"]["attempts"]
    assert (first["reason"], first["counted"], first["memory"]) == ("OutOfMemory", True, "1Gi")


@pytest.mark.parametrize("last", ["Plan", "Range", "Finish"])
def test_deleted_in_any_stage_it_sweeps_and_goes(plane: Plane, operator: Operator, namespace: str, last: str) -> None:
    """The pods of the stage go, a Sweep runs, and neither a Job nor a pod of any stage is left."""
    plane.apply(KIND, namespace, "film", b.transcode_spec(parallelism=2))
    job = stage(plane, namespace, "film", 1, "Plan")
    pod = plane.pod_of(namespace, job)
    if last != "Plan":
        end(plane, namespace, pod, Reason.COMPLETED, ranges=2)
        job = stage(plane, namespace, "film", 1, "Range")
        pods(plane, namespace, job, 2)
    if last == "Finish":
        for pod in pods(plane, namespace, job, 2).values():
            end(plane, namespace, pod, Reason.COMPLETED)
        job = stage(plane, namespace, "film", 1, "Finish")
    plane.run(namespace, plane.pod_of(namespace, job))
    plane.delete(KIND, namespace, "film")
    sweep = until(lambda: next(iter(sweeps(plane, namespace)), None), SECONDS, "a pod sweeps")
    assert plane.get("Job", namespace, job) is None, "the sweep began beside a worker"
    plane.end(namespace, sweep, Reason.COMPLETED)
    plane.gone(KIND, namespace, "film")
    until(lambda: not plane.list("Job", namespace) and not plane.list("Pod", namespace), SECONDS, "nothing is left")


def sweeps(plane: Plane, namespace: str) -> list[Json]:
    """The pods of sweeps."""
    return [pod for pod in plane.list("Pod", namespace) if pod["metadata"]["labels"].get(labels.ATTEMPT) == "0"]
