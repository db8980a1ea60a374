"""Builders of what the operator sees: resources, Jobs, pods, outcomes. Each has only what a test does not say."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from narwhal_operator.contract import naming
from narwhal_operator.contract.download import DownloadJobSpec
from narwhal_operator.contract.outcome import TABLE, Reason, WorkOutcome
from narwhal_operator.contract.transcode import TranscodingJobSpec
from narwhal_operator.core.case import work_of
from narwhal_operator.core.observed import Job, Json, Key, Pod, Resource
from narwhal_operator.core.parse import resource_of

NOW: Final = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
UID: Final = "5f0c"
SHA: Final = "ab" * 32
ARTIFACT: Final[Json] = {"bucket": "media", "key": "sources/bbb.mp4", "size": 1000, "sha256": SHA}
RESULT: Final[Json] = {
    "masterUrl": "s3://media/vod/bbb/master.m3u8",
    "masterKey": "vod/bbb/master.m3u8",
    "version": "v1",
    "bytes": 9,
    "objects": 3,
    "durationSeconds": 30.0,
    "engine": "ffmpeg 5.1.9",
    "verification": {
        "checks": 4,
        "failed": 0,
        "warnings": 1,
        "segments": 8,
        "decoded": 2,
        "extent": "Sample",
        "frames": 720,
    },
}


def download_spec(**more: Any) -> Json:
    """The spec of a DownloadJob."""
    return {
        "source": {"http": {"urls": ["https://origin.example/bbb.mp4"]}},
        "destination": {"bucket": "media", "key": "sources/bbb.mp4"},
    } | more


def transcode_spec(**more: Any) -> Json:
    """The spec of a TranscodingJob."""
    return {
        "input": {"s3": {"bucket": "media", "key": "sources/bbb.mp4"}},
        "output": {"bucket": "media", "prefix": "vod/bbb"},
    } | more


def raw(kind: str, spec: Json, status: Json | None = None, **meta: Any) -> Json:
    """A custom resource as the API server holds it."""
    return {
        "apiVersion": "narwhal.dev/v1alpha1",
        "kind": kind,
        "metadata": {
            "name": "bbb",
            "namespace": "media",
            "uid": UID,
            "generation": 1,
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T11:00:00Z",
        }
        | meta,
        "spec": spec,
        "status": status or {},
    }


def resource(kind: str, spec: Json, status: Json | None = None, **meta: Any) -> Resource:
    """A custom resource as a decision sees it."""
    return resource_of(raw(kind, spec, status, **meta))


def digest(kind: str, spec: Json) -> str:
    """The digest of the work a spec asks for."""
    model = DownloadJobSpec if kind == "DownloadJob" else TranscodingJobSpec
    return work_of(model.from_wire(spec))


def job_name(kind: str, spec: Json, attempt: int = 1) -> str:
    """The name of the Job of an attempt."""
    return naming.job_name("bbb", UID, digest(kind, spec), attempt)


def job(name: str, **more: Any) -> Job:
    """A Job that runs."""
    fields: Json = {
        "uid": f"uid-of-{name}",
        "attempt": 1,
        "created_at": NOW - timedelta(minutes=1),
        "suspended": False,
        "deleting": False,
        "complete": False,
        "failed": None,
    }
    return Job(name=name, **(fields | more))


def pod(**more: Any) -> Pod:
    """A pod that is there and does not run yet."""
    fields: Json = {"name": "bbb-pod", "created_at": NOW - timedelta(minutes=1), "node": "n1"}
    return Pod(**(fields | more))


def ended_pod(termination: str, code: int, **more: Any) -> Pod:
    """A pod that has ended."""
    ended: Json = {"exit_code": code, "failed": code != 0, "termination": termination, "finished_at": NOW}
    return pod(**(ended | {"started_at": NOW - timedelta(seconds=50)} | more))


def outcome(kind: str, spec: Json, reason: Reason, attempt: int = 1, **more: Any) -> str:
    """The termination message of a worker."""
    made = {
        "kind": kind,
        "uid": UID,
        "attempt": attempt,
        "workDigest": digest(kind, spec),
        "reason": reason.value,
        "message": more.pop("message", TABLE[reason].meaning),
        "startedAt": "2026-01-01T11:59:00Z",
        "finishedAt": "2026-01-01T12:00:00Z",
    } | more
    return WorkOutcome.from_wire(made).termination()


def attempt(kind: str, spec: Json, number: int = 1, **more: Any) -> Json:
    """An attempt in a status; open unless a reason is given."""
    return {"number": number, "job": job_name(kind, spec, number)} | more


def status(kind: str, spec: Json, *attempts: Json, **more: Any) -> Json:
    """A status of the work this spec asks for."""
    return {"workDigest": digest(kind, spec), "attempts": list(attempts), "failures": 0} | more


def true(name: str, reason: str = "X") -> Json:
    """A condition that is True."""
    since = "2026-01-01T11:30:00Z"
    return {"type": name, "status": "True", "reason": reason, "message": "", "lastTransitionTime": since}


def key(kind: str = "DownloadJob", name: str = "bbb") -> Key:
    """A key of the namespace of these tests."""
    return Key(kind, "media", name)
