"""Runs over a title that is published: whatever becomes of them, the title plays; what is old goes in its time."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from narwhal_operator.contract.order import TranscodeOrder
from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import AAC, X264, Studio, assert_plays, ffmpeg, picture, tone
from tests.support.processes import until
from workers.common.directory import DirectoryStore

FRAMES: Final = 80
OTHER: Final[dict[str, Any]] = {"ladder": {"renditions": [{"name": "only", "height": 72}]}}
THIRD: Final[dict[str, Any]] = {"ladder": {"renditions": [{"name": "third", "height": 64}]}}
AT_ONCE: Final = {"versionGracePeriod": "0s"}


@pytest.fixture
def published(studio: Studio) -> Studio:
    """A studio with a title in HLS and DASH."""
    ffmpeg(*picture(), *tone(), *X264, *AAC, studio.input())
    assert studio.run(studio.order()).reason is Reason.COMPLETED
    return studio


def versions(studio: Studio) -> list[str]:
    return sorted(path.name for path in (studio.output / "v").iterdir())


@contextmanager
def watched(studio: Studio) -> Iterator[list[str]]:
    """A viewer who asks for the master again and again, and for all it names; what was missing is in the list."""
    missing: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            master = (studio.output / "master.m3u8").read_text()
            lines = [line for line in master.splitlines() if line and not line.startswith("#")]
            for line in lines:
                folder = (studio.output / line).parent
                names = [name for name in (studio.output / line).read_text().splitlines() if name.endswith(".m4s")]
                missing.extend(str(folder / name) for name in names if not (folder / name).exists())

    viewer = threading.Thread(target=look)
    viewer.start()
    try:
        yield missing
    finally:
        over.set()
        viewer.join()


class Deadly(DirectoryStore):
    """A store at whose write of a certain key the process is killed, before or after it."""

    def __init__(self, root: Path, word: str, *, after: bool) -> None:
        super().__init__(root)
        self.word, self.after = word, after

    def put(self, bucket: str, key: str, data: bytes, **about: Any) -> Any:
        """The end of the process, or a write."""
        if key.endswith(self.word) and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        found = super().put(bucket, key, data, **about)
        if key.endswith(self.word):
            os.kill(os.getpid(), signal.SIGKILL)
        return found


def run_until_killed(base: Path, order: dict[str, Any], word: str, after: bool) -> None:
    studio = Studio(base)
    studio.run(TranscodeOrder.model_validate(order), Deadly(studio.root, word, after=after))


KILLS = [
    pytest.param("order.json", True, id="claimed"),
    pytest.param("media.m3u8", True, id="segments-are-stored"),
    pytest.param("report.json", True, id="verified"),
    pytest.param("master.m3u8", False, id="between-the-pointers"),
    pytest.param("master.m3u8", True, id="published"),
    pytest.param("outcome.json", True, id="written-down"),
]


@pytest.mark.parametrize(("word", "after"), KILLS)
def test_a_run_that_is_killed_leaves_a_title_that_plays(published: Studio, word: str, after: bool) -> None:
    """Kill -9 at each step of a run with other settings: the master plays all the time; the next run leaves no rest."""
    before = published.version
    spec = {**OTHER, "packaging": {"segmentDuration": "1s", "manifests": ["HLS", "DASH"]}}
    order = published.order(spec=spec, attempt=2).wire()
    with watched(published) as missing:
        process = multiprocessing.get_context("spawn").Process(
            target=run_until_killed, args=(published.base, order, word, after)
        )
        process.start()
        process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert missing == []
    assert_plays(published.output / "master.m3u8", FRAMES)
    assert_plays(before / "high/media.m3u8", FRAMES)

    ended = published.run(published.order(spec={**THIRD, **AT_ONCE, "keepVersions": 0}, attempt=3))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert "third/media.m3u8" in (published.output / "master.m3u8").read_text()
    assert versions(published) == [published.version.name]
    assert not (published.output / "manifest.mpd").exists(), "it names a version that is gone"
    assert_plays(published.output / "master.m3u8", FRAMES)


def test_a_run_that_fails_or_is_cancelled_leaves_a_title_that_plays(published: Studio) -> None:
    """Input that is damaged since; a stop in mid-encode: the same version plays, and the next run sweeps."""
    before = published.version
    master = (published.output / "master.m3u8").read_bytes()
    whole = published.input().read_bytes()
    with watched(published) as missing:
        published.input().write_bytes(whole[: len(whole) // 2])
        assert published.run(published.order(spec=OTHER, attempt=2)).reason is Reason.INPUT_TRUNCATED
        ffmpeg(*picture("640x360", "30", 60), *X264, published.input())
        worker = published.start(published.order(spec={**OTHER, **AT_ONCE}, attempt=3))
        until(lambda: list(published.output.glob("v/*/only/*.m4s")), 60, "a segment is stored")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10)
    assert missing == []
    assert (published.output / "master.m3u8").read_bytes() == master
    assert len(versions(published)) == 2
    published.input().write_bytes(whole)
    os.utime(published.input())
    assert published.run(published.order(spec={**THIRD, **AT_ONCE}, attempt=4)).reason is Reason.COMPLETED
    assert len(versions(published)) == 2
    assert_plays(before / "high/media.m3u8", FRAMES)


def test_older_versions_go_at_the_run_after_their_grace(published: Studio) -> None:
    """With a grace all stay; without, as many as are to be kept; those of another resource stay whatever is said."""
    first = published.version.name
    foreign = published.output / "v" / ("f" * 16)
    foreign.mkdir()
    (foreign / "order.json").write_text('{"uid": "another"}')
    assert published.run(published.order(spec=OTHER, attempt=2)).reason is Reason.COMPLETED
    assert published.run(published.order(spec=THIRD, attempt=3)).reason is Reason.COMPLETED
    assert len(versions(published)) == 4
    assert published.run(published.order(spec={**THIRD, **AT_ONCE}, attempt=4)).reason is Reason.COMPLETED
    left = versions(published)
    assert len(left) == 3
    assert first not in left
    assert foreign.name in left
    assert published.run(published.order(task="Sweep", spec={**AT_ONCE, "keepVersions": 0})).reason is Reason.COMPLETED
    assert len(versions(published)) == 2
    assert_plays(published.output / "master.m3u8", FRAMES)


def test_a_version_that_waits_for_its_end_is_told_and_goes_by_a_sweep_alone(published: Studio) -> None:
    """The result says since when; the sweep of an order whose grace is over removes it without another run."""
    again = published.run(published.order(spec={"keepVersions": 0}, attempt=2)).result
    assert again is not None
    assert again.result is not None
    assert again.result.superseded_at is None
    ended = published.run(published.order(spec={**OTHER, "keepVersions": 0}, attempt=3))
    assert ended.result is not None
    assert ended.result.result is not None
    since = ended.result.result.superseded_at
    assert since is not None
    assert abs(datetime.now(UTC) - datetime.fromisoformat(since)) < timedelta(minutes=2)
    assert len(versions(published)) == 2
    swept = published.run(published.order(task="Sweep", spec={**OTHER, **AT_ONCE, "keepVersions": 0}))
    assert swept.reason is Reason.COMPLETED
    assert len(versions(published)) == 1
    assert_plays(published.output / "master.m3u8", FRAMES)


def test_with_its_deletion_all_that_it_made_goes(published: Studio) -> None:
    """Pointers and versions, published and not; what another resource made, or asked for since, goes with that one."""
    assert published.run(published.order(spec=OTHER, attempt=2)).reason is Reason.COMPLETED
    (published.output / "v" / ("e" * 16)).mkdir()
    (published.output / "v" / ("e" * 16) / "order.json").write_text('{"uid": "u-1"}')
    foreign = published.output / "v" / ("f" * 16)
    foreign.mkdir()
    (foreign / "order.json").write_text('{"uid": "another"}')
    again = published.run(published.order(spec=OTHER, uid="u-2", name="a-longer-name"))
    assert again.message == "All was done by an earlier run."
    whole = published.run(published.order(spec=OTHER, uid="u-2", name="a-longer-name", attempt=2))
    assert whole.message == "All was done by an earlier run.", "its record says how large it is now"
    gone = published.run(published.order(task="Sweep", spec=OTHER, remove_output=True))
    assert gone.reason is Reason.COMPLETED, gone.message
    assert len(versions(published)) == 2
    assert_plays(published.output / "master.m3u8", FRAMES)
    gone = published.run(published.order(task="Sweep", spec=OTHER, uid="u-2", remove_output=True))
    assert gone.reason is Reason.COMPLETED, gone.message
    assert versions(published) == [foreign.name]
    assert not (published.output / "master.m3u8").exists()
    assert not (published.output / "manifest.mpd").exists()


def test_the_same_work_twice_makes_the_same_bytes(published: Studio, tmp_path: Path) -> None:
    """Segments, playlists and both pointers: nothing of them is of the clock, of chance or of the threads."""
    spec = {"packaging": {"segmentDuration": "1s", "manifests": ["HLS", "DASH"]}}
    packages = []
    for name in ("one", "two"):
        studio = Studio(tmp_path / name)
        studio.input().write_bytes(published.input().read_bytes())
        os.utime(studio.input(), ns=(0, 0))
        assert studio.run(studio.order(spec=spec)).reason is Reason.COMPLETED
        files = [path for path in studio.output.rglob("*") if path.suffix in {".m4s", ".mp4", ".m3u8", ".mpd"}]
        version = studio.version.name.encode()
        # A directory store's ETag, which names the version, is of the file's inode.
        found = {str(path.relative_to(studio.output)).replace(studio.version.name, "V"): path for path in files}
        packages.append({key: path.read_bytes().replace(version, b"V") for key, path in found.items()})
    assert len(packages[0]) > 10
    assert packages[0] == packages[1]
