"""Resources live their lives on a real API server with the real operator."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.operator.plane import Json, Operator, Plane, reason_of
from tests.support.processes import until
from tests.unit.operator import build as b

pytestmark = pytest.mark.usefixtures("operator")
DLJ, TCJ, LIB = "DownloadJob", "TranscodingJob", "MediaLibrary"
SWEEP = "narwhal.dev/sweep"


def job_of(plane: Plane, namespace: str, number: int = 1) -> Json:
    """The Job of an attempt."""

    def mine() -> Json | None:
        return next(
            (j for j in plane.list("Job", namespace) if j["metadata"]["labels"]["narwhal.dev/attempt"] == str(number)),
            None,
        )

    return until(mine, 60, f"the Job of attempt {number}")


def started(plane: Plane, namespace: str, spec: Json | None = None) -> tuple[Json, Json]:
    """A DownloadJob whose pod is there: the Job and the pod."""
    plane.apply(DLJ, namespace, "bbb", spec or b.download_spec())
    job = job_of(plane, namespace)
    return job, plane.pod_of(namespace, job["metadata"]["name"])


def test_a_download_from_apply_to_complete(plane: Plane, namespace: str) -> None:
    """Its pod passes Pod Security `restricted`; the outcome becomes status; the finalizer is there only meanwhile."""
    job, pod = started(plane, namespace)
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "localhost/narwhal-download:dev"
    seen = plane.ready(DLJ, namespace, "bbb", "Starting")
    assert seen["metadata"]["finalizers"] == [SWEEP]
    assert seen["status"]["observedGeneration"] == 1
    plane.run(namespace, pod)
    seen = plane.ready(DLJ, namespace, "bbb", "Progressing")
    assert seen["status"]["attempts"][0]["pod"] == pod["metadata"]["name"]
    plane.end(namespace, pod, Reason.COMPLETED, artifact=b.ARTIFACT)
    plane.api.tell("wait", "--for=condition=Complete", "--timeout=60s", f"-n={namespace}", "dlj/bbb")
    seen = plane.until(DLJ, namespace, "bbb", lambda o: "finalizers" not in o["metadata"], "the finalizer is gone")
    assert seen["status"]["artifact"] == b.ARTIFACT
    row = plane.api.tell("get", f"-n={namespace}", "dlj", "bbb", "--no-headers").split()
    assert row[:3] == ["bbb", "Complete", "100%"]
    events = {e["reason"]: e["type"] for e in plane.list("Event", namespace) if e["involvedObject"]["kind"] == DLJ}
    assert events == {"Started": "Normal", "Completed": "Normal"}


def test_a_failure_is_tried_again_and_then_done(plane: Plane, namespace: str) -> None:
    """A reason that may pass: a second Job, the first one in the attempts, counted."""
    _, pod = started(plane, namespace)
    plane.end(namespace, pod, Reason.STORE_UNREACHABLE)
    second = job_of(plane, namespace, 2)
    pod = plane.pod_of(namespace, second["metadata"]["name"])
    plane.end(namespace, pod, Reason.COMPLETED, artifact=b.ARTIFACT)
    seen = plane.ready(DLJ, namespace, "bbb", "Completed")
    assert [a["reason"] for a in seen["status"]["attempts"]] == ["StoreUnreachable", "Completed"]
    assert seen["status"]["failures"] == 1


def test_a_terminal_failure_is_final(plane: Plane, namespace: str) -> None:
    """No second Job; `kubectl wait` sees Failed."""
    _, pod = started(plane, namespace)
    plane.end(namespace, pod, Reason.SOURCE_NOT_FOUND)
    plane.api.tell("wait", "--for=condition=Failed", "--timeout=60s", f"-n={namespace}", "dlj/bbb")
    assert len(plane.list("Job", namespace)) == 1


def test_a_pod_taken_away_is_replaced_by_its_job_and_not_counted(plane: Plane, namespace: str) -> None:
    """A drained worker ends Cancelled: the Job makes another pod, the attempt goes on."""
    job, pod = started(plane, namespace)
    plane.end(namespace, pod, Reason.CANCELLED)
    name = job["metadata"]["name"]

    def another() -> Json | None:
        pods = [p for p in plane.list("Pod", namespace) if p["metadata"]["labels"]["job-name"] == name]
        return next((p for p in pods if p["metadata"]["name"] != pod["metadata"]["name"]), None)

    replaced = until(another, 60, "another pod")
    plane.end(namespace, replaced, Reason.COMPLETED, artifact=b.ARTIFACT)
    seen = plane.ready(DLJ, namespace, "bbb", "Completed")
    assert [(a["number"], a["pod"]) for a in seen["status"]["attempts"]] == [(1, replaced["metadata"]["name"])]
    assert seen["status"]["failures"] == 0


def test_suspend_takes_the_pod_away_and_resume_brings_another(plane: Plane, namespace: str) -> None:
    """The same Job all the while; Suspended is True in between."""
    job, pod = started(plane, namespace)
    plane.run(namespace, pod)
    plane.patch(DLJ, namespace, "bbb", {"spec": {"suspend": True}})
    plane.ready(DLJ, namespace, "bbb", "Suspended")
    plane.gone("Pod", namespace, pod["metadata"]["name"])
    plane.patch(DLJ, namespace, "bbb", {"spec": {"suspend": False}})
    again = plane.pod_of(namespace, job["metadata"]["name"])
    assert again["metadata"]["name"] != pod["metadata"]["name"]
    assert len(plane.list("Job", namespace)) == 1
    plane.ready(DLJ, namespace, "bbb", "Starting")


def test_deleted_in_mid_run_it_sweeps_and_goes(plane: Plane, namespace: str) -> None:
    """The worker's pod goes first, then a Sweep runs, then nothing is left."""
    job, pod = started(plane, namespace)
    plane.run(namespace, pod)
    plane.ready(DLJ, namespace, "bbb", "Progressing")
    plane.delete(DLJ, namespace, "bbb")
    sweep = job_of(plane, namespace, 0)
    assert plane.get("Job", namespace, job["metadata"]["name"]) is None
    assert plane.get("Pod", namespace, pod["metadata"]["name"]) is None
    pod = plane.pod_of(namespace, sweep["metadata"]["name"])
    assert '"task":"Sweep"' in pod["metadata"]["annotations"]["narwhal.dev/order"]
    plane.end(namespace, pod, Reason.COMPLETED)
    plane.gone(DLJ, namespace, "bbb")
    plane.gone("Job", namespace, sweep["metadata"]["name"])
    until(lambda: not plane.list("Pod", namespace), 60, "no pod is left")


