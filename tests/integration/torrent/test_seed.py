"""Seeding: as long as the spec says, and never at the price of the outcome."""

import asyncio
import signal
import time
from pathlib import Path

from tests.integration.torrent.conftest import Place, content, watched
from tests.integration.torrent.test_resume import STOP_SECONDS, worker
from tests.support.processes import until
from tests.support.swarm import PIECE, Seeder, Tracker, make_torrent

FILM = content(1, 40 * PIECE)


async def test_without_a_word_nothing_is_seeded(directory: Place, tracker: Tracker, tmp_path: Path) -> None:
    """The default is to leave as soon as all is stored."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url])
    with Seeder(torrent, [tracker.url]):
        _, reports = await watched(directory.order({"magnet": torrent.magnet(tracker.url)}), tmp_path / "scratch")

    assert "Seeding" not in {report.phase for report in reports}


async def test_seeding_ends_after_its_time(place: Place, tracker: Tracker, tmp_path: Path) -> None:
    """Nobody asks for anything; the objects are there before, and the outcome comes after."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url])
    source = {"magnet": torrent.magnet(tracker.url), "seed": {"ratio": 1, "time": "2s"}}
    with Seeder(torrent, [tracker.url]):
        result, reports = await watched(place.order(source), tmp_path / "scratch")

    assert result.artifact is not None
    assert "Seeding" in {report.phase for report in reports}
    assert place.objects() == {"films/x": FILM}
    assert place.own() == ["record.json"]


async def test_seeding_ends_at_its_ratio(place: Place, tracker: Tracker, tmp_path: Path) -> None:
    """A peer that has nothing gets it from the worker, which leaves when it has given enough."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url])
    source = {"magnet": torrent.magnet(tracker.url), "seed": {"ratio": 0.9, "time": "60s"}}
    (tmp_path / "empty").mkdir()
    with Seeder(torrent, [tracker.url]), Seeder(torrent, folder=tmp_path / "empty", host="127.0.0.3") as leecher:
        tracker.always = [("127.0.0.3", leecher.port)]
        result, _ = await asyncio.wait_for(watched(place.order(source), tmp_path / "scratch"), 90)
        got = leecher.downloaded

    # Not asserted: the phase Seeding. Where the store is slow the peer has its share before the upload is done.
    assert result.artifact is not None
    assert got >= 0.9 * len(FILM)


def test_a_stop_while_seeding_is_no_failure(tmp_path: Path, directory: Place, tracker: Tracker) -> None:
    """All is done and told: the outcome is Completed."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url])
    source = {"magnet": torrent.magnet(tracker.url), "seed": {"ratio": 5}}
    with Seeder(torrent, [tracker.url]), worker(directory.order(source), tmp_path / "one") as run:
        until(lambda: any(report["phase"] == "Seeding" for report in run.said("report")), 60, "it seeds")
        begun = time.monotonic()
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(10) == 0

        assert time.monotonic() - begun < STOP_SECONDS
    outcome = run.said("outcome")[0]
    assert outcome["reason"] == "Completed"
    assert outcome["artifact"]["key"] == "films/x"
    assert directory.own() == ["record.json"]
