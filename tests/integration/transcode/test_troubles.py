"""A worker whose store is not well, or whose disk is full: what it says, what it keeps, and that the next run goes on from there."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from narwhal_operator.contract.order import TranscodeOrder
from narwhal_operator.contract.outcome import TABLE, Reason
from tests.cluster.privilege import as_root
from tests.integration.transcode import stages
from tests.integration.transcode.studio import AAC, BUCKET, X264, Studio, assert_plays, ffmpeg, picture, tone
from tests.integration.transcode.test_runner import shim
from tests.integration.transcode.test_s3 import fetched
from tests.support.processes import until
from tests.support.seaweed import S3Server
from tests.support.unwell import Unwell, unwell

FRAMES: Final = 100
SPEC: Final[dict[str, Any]] = {
    "ladder": {"renditions": [{"name": "high", "height": 90}, {"name": "low", "height": 48}]},
    "packaging": {"segmentDuration": "1s"},
}


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Four seconds of picture and sound."""
    path = tmp_path / "film.mp4"
    ffmpeg(*picture(seconds=FRAMES / 25), *tone(FRAMES / 25), *X264, *AAC, path)
    return path


@pytest.fixture
def ill(s3: S3Server) -> Iterator[Unwell]:
    """A proxy before the store."""
    with unwell(s3.endpoint) as proxy:
        yield proxy


def order(studio: Studio, s3: S3Server, film: Path, prefix: str, **changed: Any) -> TranscodeOrder:
    """An order for the film, in S3."""
    s3.bucket(BUCKET)
    s3.client.fput_object(BUCKET, f"{prefix}.mp4", str(film))
    spec = SPEC | {"output": {"bucket": BUCKET, "prefix": prefix}}
    return studio.order(f"{prefix}.mp4", spec=spec, store=s3.secret(), **changed)


def through(proxy: Unwell, s3: S3Server, given: TranscodeOrder) -> TranscodeOrder:
    """The same order, with the proxy as its store."""
    store = s3.secret(endpoint=proxy.endpoint)
    return given.model_copy(update={"output_store": store, "input": given.input.model_copy(update={"store": store})})


def worked(studio: Studio, given: TranscodeOrder, *under: str) -> Reason:
    """Runs the worker as a process; the reason it ended with, also its exit code."""
    code = studio.start(given, *under).wait()
    reason = Reason(studio.termination()["reason"])
    assert TABLE[reason].code == code
    return reason


def encodes(studio: Studio) -> int:
    """How often the worker that ran last began to encode video."""
    lines = [json.loads(line) for line in (studio.base / "worker.log").read_text().splitlines() if line[:1] == "{"]
    return sum(line["event"] == "encoding" and "libx264" in line["argv"] for line in lines)


def segments(s3: S3Server, prefix: str) -> dict[str, Any]:
    """The segments of video and when each was stored."""
    found = s3.client.list_objects(BUCKET, f"{prefix}/v/", recursive=True)
    video = [one for one in found if str(one.object_name).endswith(".m4s") and "/audio/" not in str(one.object_name)]
    return {str(one.object_name): one.last_modified for one in video}


def test_a_store_that_fails_every_request_once_is_not_noticed(
    studio: Studio, s3: S3Server, ill: Unwell, film: Path, tmp_path: Path
) -> None:
    """Reads by 503, writes by 500 after they were done: one encode, a title that is whole, and no word of it."""
    given = order(studio, s3, film, "unwell")
    assert worked(studio, through(ill, s3, given)) is Reason.COMPLETED
    assert ill.failed == len(set(ill.asked)) > 20
    assert encodes(studio) == 1
    assert_plays(fetched(s3, "unwell", tmp_path / "copy") / "master.m3u8", FRAMES)


def test_several_pods_do_not_notice_it_either(
    studio: Studio, s3: S3Server, ill: Unwell, film: Path, tmp_path: Path
) -> None:
    """The plan they share, the input that is read by range, the end: each request fails once, and every stage ends well."""
    order(studio, s3, film, "parts")
    spec = SPEC | {"output": {"bucket": BUCKET, "prefix": "parts"}}
    given = stages.divided(studio, "parts.mp4", spec=spec, store=s3.secret(endpoint=ill.endpoint))
    ended = stages.by_parts(studio, given)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ill.failed == len(set(ill.asked))
    assert_plays(fetched(s3, "parts", tmp_path / "copy") / "master.m3u8", FRAMES)