def test_with_delete_a_finished_resource_takes_its_output_with_it(plane: Plane, namespace: str) -> None:
    """The finalizer stays after the end; at the deletion a Sweep is told to remove the output, and then all goes."""
    _, pod = started(plane, namespace, b.download_spec(deletionPolicy="Delete"))
    plane.end(namespace, pod, Reason.COMPLETED, artifact=b.ARTIFACT)
    seen = plane.ready(DLJ, namespace, "bbb", "Completed")
    assert seen["metadata"]["finalizers"] == ["narwhal.dev/sweep"]
    plane.delete(DLJ, namespace, "bbb")
    sweep = job_of(plane, namespace, 0)
    pod = plane.pod_of(namespace, sweep["metadata"]["name"])
    order = json.loads(pod["metadata"]["annotations"]["narwhal.dev/order"])
    assert (order["head"]["task"], order["removeOutput"]) == ("Sweep", True)
    plane.end(namespace, pod, Reason.COMPLETED)
    plane.gone(DLJ, namespace, "bbb")
    assert "DeletingOutput" in [event["reason"] for event in plane.list("Event", namespace)]


def test_what_becomes_of_the_output_may_be_said_after_the_end(plane: Plane, namespace: str) -> None:
    """Delete sets the finalizer of what is finished, Retain takes it away; neither makes the work anew."""
    _, pod = started(plane, namespace)
    plane.end(namespace, pod, Reason.COMPLETED, artifact=b.ARTIFACT)
    plane.ready(DLJ, namespace, "bbb", "Completed")
    plane.patch(DLJ, namespace, "bbb", {"spec": {"deletionPolicy": "Delete"}})
    plane.until(DLJ, namespace, "bbb", lambda seen: seen["metadata"].get("finalizers"), "it has a finalizer")
    plane.patch(DLJ, namespace, "bbb", {"spec": {"deletionPolicy": "Retain"}})
    plane.until(DLJ, namespace, "bbb", lambda seen: not seen["metadata"].get("finalizers"), "it has none")
    assert len((plane.get(DLJ, namespace, "bbb") or {})["status"]["attempts"]) == 1


