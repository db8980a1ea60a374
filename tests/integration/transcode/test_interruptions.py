"""Runs that are killed, stopped, repeated or sabotaged: what is stored counts, what is published plays, nothing is left."""

import json
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from narwhal_operator.contract.outcome import TABLE, Reason
from tests.integration.transcode.studio import (
    AAC,
    BUCKET,
    X264,
    Studio,
    assert_plays,
    ffmpeg,
    frame_times,
    picture,
    tone,
)
from tests.support.processes import until
from workers.common.directory import DirectoryStore
from workers.common.store import ObjectInfo
from workers.transcode import limits

FRAMES = 30 * 60
LONG: dict[str, Any] = {"ladder": {"renditions": [{"name": "high", "height": 360}, {"name": "low", "height": 90}]}}


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of film: enough to be interrupted in."""
    path = tmp_path_factory.mktemp("film") / "long.mp4"
    ffmpeg(*picture("640x360", "30000/1001", 60.06), *tone(60.06), *X264, *AAC, path)
    return path


def stored(studio: Studio) -> dict[str, tuple[int, int]]:
    """Inode and time of every stored segment of video: one that is encoded again and stored has others."""
    if not (studio.output / "v").exists():
        return {}
    found = {}
    for rung in ("high", "low"):
        for path in studio.segments(rung):
            found[f"{rung}/{path.name}"] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


def test_a_killed_worker_leaves_no_ffmpeg_and_the_next_run_goes_on(studio: Studio, long_film: Path) -> None:
    """Kill -9 in mid-encode: FFmpeg is gone at once, what is stored is not encoded again, the tail joins without a seam."""
    studio.input().hardlink_to(long_film)
    worker = studio.start(studio.order(spec=LONG))
    until(lambda: len(stored(studio)) >= 20, 60, "20 segments are stored")
    assert studio.programs()
    worker.kill()
    worker.wait()
    until(lambda: not studio.programs(), 1, "FFmpeg ends with its worker")
    before = stored(studio)
    whole = min(sum(name.startswith(rung) for name in before) for rung in ("high", "low"))
    assert not (studio.output / "master.m3u8").exists()

    ended = studio.run(studio.order(spec=LONG, attempt=2))
    assert ended.reason is Reason.COMPLETED, ended.message
    after = stored(studio)
    assert {name: after[name] for name in before} == before, "a stored segment was replaced"
    twice = len(before) - 2 * whole
    assert 0 <= twice <= limits.UPLOADS + 2, f"{twice} segments were encoded twice"
    for rung in ("high", "low"):
        assert_plays(studio.version / rung / "media.m3u8", FRAMES)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_worker_is_gone_within_a_second(studio: Studio, long_film: Path, number: signal.Signals) -> None:
    """Its exit code says Cancelled, no program of its is left, nothing is published."""
    studio.input().hardlink_to(long_film)
    worker = studio.start(studio.order(spec=LONG))
    until(lambda: len(stored(studio)) >= 2, 60, "a segment is stored")
    began = time.monotonic()
    worker.send_signal(number)
    assert worker.wait(10) == TABLE[Reason.CANCELLED].code
    assert time.monotonic() - began < 1
    assert not studio.programs()
    assert studio.termination()["reason"] == "Cancelled"
    assert not (studio.output / "master.m3u8").exists()


def test_a_tail_is_encoded_by_seeking_and_joins(studio: Studio, long_film: Path) -> None:
    """With all but the last two segments stored, only those are encoded; the whole plays evenly."""
    studio.input().hardlink_to(long_film)
    assert studio.run(studio.order(spec=LONG)).reason is Reason.COMPLETED
    before = stored(studio)
    for rung in ("high", "low"):
        for path in studio.segments(rung)[-2:]:
            path.unlink()
    (studio.output / "master.m3u8").unlink()
    assert studio.run(studio.order(spec=LONG, attempt=2)).reason is Reason.COMPLETED
    after = stored(studio)
    assert len(after) == len(before)
    assert [name for name in before if after[name] != before[name]] == [
        name for name in before if name[-9:-4] in {"00058", "00059"}
    ]
    assert_plays(studio.version / "high/media.m3u8", FRAMES)


TAILS = [
    pytest.param("25", "mp4", (), id="25"),
    pytest.param("24000/1001", "mp4", (), id="film-ntsc"),
    pytest.param("30000/1001", "mp4", (), id="ntsc"),
    pytest.param("60", "mp4", (), id="60"),
    pytest.param("24000/1001", "mkv", (), id="film-ntsc-matroska"),
    pytest.param("30000/1001", "ts", (), id="ntsc-transport-stream"),
    pytest.param("25", "mkv", ("-output_ts_offset", "7.3"), id="late-start"),
    pytest.param("30", "mp4", ("-vf", "select='not(eq(mod(n,7),3))*not(eq(mod(n,11),5))'", "-fps_mode", "vfr"), id="variable-rate"),
    pytest.param("25", "mkv", ("-preset", "fast", "-g", "20", "-x264-params", "open-gop=1"), id="open-gop"),
    pytest.param("25", "mp4", ("-preset", "fast", "-bf", "3", "-g", "500"), id="one-key-frame"),
]  # fmt: skip


@pytest.mark.parametrize(("rate", "container", "extra"), TAILS)
def test_a_tail_has_the_same_times_as_the_whole(
    studio: Studio, rate: str, container: str, extra: tuple[str, ...]
) -> None:
    """Whatever the frame rate and the container: init segments are the same bytes, each segment starts where it did."""
    name = f"in.{container}"
    ffmpeg(*picture(rate=rate, seconds=8), *X264, *extra, studio.input(name))
    assert studio.run(studio.order(name)).reason is Reason.COMPLETED
    times = frame_times(studio.version / "high/media.m3u8")
    inits = {path: path.read_bytes() for path in studio.version.glob("*/init.mp4")}
    for rung in ("high", "low"):
        for path in studio.segments(rung)[5:]:
            path.unlink()
    (studio.version / "outcome.json").unlink()
    ended = studio.run(studio.order(name, attempt=2))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert {path: path.read_bytes() for path in inits} == inits
    assert frame_times(studio.version / "high/media.m3u8") == times == list(range(len(times)))


def test_finished_work_is_found_and_not_done_again(studio: Studio) -> None:
    """The same order again ends at once with the same result, having written nothing."""
    ffmpeg(*picture(), *tone(), *X264, *AAC, studio.input())
    first = studio.run(studio.order())
    before = {path: path.stat().st_mtime_ns for path in studio.output.rglob("*") if path.is_file()}
    again = studio.run(studio.order(attempt=2))
    assert again.reason is Reason.COMPLETED
    assert again.result is not None
    assert first.result is not None
    assert (again.result.result, again.result.plan) == (first.result.result, first.result.plan)
    assert {path: path.stat().st_mtime_ns for path in studio.output.rglob("*") if path.is_file()} == before


def test_finished_work_that_lost_an_object_is_mended(studio: Studio) -> None:
    """A segment was deleted since: it is encoded again, the rest is kept."""
    ffmpeg(*picture(), *X264, studio.input())
    studio.run(studio.order())
    studio.segments("low")[1].unlink()
    assert studio.run(studio.order(attempt=2)).reason is Reason.COMPLETED
    assert_plays(studio.version / "low/media.m3u8", 80)


def test_other_work_has_a_version_of_its_own_and_takes_over_by_the_pointer(studio: Studio) -> None:
    """Another ladder: a second version beside the first, which still plays for who has it open."""
    ffmpeg(*picture(), *X264, studio.input())
    studio.run(studio.order())
    first = studio.version
    studio.run(studio.order(spec={"ladder": {"renditions": [{"name": "only", "height": 48}]}}))
    assert len(list((studio.output / "v").iterdir())) == 2
    assert "only/media.m3u8" in (studio.output / "master.m3u8").read_text()
    assert_plays(first / "high/media.m3u8", 80)
    studio.run(studio.order(attempt=2))
    assert f"v/{first.name}/high/media.m3u8" in (studio.output / "master.m3u8").read_text()


def test_a_sweep_removes_what_is_unfinished_and_nothing_else(studio: Studio) -> None:
    """Own versions that no pointer names go; the published one and those of others stay."""
    ffmpeg(*picture(), *X264, studio.input())
    studio.run(studio.order())
    published = studio.version
    for name, uid in (("a" * 16, "u-1"), ("b" * 16, "u-2")):
        (studio.output / "v" / name / "high").mkdir(parents=True)
        (studio.output / "v" / name / "order.json").write_text(json.dumps({"uid": uid}))
        (studio.output / "v" / name / "high" / "00000.m4s").write_bytes(b"x")
    assert studio.run(studio.order(task="Sweep")).reason is Reason.COMPLETED
    assert sorted(path.name for path in (studio.output / "v").iterdir()) == sorted(["b" * 16, published.name])
    assert_plays(studio.output / "master.m3u8", 80)


class Sabotaged(DirectoryStore):
    """A store in which something goes wrong between encoding and verification."""

    def __init__(self, root: Path, harm: Callable[[Path], None]) -> None:
        super().__init__(root)
        self.lock = Lock()
        self.harm = harm
        self.playlists = 0

    def put(
        self,
        bucket: str,
        key: str,
        data: bytes,
        *,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Does its harm after the last playlist of the version is stored."""
        given = super().put(
            bucket, key, data, content_type=content_type, cache_control=cache_control, metadata=metadata
        )
        version = (self.root / bucket / key).parents[1]
        with self.lock:
            self.playlists += key.endswith("media.m3u8")
            if key.endswith("media.m3u8") and self.playlists == len(("high", "low")):
                self.harm(version)
        return given


