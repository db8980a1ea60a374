"""API objects (JSON) to the values of `observed`. Lenient: a field that is missing or odd is taken as absent."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from narwhal_operator.core import labels
from narwhal_operator.core.observed import Job, Json, Key, Pod, Resource
from narwhal_operator.core.text import moment_of

_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def resource_of(raw: Json) -> Resource:
    """One of our custom resources."""
    meta = raw["metadata"]
    return Resource(
        key=Key(raw["kind"], meta["namespace"], meta["name"]),
        uid=meta["uid"],
        generation=meta.get("generation", 1),
        version=meta.get("resourceVersion", ""),
        created_at=moment_of(meta.get("creationTimestamp")) or _EPOCH,
        deleted_at=moment_of(meta.get("deletionTimestamp")),
        labels=meta.get("labels") or {},
        finalizers=tuple(meta.get("finalizers") or ()),
        spec=_dict(raw.get("spec")),
        status=_dict(raw.get("status")),
        retry=(meta.get("annotations") or {}).get(labels.RETRY),
    )


def job_of(raw: Json) -> Job:
    """A batch/v1 Job."""
    meta, status = raw["metadata"], _dict(raw.get("status"))
    true = {c["type"]: c for c in status.get("conditions") or [] if c.get("status") == "True"}
    failed, failing = true.get("Failed"), true.get("FailureTarget")
    return Job(
        name=meta["name"],
        uid=meta["uid"],
        attempt=_number((meta.get("labels") or {}).get(labels.ATTEMPT)),
        created_at=moment_of(meta.get("creationTimestamp")) or _EPOCH,
        suspended=bool(_dict(raw.get("spec")).get("suspend")),
        deleting="deletionTimestamp" in meta,
        complete="Complete" in true,
        failed=None if failed is None else failed.get("reason") or "Failed",
        started_at=moment_of(status.get("startTime")),
        message=(failed or failing or {}).get("message") or "",
        failing=None if failing is None else failing.get("reason") or "Failed",
        queue=(meta.get("labels") or {}).get(labels.QUEUE) or None,
        completed=int(status.get("succeeded") or 0),
    )


def pod_of(raw: Json) -> Pod:
    """A pod; its first container is the worker."""
    meta, status = raw["metadata"], _dict(raw.get("status"))
    container: Json = next(iter(status.get("containerStatuses") or ()), {})
    state = container.get("state") or {}
    ended, waiting = state.get("terminated"), state.get("waiting")
    running = state.get("running")
    scheduled: Json = next((c for c in status.get("conditions") or () if c.get("type") == "PodScheduled"), {})
    return Pod(
        name=meta["name"],
        created_at=moment_of(meta.get("creationTimestamp")) or _EPOCH,
        scheduled_at=moment_of(scheduled.get("lastTransitionTime")) if scheduled.get("status") == "True" else None,
        node=_dict(raw.get("spec")).get("nodeName"),
        ip=status.get("podIP"),
        running=running is not None and "deletionTimestamp" not in meta,
        failed=status.get("phase") == "Failed",
        started_at=moment_of((running or ended or {}).get("startedAt")),
        finished_at=moment_of((ended or {}).get("finishedAt")),
        exit_code=None if ended is None else ended.get("exitCode"),
        out_of_memory=(ended or {}).get("reason") == "OOMKilled",
        termination=(ended or {}).get("message") or "",
        waiting=None if waiting is None else (waiting.get("reason") or "", waiting.get("message") or ""),
        deleted_at=moment_of(meta.get("deletionTimestamp")),
        grace=timedelta(seconds=meta.get("deletionGracePeriodSeconds") or 0),
        index=(meta.get("labels") or {}).get(labels.INDEX),
        overfilled=_overfilled(status),
        unschedulable=scheduled.get("message") or None if scheduled.get("reason") == "Unschedulable" else None,
    )


def _overfilled(status: Json) -> str:
    """The kubelet's words where it evicted a pod that passed a limit of its own: sizeLimit of an emptyDir, ephemeral-storage.

    It says Evicted of a node that is short of something, too; that is a disruption, and carries the condition DisruptionTarget.
    """
    conditions = status.get("conditions") or ()
    if status.get("reason") != "Evicted" or any(
        c.get("type") == "DisruptionTarget" and c.get("status") == "True" for c in conditions
    ):
        return ""
    return str(status.get("message") or "it passed a limit of ephemeral storage.")


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0