def test_a_namespace_can_be_deleted_in_mid_run(plane: Plane, namespace: str) -> None:
    """No sweep can be made there: the finalizer goes at once."""
    _, pod = started(plane, namespace)
    plane.run(namespace, pod)
    plane.ready(DLJ, namespace, "bbb", "Progressing")
    plane.ask("DELETE", f"/api/v1/namespaces/{namespace}")
    name = pod["metadata"]["name"]
    plane.until(
        "Pod", namespace, name, lambda o: "deletionTimestamp" in o["metadata"], "is told to go"
    )  # pods go first
    plane.end(namespace, pod, Reason.CANCELLED)
    until(lambda: plane.ask("GET", f"/api/v1/namespaces/{namespace}").get("code") == 404, 60, "the namespace goes")
    assert plane.get(DLJ, namespace, "bbb") is None


def test_a_change_of_the_work_stops_the_worker_and_starts_anew(plane: Plane, namespace: str) -> None:
    """The first Job is gone with its pod before the second is made."""
    job, pod = started(plane, namespace)
    plane.run(namespace, pod)
    plane.ready(DLJ, namespace, "bbb", "Progressing")
    plane.patch(DLJ, namespace, "bbb", {"spec": {"maxBytes": "5Gi"}})
    plane.gone("Job", namespace, job["metadata"]["name"])
    second = job_of(plane, namespace)
    assert second["metadata"]["name"] != job["metadata"]["name"]
    seen = plane.until(DLJ, namespace, "bbb", lambda o: o["status"]["observedGeneration"] == 2, "the change is seen")
    assert [a["number"] for a in seen["status"]["attempts"]] == [1]


def test_a_quota_is_told_in_the_clusters_words(plane: Plane, namespace: str) -> None:
    """The Job controller cannot make the pod; the condition says why, and in the end the resource is Failed."""
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "0"}}}
    plane.ask("POST", f"/api/v1/namespaces/{namespace}/resourcequotas", quota)
    until(
        lambda: plane.ask("GET", f"/api/v1/namespaces/{namespace}/resourcequotas/small").get("status", {}).get("hard"),
        60,
        "the quota is in force",
    )
    plane.apply(DLJ, namespace, "bbb", b.download_spec())
    seen = plane.until(
        DLJ,
        namespace,
        "bbb",
        lambda o: "Failed" in [c["type"] for c in o.get("status", {}).get("conditions", ())],
        "Failed",
    )
    assert reason_of(seen) == "PodRefused"
    assert "exceeded quota: small" in seen["status"]["conditions"][0]["message"]
    until(lambda: not plane.list("Job", namespace), 60, "its Job is removed")


def test_an_image_that_cannot_be_pulled_is_told_and_then_failed(plane: Plane, namespace: str) -> None:
    """Reconciling with the kubelet's words while there is hope."""
    _, pod = started(plane, namespace)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    plane.play(namespace, pod, waiting, "Pending")
    seen = plane.ready(DLJ, namespace, "bbb", "PodRefused")
    assert "ImagePullBackOff: Back-off pulling image" in seen["status"]["conditions"][0]["message"]
    plane.api.tell("wait", "--for=condition=Failed", "--timeout=60s", f"-n={namespace}", "dlj/bbb")


def test_a_transcode_starts_when_its_download_is_complete(plane: Plane, namespace: str) -> None:
    """It waits, wakes by the download's event, and its order names what was made."""
    plane.apply(TCJ, namespace, "bbb", b.transcode_spec(input={"downloadJobRef": {"name": "bbb"}}))
    plane.ready(TCJ, namespace, "bbb", "DependencyMissing")
    _, pod = started(plane, namespace)
    plane.ready(TCJ, namespace, "bbb", "WaitingForDownload")
    plane.end(namespace, pod, Reason.COMPLETED, artifact=b.ARTIFACT)
    seen = plane.ready(TCJ, namespace, "bbb", "Starting")
    pod = plane.pod_of(namespace, seen["status"]["attempts"][0]["job"])
    assert f'"inputSha256":"{b.SHA}"' in pod["metadata"]["annotations"]["narwhal.dev/order"]
    plane.end(namespace, pod, Reason.COMPLETED, result=b.RESULT)
    seen = plane.ready(TCJ, namespace, "bbb", "Completed")
    assert seen["status"]["result"] == b.RESULT