def remove(version: Path) -> None:
    (version / "low/00002.m4s").unlink()


def shorten(version: Path) -> None:
    path = version / "high/00001.m4s"
    path.write_bytes(path.read_bytes()[:-100])


def swap(version: Path) -> None:
    high, low = version / "high/00001.m4s", version / "low/00001.m4s"
    high.rename(version / "x")
    low.rename(high)
    (version / "x").rename(low)


def falsify(version: Path) -> None:
    path = version / "low/media.m3u8"
    path.write_text(path.read_text().replace("EXTINF:1.000000", "EXTINF:1.040000", 1))


@pytest.mark.parametrize(
    ("harm", "rule"),
    [
        pytest.param(remove, "objects-exist", id="a-segment-is-gone"),
        pytest.param(shorten, "objects-unchanged", id="a-segment-is-short"),
        pytest.param(swap, "objects-unchanged", id="rungs-are-swapped"),
        pytest.param(falsify, "extinf-true", id="a-playlist-lies"),
    ],
)
def test_a_sabotaged_package_is_not_published(studio: Studio, harm: Callable[[Path], None], rule: str) -> None:
    """The gate finds it, the report names it, no pointer is written; the next run makes all anew."""
    ffmpeg(*picture(), *X264, studio.input())
    ended = studio.run(studio.order(), Sabotaged(studio.root, harm))
    assert ended.reason is Reason.VERIFICATION_FAILED, ended.message
    report = json.loads((studio.version / "report.json").read_text())
    assert rule in [check["rule"] for check in report["checks"] if not check["passed"]]
    assert not (studio.output / "master.m3u8").exists()
    assert studio.run(studio.order(attempt=2)).reason is Reason.COMPLETED
    assert_plays(studio.output / "master.m3u8", 80)
    assert (studio.root / BUCKET / "out/master.m3u8").exists()


