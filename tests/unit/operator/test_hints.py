"""Events become keys: which, and which not."""

from typing import Any

from narwhal_operator.core.observed import Json, Key
from narwhal_operator.hints import Hints
from tests.unit.operator import build as b

DLJ, TCJ, LIB = b.key("DownloadJob"), b.key("TranscodingJob"), b.key("MediaLibrary", "lib")


def child(kind: str, owner: Key, uid: str = b.UID, **more: Any) -> Json:
    """A Job or pod that belongs to a resource."""
    labels = {"narwhal.dev/uid": uid, "narwhal.dev/kind": owner.kind}
    meta = {"name": "j", "namespace": "media", "uid": f"uid-{kind}", "labels": labels}
    return {"kind": kind, "metadata": meta | {"annotations": {"narwhal.dev/name": owner.name}}} | more


def complete() -> Json:
    """The status of a finished DownloadJob."""
    return b.status("DownloadJob", b.download_spec()) | {"observedGeneration": 1, "conditions": [b.true("Complete")]}


def test_a_resource_is_its_own_key_once_a_version() -> None:
    """Kopf lists what the first look has listed; the slow look looks again."""
    hints, raw = Hints(), b.raw("DownloadJob", b.download_spec())
    assert list(hints.resource(raw)) == [(DLJ, False)]
    assert list(hints.resource(raw)) == []
    assert list(hints.resource(raw, again=True)) == [(DLJ, False)]
    newer = b.raw("DownloadJob", b.download_spec(), resourceVersion="8")
    assert list(hints.resource(newer)) == [(DLJ, False)]


def test_what_is_settled_is_left_alone() -> None:
    """A finished resource with nothing left to do costs no pass, unless a Job of it still runs."""
    hints, raw = Hints(), b.raw("DownloadJob", b.download_spec(), complete())
    assert list(hints.resource(raw, again=True)) == []
    for change in (
        {"finalizers": ["narwhal.dev/sweep"]},
        {"generation": 2},
        {"deletionTimestamp": "2026-01-01T00:00:00Z"},
    ):
        changed = b.raw("DownloadJob", b.download_spec(), complete(), **change)
        assert [key for key, _ in hints.resource(changed, again=True)][:1] == [DLJ]
    list(hints.job(child("Job", DLJ)))
    assert (DLJ, False) in list(hints.resource(raw, again=True))


def test_what_keeps_its_finalizer_is_settled_with_it() -> None:
    """With deletionPolicy Delete a finished resource is left alone once the finalizer is there, and not before."""
    spec = b.download_spec(deletionPolicy="Delete")
    bare = b.raw("DownloadJob", spec, complete())
    held = b.raw("DownloadJob", spec, complete(), finalizers=["narwhal.dev/sweep"])
    assert [key for key, _ in Hints().resource(bare, again=True)] == [DLJ]
    assert list(Hints().resource(held, again=True)) == []


def test_a_job_is_known_until_it_has_finished() -> None:
    """Unfinished Jobs of a resource are what a pass must look at even if no status names them."""
    hints = Hints()
    assert list(hints.job(child("Job", DLJ))) == [DLJ]
    assert hints.jobs(b.UID) == {"j"}
    finished = child("Job", DLJ, status={"conditions": [{"type": "Complete", "status": "True"}]})
    assert list(hints.job(finished)) == [DLJ]
    assert hints.jobs(b.UID) == frozenset()


def test_a_job_that_looks_the_same_is_no_news() -> None:
    """The Job controller's bookkeeping (counts, times, its own conditions) causes no pass."""
    hints = Hints()
    list(hints.job(child("Job", DLJ)))
    busy = child("Job", DLJ, status={"active": 1, "conditions": [{"type": "Suspended", "status": "True"}]})
    assert list(hints.job(busy)) == []
    assert list(hints.job(child("Job", DLJ, spec={"suspend": True}))) == [DLJ]
    assert list(hints.job(child("Job", DLJ), deleted=True)) == [DLJ]


def test_a_part_that_is_made_is_news() -> None:
    """Reports are shown beside what the last pass saw: how many parts are made must be seen when it changes."""
    hints, spec = Hints(), {"completionMode": "Indexed"}
    list(hints.job(child("Job", DLJ, spec=spec)))
    assert list(hints.job(child("Job", DLJ, spec=spec, status={"succeeded": 1}))) == [DLJ]
    assert list(hints.job(child("Job", DLJ, spec=spec, status={"succeeded": 1, "active": 2}))) == []


def test_a_pod_is_news_when_it_runs_ends_or_is_stuck() -> None:
    """That it was made, its readiness and its conditions are not: its Job has said as much."""
    hints = Hints()
    assert list(hints.pod(child("Pod", DLJ))) == []
    assert list(hints.pod(child("Pod", DLJ, status={"phase": "Pending", "qosClass": "Burstable"}))) == []
    state = {"containerStatuses": [{"state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}
    assert list(hints.pod(child("Pod", DLJ, status=state))) == [DLJ]
    assert list(hints.pod(child("Pod", DLJ))) == [DLJ], "it looks as at first, and it is not"
    assert list(hints.pod(child("Pod", DLJ), deleted=True)) == [DLJ]
    assert list(Hints().pod(child("Pod", DLJ, status=state))) == [DLJ]


def test_a_download_wakes_the_transcodes_that_wait_for_it() -> None:
    """When its phase changes or it ends, not with each percent of progress."""
    hints = Hints()
    spec = b.transcode_spec(input={"downloadJobRef": {"name": "bbb"}})
    list(hints.resource(b.raw("TranscodingJob", spec, uid="t")))
    first = b.raw("DownloadJob", b.download_spec(), {"phase": "Downloading"})
    assert list(hints.resource(first)) == [(DLJ, False), (TCJ, False)]
    more = b.raw("DownloadJob", b.download_spec(), {"phase": "Downloading", "failures": 1}, resourceVersion="8")
    assert list(hints.resource(more)) == [(DLJ, False)]
    done = b.raw("DownloadJob", b.download_spec(), complete(), resourceVersion="9")
    assert list(hints.resource(done)) == [(TCJ, False)]
    list(hints.resource(b.raw("TranscodingJob", spec, uid="t"), deleted=True))
    assert list(hints.resource(first, deleted=True)) == [(DLJ, False)]


def test_a_child_wakes_its_library_soon() -> None:
    """Many children change at once; the library looks at them together."""
    meta = child("DownloadJob", LIB)["metadata"]
    raw = b.raw("DownloadJob", b.download_spec(), **{name: meta[name] for name in ("labels", "annotations")})
    assert list(Hints().resource(raw)) == [(DLJ, False), (LIB, True)]