def test_a_library_makes_its_titles_and_counts_them(plane: Plane, namespace: str) -> None:
    """Children with owner references, suspended with it; deleted with it."""
    items = [{"name": n, "source": {"http": {"urls": [f"https://origin.example/{n}.mp4"]}}} for n in ("a", "b")]
    spec = {"items": items, "output": {"bucket": "media", "prefix": "lib"}, "maxConcurrentItems": 1}
    plane.apply(LIB, namespace, "lib", spec)
    seen = plane.until(
        LIB, namespace, "lib", lambda o: o.get("status", {}).get("counts", {}).get("active") == 1, "one title is active"
    )
    assert seen["status"]["counts"]["waiting"] == 1
    plane.until(DLJ, namespace, "lib-a", reason_of, "a status")
    plane.patch(LIB, namespace, "lib", {"spec": {"suspend": True}})
    plane.ready(DLJ, namespace, "lib-a", "Suspended")
    plane.ready(LIB, namespace, "lib", "Suspended")
    assert [o["kind"] for o in (plane.get(TCJ, namespace, "lib-a") or {})["metadata"]["ownerReferences"]] == [LIB]


def test_a_finished_resource_goes_when_its_time_is_over(plane: Plane, namespace: str) -> None:
    """TtlSecondsAfterFinished."""
    _, pod = started(plane, namespace, b.download_spec(ttlSecondsAfterFinished=1))
    assert plane.get(DLJ, namespace, "bbb") is not None
    plane.end(namespace, pod, Reason.COMPLETED, artifact=b.ARTIFACT)
    plane.gone(DLJ, namespace, "bbb")
    until(lambda: not plane.list("Job", namespace), 60, "its Job goes with it")
    assert plane.get(DLJ, namespace, "bbb") is None


def test_users_who_write_all_the_time_lose_nothing(plane: Plane, namespace: str) -> None:
    """Labels written while the operator writes status and finalizers are all there, and so is the end."""
    _, pod = started(plane, namespace)

    def label(number: int) -> None:
        plane.patch(DLJ, namespace, "bbb", {"metadata": {"labels": {f"n{number}": "x"}}})

    with ThreadPoolExecutor(4) as users:
        done = [users.submit(label, number) for number in range(40)]
        plane.end(namespace, pod, Reason.COMPLETED, artifact=b.ARTIFACT)
        for future in done:
            future.result()
    seen = plane.ready(DLJ, namespace, "bbb", "Completed")
    assert len(seen["metadata"]["labels"]) == 40


@pytest.fixture
def worker(progress_port: int, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """What a worker at this machine's address reports; the test fills it in."""
    report: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            import json

            body = json.dumps(report).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", progress_port), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield report
    server.shutdown()
    server.server_close()


def test_progress_reaches_the_columns(plane: Plane, namespace: str, worker: dict[str, Any]) -> None:
    """What a running worker reports is in `kubectl get` a few seconds later."""
    plane.apply(DLJ, namespace, "bbb", b.download_spec())
    job = job_of(plane, namespace)
    pod = plane.pod_of(namespace, job["metadata"]["name"])
    download = {
        "percent": 61,
        "bytesDone": 448,
        "bytesTotal": 734_003_200,
        "bytesPerSecond": 50_331_648,
        "etaSeconds": 7,
    }
    uid = job["metadata"]["labels"]["narwhal.dev/uid"]
    worker.update({"kind": DLJ, "uid": uid, "attempt": 1, "phase": "Downloading", "download": download})
    plane.run(namespace, pod)
    plane.until(DLJ, namespace, "bbb", lambda o: o.get("status", {}).get("phase") == "Downloading", "is downloading")
    row = plane.api.tell("get", f"-n={namespace}", "dlj", "bbb", "--no-headers").split()
    assert row[:7] == ["bbb", "Downloading", "61%", "48MiB/s", "7s", "700Mi", "False"]


def test_the_pages_of_the_operator(operator: Operator) -> None:
    """Healthy, ready, and its metrics tell of passes and Jobs."""
    assert operator.page("/healthz") == "ok\n"
    assert operator.page("/readyz") == "ok\n"
    assert "narwhal_queue_depth" in (operator.page("/metrics") or "")