class Corrupting(DirectoryStore):
    """A store that stores one rung's segments with a hole of zeros in their middle, and says all is well."""

    def put_file(self, bucket: str, key: str, path: Path, **about: Any) -> ObjectInfo:
        """Size, boxes and times stay right."""
        if "/high/" in key and key.endswith(".m4s"):
            data = bytearray(path.read_bytes())
            data[-len(data) // 2 : -len(data) // 4] = bytes(-(-len(data) // 4))
            path.write_bytes(data)
        return super().put_file(bucket, key, path, **about)


def test_a_segment_that_does_not_decode_is_not_published(studio: Studio) -> None:
    """Only the decoder can see it; the finding names the segment."""
    ffmpeg(*picture(), *X264, studio.input())
    ended = studio.run(studio.order(), Corrupting(studio.root))
    assert ended.reason is Reason.VERIFICATION_FAILED, ended.message
    assert "decodes-strictly failed; first: v/" in ended.message
    assert "/high/0000" in ended.message
    assert not (studio.output / "master.m3u8").exists()


def test_a_published_version_is_left_as_it_is_when_its_repair_fails(studio: Studio) -> None:
    """A segment was lost after publishing and the gate refuses the repaired package: nothing of it is removed."""
    ffmpeg(*picture(), *X264, studio.input())
    studio.run(studio.order())
    studio.segments("low")[1].unlink()
    ended = studio.run(studio.order(attempt=2), Sabotaged(studio.root, falsify))
    assert ended.reason is Reason.VERIFICATION_FAILED
    assert_plays(studio.output / "master.m3u8", 80)
    assert_plays(studio.version / "high/media.m3u8", 80)
