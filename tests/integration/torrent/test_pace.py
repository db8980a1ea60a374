"""A swarm that is faster than the store waits for it: what a kill may cost has a bound."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import Reason, WorkError
from tests.integration.torrent.conftest import Place, content
from tests.support.downloads import fetch
from tests.support.seaweed import S3Server
from tests.support.swarm import PIECE, Seeder, Tracker, make_torrent
from workers.download.torrent import keeping
from workers.download.torrent.keep import InChunks
from workers.download.torrent.layout import Span
from workers.download.torrent.swarm import Swarm

MIB = 1024 * 1024
FILM = content(1, 40 * MIB)
AHEAD = 8 * MIB


class Holds:
    """What the swarm is told, and a store that takes nothing until the swarm has been told to wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, mended: bool) -> None:
        self.told: list[bool] = []
        hold, save = Swarm.hold, InChunks.save

        def noted(swarm: Swarm, wanted: bool) -> None:
            if wanted is not swarm.held:
                self.told.append(wanted)
            hold(swarm, wanted)

        def failing(keep: InChunks, spans: Iterable[Span]) -> None:
            if not (mended and self.told):
                raise WorkError(Reason.STORE_UNREACHABLE, "The store is away.")
            save(keep, spans)

        monkeypatch.setattr(Swarm, "hold", noted)
        monkeypatch.setattr(InChunks, "save", failing)
        monkeypatch.setattr(keeping, "LEAST_AHEAD", AHEAD)
        monkeypatch.setattr(keeping, "KEEP_SECONDS", 0.2)
        monkeypatch.setattr(keeping, "PATIENCE_SECONDS", 1.0)


async def test_the_swarm_waits_until_the_store_has_caught_up(
    s3: S3Server, tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told to wait when it is far ahead, and to go on when that is stored; nothing is lost by it."""
    place = Place(s3.secret(), s3.bucket("pace"))
    holds = Holds(monkeypatch, mended=True)
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url], piece=4 * PIECE)
    with Seeder(torrent, [tracker.url], rate=16 * MIB):
        ended = await fetch(place.order({"magnet": torrent.magnet(tracker.url)}), tmp_path / "scratch")

    assert ended.reason is Reason.COMPLETED, ended.message
    assert holds.told[:2] == [True, False]
    assert place.objects() == {"films/x": FILM}


async def test_a_store_that_stays_away_ends_the_attempt_with_its_own_reason(
    s3: S3Server, tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as a stall, which would be the swarm's; and little more than what it may be ahead was fetched for nothing."""
    place = Place(s3.secret(), s3.bucket("away"))
    Holds(monkeypatch, mended=False)
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url], piece=4 * PIECE)
    with Seeder(torrent, [tracker.url], rate=8 * MIB) as seeder:
        ended = await fetch(place.order({"magnet": torrent.magnet(tracker.url)}), tmp_path / "scratch")
        sent = seeder.uploaded

    assert ended.reason is Reason.STORE_UNREACHABLE
    assert sent < len(FILM) - 4 * MIB
    assert place.objects() == {}
