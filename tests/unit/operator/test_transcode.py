"""A TranscodingJob waits for its DownloadJob and takes from it where its input is."""

from dataclasses import dataclass

import pytest

from narwhal_operator.contract.order import TranscodeOrder
from narwhal_operator.contract.outcome import Reason
from narwhal_operator.core import transcode
from narwhal_operator.core.observed import Json, Observed, Resource
from narwhal_operator.core.plan import CreateJob
from tests.unit.operator import build as b

KIND = "TranscodingJob"
SPEC = b.transcode_spec(input={"downloadJobRef": {"name": "bbb"}})


def download(condition: str | None = None, phase: str = "Downloading", **spec: Json) -> Resource:
    """The DownloadJob, Complete or Failed or neither."""
    status: Json = {"phase": phase}
    if condition:
        status |= {"conditions": [b.true(condition, "SourceNotFound")], "artifact": b.ARTIFACT}
    return b.resource("DownloadJob", b.download_spec(**spec), status, uid="dlj")


@dataclass(frozen=True)
class Row:
    """The DownloadJob and what follows of it."""

    download: Resource | None
    reason: str
    phase: str
    words: str


ROWS = {
    "it does not exist": Row(None, "DependencyMissing", "Waiting", "DownloadJob bbb does not exist. Create it"),
    "it runs": Row(download(), "WaitingForDownload", "Waiting", "Waits for DownloadJob bbb: Downloading."),
    "it has failed": Row(download("Failed"), "DependencyFailed", "Failed", "has failed (SourceNotFound)"),
    "it is complete": Row(download("Complete"), "Starting", "Starting", "Attempt 1 starts."),
}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
def test_waiting(row: Row) -> None:
    """Each state of the DownloadJob has its reason, phase and words, and only a complete one starts a Job."""
    plan = transcode.decide(Observed(b.resource(KIND, SPEC), download=row.download), b.NOW)
    assert plan.status is not None
    ready = plan.status["conditions"][-1]
    assert (ready["reason"], plan.status["phase"]) == (row.reason, row.phase)
    assert row.words in ready["message"]
    assert any(isinstance(a, CreateJob) for a in plan.actions) == (row.reason == "Starting")


def order_of(spec: Json, made: Resource | None) -> TranscodeOrder:
    """The order of the Job that is created."""
    plan = transcode.decide(Observed(b.resource(KIND, spec), download=made), b.NOW)
    order = next(a.order for a in plan.actions if isinstance(a, CreateJob))
    assert isinstance(order, TranscodeOrder)
    return order


def test_the_input_is_what_the_download_made() -> None:
    """Bucket, key and digest are those of the artifact; one Secret for both stores is mounted once."""
    order = order_of(SPEC, download("Complete"))
    assert (order.input.bucket, order.input.key, order.input_sha256) == ("media", "sources/bbb.mp4", b.SHA)
    assert order.input.store == order.output_store


def several(**ref: str) -> tuple[Json, Resource]:
    """A spec that takes a file of a download of two, and that download."""
    files = [
        {"key": "sources/bbb.mp4/film.mkv", "size": 900, "sha256": b.SHA},
        {"key": "sources/bbb.mp4/S1/e1.mkv", "size": 300, "sha256": "cd" * 32},
    ]
    made = b.ARTIFACT | {"key": files[0]["key"], "files": files, "fileCount": 2}
    status: Json = {"conditions": [b.true("Complete", "Completed")], "artifact": made}
    spec = b.transcode_spec(input={"downloadJobRef": {"name": "bbb", **ref}})
    return spec, b.resource("DownloadJob", b.download_spec(), status, uid="dlj")


def test_a_file_of_several_may_be_named() -> None:
    """Its key and its digest are in the order; without a pattern those of the main file."""
    named, main = order_of(*several(file="S1/*")), order_of(*several())
    assert (named.input.key, named.input_sha256) == ("sources/bbb.mp4/S1/e1.mkv", "cd" * 32)
    assert (main.input.key, main.input_sha256) == ("sources/bbb.mp4/film.mkv", b.SHA)


def test_a_pattern_that_fits_no_file_fails_without_a_job() -> None:
    """With its own reason, and the names there are."""
    spec, made = several(file="*.avi")
    plan = transcode.decide(Observed(b.resource(KIND, spec), download=made), b.NOW)
    assert plan.actions == ()
    assert plan.status is not None
    failed = next(item for item in plan.status["conditions"] if item["type"] == "Failed")
    assert failed["reason"] == "InputFileUnmatched"
    assert "S1/e1.mkv" in failed["message"]


def test_another_store_of_the_input_is_mounted_apart() -> None:
    """The Secret of the DownloadJob's destination is the input's."""
    there = {"bucket": "media", "key": "sources/bbb.mp4", "storageRef": {"name": "elsewhere"}}
    order = order_of(SPEC, download("Complete", destination=there))
    assert order.input.store.wire() == {"type": "s3", "credentials": "/narwhal/input-store", "secret": "elsewhere"}


def test_suspended_it_waits_without_a_job_until_the_input_is_there() -> None:
    """No order can be made without an input, so there is no suspended Job either."""
    plan = transcode.decide(Observed(b.resource(KIND, SPEC | {"suspend": True})), b.NOW)
    assert plan.actions == ()
    assert plan.status is not None
    assert plan.status["phase"] == "Suspended"


def test_a_running_transcode_does_not_look_back_at_its_download() -> None:
    """Once the Job is made the order holds the input; that the DownloadJob was deleted changes nothing."""
    status = b.status(KIND, SPEC, b.attempt(KIND, SPEC))
    job = b.job(b.job_name(KIND, SPEC))
    view = Observed(b.resource(KIND, SPEC, status, finalizers=["narwhal.dev/sweep"]), jobs=(job,))
    plan = transcode.decide(view, b.NOW)
    assert plan.actions == ()


def test_complete_shows_result_and_plan() -> None:
    """What the worker's outcome says is in the status, at 100 percent of every rung."""
    rungs = [{"name": "720p", "percent": 80, "segmentsDone": 6}]
    before = {"percent": 80, "segmentsDone": 6, "segmentsTotal": 8, "rungs": rungs, "speed": 1.9, "etaSeconds": 9}
    spec = b.transcode_spec()
    text = b.outcome(KIND, spec, Reason.COMPLETED, result=b.RESULT)
    status = b.status(KIND, spec, b.attempt(KIND, spec), progress=before)
    job = b.job(b.job_name(KIND, spec), complete=True)
    plan = transcode.decide(Observed(b.resource(KIND, spec, status), jobs=(job,), pods=(b.ended_pod(text, 0),)), b.NOW)
    assert plan.status is not None
    assert plan.status["result"] == b.RESULT
    done = {"percent": 100, "segmentsDone": 8, "segmentsTotal": 8}
    assert plan.status["progress"] == done | {"rungs": [{"name": "720p", "percent": 100, "segmentsDone": 6}]}
