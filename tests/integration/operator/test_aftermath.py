"""An older version whose grace ends is swept away by one Job, on a real API server, also by an operator that was away then."""

from datetime import UTC, datetime

from narwhal_operator.contract.outcome import Reason
from tests.integration.operator.plane import Operator, Plane
from tests.unit.operator import build as b

TCJ = "TranscodingJob"


def sweeps(plane: Plane, namespace: str) -> list[str]:
    """The sweeps that were ever made: a finished one stays for 20 s, its Event for an hour."""
    return [event["message"] for event in plane.list("Event", namespace) if event["reason"] == "Sweeping"]


def test_an_operator_that_comes_back_sweeps_once_what_fell_due_meanwhile(
    plane: Plane, namespace: str, operator: Operator
) -> None:
    """Complete, with a version that waits; its grace ends while the operator is down: back, it sweeps; down and back again, not."""
    plane.apply(TCJ, namespace, "bbb", b.transcode_spec(versionGracePeriod="720h"))
    seen = plane.ready(TCJ, namespace, "bbb", "Starting")
    pod = plane.pod_of(namespace, seen["status"]["attempts"][0]["job"])
    since = datetime.now(UTC).isoformat(timespec="seconds")
    plane.end(namespace, pod, Reason.COMPLETED, result=b.RESULT | {"supersededAt": since})
    seen = plane.ready(TCJ, namespace, "bbb", "Completed")
    assert seen["status"]["result"]["supersededAt"] == since
    operator.kill()
    plane.patch(TCJ, namespace, "bbb", {"spec": {"versionGracePeriod": "0s"}})
    operator.start()
    plane.until(TCJ, namespace, "bbb", lambda o: "supersededAt" not in o["status"]["result"], "the sweep is made")
    (sweep,) = (job for job in plane.list("Job", namespace) if job["metadata"]["labels"]["narwhal.dev/attempt"] == "0")
    pod = plane.pod_of(namespace, sweep["metadata"]["name"])
    assert '"task":"Sweep"' in pod["metadata"]["annotations"]["narwhal.dev/order"]
    operator.kill()
    operator.start()
    plane.end(namespace, pod, Reason.COMPLETED)
    plane.gone("Job", namespace, sweep["metadata"]["name"])
    assert len(sweeps(plane, namespace)) == 1
    assert plane.ready(TCJ, namespace, "bbb", "Completed")["status"]["result"] == b.RESULT