def test_a_store_that_breaks_while_segments_come_costs_none_that_is_stored(
    studio: Studio, s3: S3Server, ill: Unwell, film: Path, tmp_path: Path
) -> None:
    """From the third segment on nothing but 500: StoreError and nothing published; then the rest is made, and only that."""
    stored: set[str] = set()

    def broken(request: str) -> bool:
        if request.startswith("PUT") and request.endswith(".m4s") and "/audio/" not in request:
            stored.add(request)
        return len(stored) > 3

    given = order(studio, s3, film, "breaks")
    ill.first_fails, ill.broken = False, broken
    assert worked(studio, through(ill, s3, given)) is Reason.STORE_ERROR
    until(lambda: len(segments(s3, "breaks")) == 3, 60, "what passed the proxy is stored")
    before = segments(s3, "breaks")
    assert "breaks/master.m3u8" not in s3.keys(BUCKET, "breaks/")
    again = given.model_copy(update={"head": given.head.model_copy(update={"attempt": 2})})
    assert worked(studio, again) is Reason.COMPLETED
    after = segments(s3, "breaks")
    assert {key: after[key] for key in before} == before
    assert_plays(fetched(s3, "breaks", tmp_path / "copy") / "master.m3u8", FRAMES)


def test_killed_between_the_segments_and_the_playlists_it_encodes_nothing_again(
    studio: Studio, s3: S3Server, ill: Unwell, film: Path, tmp_path: Path
) -> None:
    """Kill -9 as the first playlist is to be stored: the next run has all it needs, and publishes."""
    given = order(studio, s3, film, "killed-late")
    ill.first_fails = False
    worker = studio.start(through(ill, s3, given))

    def broken(request: str) -> bool:
        if request.startswith("PUT") and request.endswith(".m3u8"):
            worker.kill()
        return worker.returncode is not None or request.endswith(".m3u8")

    ill.broken = broken
    assert worker.wait() < 0
    before = segments(s3, "killed-late")
    assert len(before) == 8
    assert (
        worked(studio, given.model_copy(update={"head": given.head.model_copy(update={"attempt": 2})}))
        is Reason.COMPLETED
    )
    assert encodes(studio) == 0
    assert segments(s3, "killed-late") == before
    assert_plays(fetched(s3, "killed-late", tmp_path / "copy") / "master.m3u8", FRAMES)


@pytest.mark.parametrize(("how", "begun"), [("kill -9 $$", 1), ("exit 1", 2)])
def test_an_encoder_that_was_killed_is_not_begun_anew_from_the_start(
    studio: Studio, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, begun: int
) -> None:
    """Of a part behind a seek: one that failed by itself may do better without it, one that was killed is the next attempt's."""
    studio.input().write_bytes(film.read_bytes())
    given = stages.divided(studio, spec=SPEC)
    assert stages.plan(studio, given) > 2
    shim(tmp_path, f"echo begun >> {tmp_path}/begun; {how}")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert stages.part(studio, given, 2).reason in {Reason.OUT_OF_MEMORY, Reason.ENCODER_FAILED}
    assert (tmp_path / "begun").read_text().split() == ["begun"] * begun


def disk(size: int, directory: Path) -> list[str]:
    """Runs a command with a volume of this size at the directory: a tmpfs of its own mount namespace."""
    script = f'mount -t tmpfs -o size={size},mode=1777 tmpfs "$0" && exec "$@"'
    user = ["setpriv", f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--clear-groups"]
    return as_root(["unshare", "--mount", "--", "sh", "-c", script, directory, *user])


@pytest.mark.parametrize("room", [-40_000, 5_000], ids=["for the input", "for the segments"])
def test_a_full_disk_is_said_and_nothing_is_published(studio: Studio, film: Path, room: int) -> None:
    """Wherever it is met: ScratchFull with what to raise, not a fault of input or encoder; with room it is completed."""
    studio.input().write_bytes(film.read_bytes())
    scratch = studio.base / "scratch"
    scratch.mkdir()
    given = studio.order(spec=SPEC)
    assert worked(studio, given, *disk(film.stat().st_size + room, scratch)) is Reason.SCRATCH_FULL
    assert "limits.ephemeral-storage" in studio.termination()["message"]
    assert not (studio.output / "master.m3u8").exists()
    assert worked(studio, given) is Reason.COMPLETED
    assert_plays(studio.output / "master.m3u8", FRAMES)


def test_an_input_that_cannot_fit_is_refused_before_it_is_fetched(
    studio: Studio, s3: S3Server, ill: Unwell, film: Path
) -> None:
    """By the bound in the order: the kubelet would evict the pod, minutes later and again and again."""
    given = order(studio, s3, film, "large", scratch_bytes=film.stat().st_size)
    ill.first_fails = False
    assert worked(studio, through(ill, s3, given)) is Reason.SCRATCH_FULL
    assert [request for request in ill.asked if request.startswith("GET") and "large.mp4" in request] == []
