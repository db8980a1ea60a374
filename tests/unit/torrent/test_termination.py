"""An outcome of many files fits into a termination message."""

import json

from narwhal_operator.contract.download import (
    FILES_LISTED,
    Artifact,
    ArtifactFile,
    DownloadProgress,
    MediaFacts,
    MirrorFacts,
)
from narwhal_operator.contract.outcome import TERMINATION_LIMIT, Reason, WorkOutcome

SHA = "a" * 64


def outcome(name: str, count: int, message: str = "") -> WorkOutcome:
    """A completed download of `count` files whose keys hold `name`."""
    files = [ArtifactFile(key=f"films/{name}{number}", size=number, sha256=SHA) for number in range(count)]
    artifact = Artifact(bucket="media", key=files[0].key, size=0, sha256=SHA, files=files, file_count=count)
    return WorkOutcome(
        kind="DownloadJob",
        uid="u",
        attempt=1,
        work_digest="w",
        reason=Reason.COMPLETED,
        message=message,
        started_at="2026-01-01T00:00:00Z",
        finished_at="2026-01-01T00:00:01Z",
        artifact=artifact,
    )


def test_few_files_are_all_told() -> None:
    """An outcome that fits is told whole."""
    told = json.loads(outcome("film", 5).termination())

    assert 5 == len(told["artifact"]["files"]) == told["artifact"]["fileCount"]


def test_as_many_files_as_fit_are_told() -> None:
    """Of many files the first that fit are listed; their number stays."""
    text = outcome("film", FILES_LISTED).termination()
    told = json.loads(text)["artifact"]

    assert len(text.encode()) <= TERMINATION_LIMIT
    assert told["files"][0]["key"] == "films/film0"
    assert 20 < len(told["files"]) < FILES_LISTED == told["fileCount"]
    one_more = outcome("film", FILES_LISTED).artifact
    assert one_more is not None
    assert one_more.files is not None
    more = json.dumps(one_more.files[len(told["files"])].wire(), separators=(",", ":"))
    assert len(text.encode()) + len(more) + 1 > TERMINATION_LIMIT


def test_files_go_before_the_message_is_cut() -> None:
    """With the longest keys no file is listed, and the artifact and the whole message are."""
    told = json.loads(outcome("é" * 500, 3, "m" * 1000).termination())

    assert "files" not in told["artifact"] or len(told["artifact"]["files"]) < 3
    assert told["message"] == "m" * 1000
    assert told["artifact"]["fileCount"] == 3


def test_media_facts_go_before_the_message_too() -> None:
    """With the longest facts there may be, an outcome still fits."""
    whole = outcome("film", 3, "m" * 1000)
    facts = MediaFacts(container="mp4", duration_seconds=1.0, streams=["x" * 128] * 32)
    assert whole.artifact is not None
    told = json.loads(
        whole.model_copy(update={"artifact": whole.artifact.model_copy(update={"media": facts})}).termination()
    )

    assert "media" not in told["artifact"]
    assert told["message"] == "m" * 1000


def test_the_progress_goes_first() -> None:
    """What mirrors did is told when there is room, and files are told before it."""
    mirrors = [MirrorFacts(host="h" * 255, failures=n, state="Failed", reason="SourceStalled") for n in range(12)]
    few = outcome("film", 5).model_copy(update={"download": DownloadProgress(mirrors=mirrors[:2])})
    many = outcome("film", 20).model_copy(update={"download": DownloadProgress(mirrors=mirrors)})

    assert len(json.loads(few.termination())["download"]["mirrors"]) == 2
    told = json.loads(many.termination())
    assert "download" not in told
    assert len(told["artifact"]["files"]) == 20
