"""Metrics from statuses: each end is counted once, under a reason of the closed list."""

from typing import Any

from narwhal_operator import metrics, tally
from narwhal_operator.core.observed import Json, Key

KEY = Key("DownloadJob", "media", "bbb")


def value(name: str, **labels: str) -> float:
    """A sample of the registry; 0 where there is none yet."""
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def status(*reasons: str | None, condition: str | None = None, **more: Any) -> Json:
    """A status of attempts that ended with these reasons; None is one that runs."""
    attempts = [{"number": n, "job": "j"} | ({"reason": r} if r else {}) for n, r in enumerate(reasons, 1)]
    ended = {"type": condition, "status": "True", "reason": reasons[-1] if reasons else None}
    return {"attempts": attempts, "conditions": [ended] if condition else []} | more


def test_an_attempt_is_counted_when_its_end_is_written() -> None:
    """Not before, and not again."""
    labels = {"kind": "DownloadJob", "reason": "SourceStalled", "class": "Retry"}
    before = value("narwhal_attempts_total", **labels)
    running, ended, more = status(None), status("SourceStalled"), status("SourceStalled", None)
    for old, new in ((status(), running), (running, ended), (ended, ended), (ended, more), (more, None)):
        tally.note(KEY, old, new)
    assert value("narwhal_attempts_total", **labels) == before + 1


def test_a_complete_download_is_counted_with_its_bytes() -> None:
    """Those of all its objects, and those that were fetched twice; a second write of the same adds nothing."""
    labels = {"kind": "DownloadJob", "reason": "Completed"}
    names = ("narwhal_downloaded_bytes_total", "narwhal_refetched_bytes_total")
    before = (value("narwhal_finished_total", **labels), *map(value, names))
    progress = {"percent": 100, "bytesDone": 700, "bytesTotal": 700, "bytesRefetched": 50}
    done = status("Completed", condition="Complete", progress=progress, artifact={"size": 600})
    tally.note(KEY, status(None), done)
    tally.note(KEY, done, done | {"phase": "Complete"})
    after = (value("narwhal_finished_total", **labels), *map(value, names))
    assert after == (before[0] + 1, before[1] + 700, before[2] + 50)


def test_a_reason_of_another_version_is_other() -> None:
    """A label never takes a word that is not on the list."""
    labels = {"kind": "DownloadJob", "reason": "Other"}
    before = value("narwhal_finished_total", **labels)
    tally.note(KEY, {}, status("NeverHeardOf", condition="Failed"))
    assert value("narwhal_finished_total", **labels) == before + 1
    assert value("narwhal_finished_total", kind="DownloadJob", reason="NeverHeardOf") == 0
