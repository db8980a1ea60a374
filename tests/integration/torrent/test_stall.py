"""Swarms that give nothing: each ends with its own reason, within its time, and keeps what has come."""

import time
from pathlib import Path

import libtorrent as lt

from narwhal_operator.contract.outcome import Reason
from tests.integration.torrent.conftest import Place, content, joined
from tests.support.downloads import fetch
from tests.support.swarm import PIECE, Seeder, Tracker, make_torrent

FILM = content(1, 40 * PIECE)


async def test_a_magnet_link_without_peers_ends_with_its_reason(
    directory: Place, tracker: Tracker, tmp_path: Path
) -> None:
    """The tracker answers that it knows nobody; after metadataTimeout it is over, whatever stallTimeout says."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM})
    begun = time.monotonic()

    ended = await fetch(
        directory.order({"magnet": torrent.magnet(tracker.url), "metadataTimeout": "2s"}), tmp_path / "scratch"
    )

    assert ended.reason is Reason.TORRENT_METADATA_TIMEOUT
    assert 2 <= time.monotonic() - begun < 6
    assert "For 2s no peer was found" in ended.message
    assert "127.0.0.1: knows 0 peers" in ended.message


async def test_a_swarm_without_peers_stalls(directory: Place, tracker: Tracker, tmp_path: Path) -> None:
    """With the metadata at hand it is the bytes that do not come."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM})
    begun = time.monotonic()

    with joined(torrent) as url:
        ended = await fetch(directory.order({"url": url(tracker.url), "stallTimeout": "2s"}), tmp_path / "scratch")

    assert ended.reason is Reason.TORRENT_NO_PEERS
    assert 2 <= time.monotonic() - begun < 6
    assert f"{len(FILM)} bytes are missing: no peer is connected; a complete copy was never seen" in ended.message


async def test_a_dead_tracker_is_named_without_its_passkey(directory: Place, tmp_path: Path) -> None:
    """Who is asked in vain is told by host: the rest is a person's secret."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM})
    order = directory.order(
        {"magnet": torrent.magnet("http://127.0.0.1:1/announce?passkey=s3cret"), "stallTimeout": "2s"}
    )

    ended = await fetch(order, tmp_path / "scratch")

    assert ended.reason is Reason.TORRENT_METADATA_TIMEOUT
    assert "127.0.0.1: Connection refused" in ended.message
    assert "s3cret" not in ended.message


async def test_peers_without_the_missing_pieces_are_a_stall(place: Place, tracker: Tracker, tmp_path: Path) -> None:
    """What the peers have is fetched and kept; with one that has the rest it goes on from there."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url])
    half = FILM[: 20 * PIECE]
    partial = tmp_path / "partial"
    partial.mkdir()
    (partial / "film.mkv").write_bytes(half)
    order = place.order({"magnet": torrent.magnet(tracker.url), "stallTimeout": "5s"})

    with Seeder(torrent, folder=partial) as half_seeder:
        tracker.always = [("127.0.0.1", half_seeder.port)]
        first = await fetch(order, tmp_path / "one")

    assert first.reason is Reason.TORRENT_INCOMPLETE
    assert f"{len(FILM) - len(half)} bytes are missing: none of 1 connected peers has what is missing" in first.message
    assert place.objects() == {}
    tracker.always = []
    with Seeder(torrent, [tracker.url]) as seeder:
        second = await fetch(order, tmp_path / "two")

        assert second.reason is Reason.COMPLETED, second.message
        assert seeder.uploaded <= len(FILM) - len(half) + PIECE
    assert place.objects() == {"films/x": FILM}


async def test_poisoned_pieces_are_no_progress(directory: Place, tracker: Tracker, tmp_path: Path) -> None:
    """A peer that says it has everything and sends other bytes is found out by their hash: never wrong bytes."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url], flags=lt.create_torrent.v1_only)
    poison = tmp_path / "poison"
    poison.mkdir()
    (poison / "film.mkv").write_bytes(bytes(len(FILM)))
    order = directory.order({"magnet": torrent.magnet(tracker.url), "stallTimeout": "3s"})

    with Seeder(torrent, [tracker.url], folder=poison, unchecked=True) as liar:
        ended = await fetch(order, tmp_path / "scratch")

        assert liar.uploaded > 0
    assert ended.reason in {Reason.TORRENT_NO_PEERS, Reason.TORRENT_STALLED}  # the liar is banned, and perhaps gone
    assert directory.objects() == {}
    assert ended.report.download is not None
    assert (ended.report.download.bytes_refetched or 0) > 0
