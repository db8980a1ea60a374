"""A real swarm on the loopback: what comes out are the bytes that went in, under the keys that were asked for."""

import asyncio
import hashlib
from pathlib import Path

import libtorrent as lt
import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.torrent.conftest import Place, content, joined, watched
from tests.support.downloads import fetch
from tests.support.origin import Exchange, Handler, Origin
from tests.support.swarm import Seeder, Tracker, make_torrent

CLIP = Path(__file__).parents[2] / "data" / "big-buck-bunny.mp4"
FILM = content(1, 3_000_001)
SHOW = {"show/S1/e1.mkv": content(2, 1_500_000), "show/S1/e1.srt": b"1\n00:00\nhello\n", "show/S2/e1.mkv": FILM}


def sha256(data: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("way", ["url", "magnet"])
async def test_a_single_file_becomes_the_key_itself(place: Place, tracker: Tracker, tmp_path: Path, way: str) -> None:
    """By .torrent file and by magnet link, whose metadata a peer sends: bytes, size and digest are right."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url])
    with joined(torrent) as url, Seeder(torrent, [tracker.url]):
        source = {"url": url()} if way == "url" else {"magnet": torrent.magnet(tracker.url)}
        ended = await fetch(place.order(source, key="films/x.mkv"), tmp_path / "scratch")

    assert ended.reason is Reason.COMPLETED, ended.message
    assert place.objects() == {"films/x.mkv": FILM}
    assert ended.artifact is not None
    assert (ended.artifact.key, ended.artifact.size, ended.artifact.sha256) == ("films/x.mkv", len(FILM), sha256(FILM))
    assert ended.artifact.files is None
    assert place.own() == ["record.json"]
    found = place.open().head(place.bucket, "films/x.mkv")
    assert found is not None
    assert found.metadata["narwhal-sha256"] == sha256(FILM)
    assert found.metadata["narwhal-uid"] == "uid-1"


async def test_a_torrent_file_may_be_an_object(place: Place, tracker: Tracker, tmp_path: Path) -> None:
    """A .torrent file in a store serves as well as one at a URL; what was received is counted."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url])
    named = {"bucket": place.bucket, "key": "torrents/film.torrent"}
    place.open().put(place.bucket, named["key"], torrent.data, content_type="application/x-bittorrent")
    order = place.order({"object": named}, torrentFile={"store": place.store.wire(), **named})
    with Seeder(torrent, [tracker.url]):
        ended = await fetch(order, tmp_path / "scratch")

    assert ended.reason is Reason.COMPLETED, ended.message
    assert place.objects()["films/x"] == FILM
    assert "\nnarwhal_torrent_received_bytes_total 3.000001e+06\n" in ended.metrics


async def test_an_artifact_says_what_its_main_file_is(place: Place, tracker: Tracker, tmp_path: Path) -> None:
    """Container, duration and streams, as of a download over HTTP; also when the objects are there already."""
    torrent = make_torrent(tmp_path / "seed", {"s/clip.mp4": CLIP.read_bytes(), "s/notes.txt": b"hello"}, [tracker.url])
    order = place.order({"magnet": torrent.magnet(tracker.url)})
    with Seeder(torrent, [tracker.url]):
        first = await fetch(order, tmp_path / "one")
    again = await fetch(order, tmp_path / "two")

    for ended in (first, again):
        assert ended.artifact is not None
        assert ended.artifact.key == "films/x/clip.mp4"
        assert ended.artifact.media is not None
        assert ended.artifact.media.duration_seconds == pytest.approx(5.3, abs=0.2)
        assert len(ended.artifact.media.streams) == 2
    assert "there already" in again.message


@pytest.mark.parametrize(
    ("data", "reason", "says"),
    [
        (None, Reason.INPUT_NOT_FOUND, "films.torrent (spec.source.torrent.object) does not exist"),
        (b"", Reason.TORRENT_INVALID, "0 bytes"),
        (b"<html>", Reason.TORRENT_INVALID, "is no .torrent file"),
    ],
)
async def test_a_torrent_object_that_is_none_says_so(
    place: Place, tmp_path: Path, data: bytes | None, reason: Reason, says: str
) -> None:
    """A missing, an empty and another object have their words, and the object is named."""
    named = {"bucket": place.bucket, "key": "films.torrent"}
    if data is not None:
        place.open().put(place.bucket, named["key"], data, content_type="application/x-bittorrent")
    order = place.order({"object": named}, torrentFile={"store": place.store.wire(), **named})

    ended = await fetch(order, tmp_path / "scratch")

    assert ended.reason is reason
    assert says in ended.message
    assert named["key"] in ended.message


async def test_several_files_lie_below_the_key(place: Place, tracker: Tracker, tmp_path: Path) -> None:
    """Each file is an object with its path; the artifact is the largest video and lists all."""
    torrent = make_torrent(tmp_path / "seed", {**SHOW, "show/empty.txt": b""}, [tracker.url])
    with Seeder(torrent, [tracker.url]):
        ended = await fetch(place.order({"magnet": torrent.magnet(tracker.url)}), tmp_path / "scratch")

    assert ended.reason is Reason.COMPLETED, ended.message
    wanted = {path.replace("show/", "films/x/", 1): data for path, data in SHOW.items()}
    assert place.objects() == {**wanted, "films/x/empty.txt": b""}
    assert ended.artifact is not None
    assert ended.artifact.files is not None
    assert ended.artifact.key == ended.artifact.files[0].key == "films/x/S2/e1.mkv"
    assert ended.artifact.file_count == 4
    assert {file.key: (file.size, file.sha256) for file in ended.artifact.files} == {
        key: (len(data), sha256(data)) for key, data in place.objects().items()
    }


async def test_only_what_the_patterns_name_is_fetched(directory: Place, tracker: Tracker, tmp_path: Path) -> None:
    """Of other files no more than the pieces they share with chosen ones."""
    files = {"show/a.iso": content(3, 4_000_000), "show/b.mkv": FILM[:200_000], "show/c.iso": content(4, 4_000_000)}
    torrent = make_torrent(tmp_path / "seed", files, [tracker.url], flags=lt.create_torrent.v1_only)
    with Seeder(torrent, [tracker.url]) as seeder:
        source = {"magnet": torrent.magnet(tracker.url), "files": ["*.mkv"]}
        ended = await fetch(directory.order(source), tmp_path / "scratch")
        sent = seeder.uploaded

    assert ended.reason is Reason.COMPLETED, ended.message
    assert directory.objects() == {"films/x": files["show/b.mkv"]}
    assert sent <= 200_000 + 2 * 64 * 1024


async def test_patterns_that_match_nothing_have_their_reason(place: Place, tracker: Tracker, tmp_path: Path) -> None:
    """Nothing is fetched, nothing is left."""
    torrent = make_torrent(tmp_path / "seed", SHOW, [tracker.url])
    with Seeder(torrent, [tracker.url]) as seeder:
        source = {"magnet": torrent.magnet(tracker.url), "files": ["*.webm"]}
        ended = await fetch(place.order(source), tmp_path / "scratch")

        assert seeder.uploaded == 0
    assert ended.reason is Reason.TORRENT_FILES_UNMATCHED
    assert place.objects() == {}
    assert place.own() == []


@pytest.mark.parametrize("flags", [lt.create_torrent.v1_only, lt.create_torrent.v2_only, 0], ids=["v1", "v2", "hybrid"])
async def test_every_version_of_torrents(directory: Place, tracker: Tracker, tmp_path: Path, flags: int) -> None:
    """Version 1 (BEP 3), version 2 (BEP 52) and both in one, by magnet link."""
    torrent = make_torrent(tmp_path / "seed", SHOW, [tracker.url], flags=flags)
    with Seeder(torrent, [tracker.url]):
        ended = await fetch(directory.order({"magnet": torrent.magnet(tracker.url)}), tmp_path / "scratch")

    assert ended.reason is Reason.COMPLETED, ended.message
    assert directory.objects() == {path.replace("show/", "films/x/", 1): data for path, data in SHOW.items()}


async def test_a_magnet_link_may_name_its_peer(directory: Place, tracker: Tracker, tmp_path: Path) -> None:
    """`x.pe` (BEP 9) is enough: no tracker is asked."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM})
    with Seeder(torrent) as seeder:
        source = {"magnet": torrent.magnet(peers=[("127.0.0.1", seeder.port)])}
        ended = await fetch(directory.order(source), tmp_path / "scratch")

    assert ended.reason is Reason.COMPLETED, ended.message
    assert tracker.requests == []


def ranges(data: bytes) -> Handler:
    """A file of which any range can be had."""

    def handler(exchange: Exchange) -> None:
        first, _, last = exchange.headers["range"].removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last), len(data) - 1)
        fields = {"Content-Range": f"bytes {start}-{end}/{len(data)}", "Content-Type": "video/mp4"}
        exchange.respond("206 Partial Content", data[start : end + 1], fields)

    return handler


async def test_a_web_seed_is_enough(directory: Place, tmp_path: Path) -> None:
    """A torrent without a tracker is fetched from the HTTP server it names (BEP 19)."""
    with Origin() as origin:
        torrent = make_torrent(tmp_path / "seed", SHOW, web_seeds=[origin.url("/seed/")])
        for path, data in SHOW.items():
            origin.serve(f"/seed/{path}", ranges(data))
        with joined(torrent) as url:
            ended = await fetch(directory.order({"url": url()}), tmp_path / "scratch")

    assert ended.reason is Reason.COMPLETED, ended.message
    assert directory.objects() == {path.replace("show/", "films/x/", 1): data for path, data in SHOW.items()}


@pytest.mark.parametrize("right", [True, False])
async def test_a_checksum_is_held_against_the_single_file(
    place: Place, tracker: Tracker, tmp_path: Path, *, right: bool
) -> None:
    """A digest that does not fit ends with ChecksumMismatch; nothing appears and nothing is left."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url])
    with Seeder(torrent, [tracker.url]):
        checksum = {"sha256": sha256(FILM if right else b"other")}
        order = place.order({"magnet": torrent.magnet(tracker.url)}, checksum=checksum)
        ended = await fetch(order, tmp_path / "scratch")

    assert ended.reason is (Reason.COMPLETED if right else Reason.CHECKSUM_MISMATCH)
    assert place.objects() == ({"films/x": FILM} if right else {})
    assert place.own() == (["record.json"] if right else [])


async def test_a_checksum_of_several_files_is_refused(directory: Place, tracker: Tracker, tmp_path: Path) -> None:
    """It cannot be of all of them."""
    torrent = make_torrent(tmp_path / "seed", SHOW, [tracker.url])
    with Seeder(torrent, [tracker.url]):
        order = directory.order({"magnet": torrent.magnet(tracker.url)}, checksum={"sha256": sha256(FILM)})
        ended = await fetch(order, tmp_path / "scratch")

    assert ended.reason is Reason.INVALID_ORDER
    assert "spec.source.torrent.files" in ended.message


async def test_a_finished_torrent_is_not_fetched_again(place: Place, tracker: Tracker, tmp_path: Path) -> None:
    """The same order finds its objects in the store and asks nobody; an object that was changed is fetched again."""
    torrent = make_torrent(tmp_path / "seed", SHOW, [tracker.url])
    order = place.order({"magnet": torrent.magnet(tracker.url)})
    with Seeder(torrent, [tracker.url]):
        first = await fetch(order, tmp_path / "one")
        asked = len(tracker.requests)
        again = await fetch(order, tmp_path / "two")

        assert again.reason is Reason.COMPLETED
        assert again.artifact == first.artifact
        assert all("left=0" in request for request in tracker.requests[asked:])  # the seeder alone
        place.open().put(place.bucket, "films/x/S1/e1.srt", b"changed", content_type="text/plain")
        third = await fetch(order, tmp_path / "three")

    assert third.artifact == first.artifact
    assert place.objects()["films/x/S1/e1.srt"] == SHOW["show/S1/e1.srt"]


async def test_the_bandwidth_limit_holds_on_a_local_network_too(
    directory: Place, tracker: Tracker, tmp_path: Path
) -> None:
    """A limit of libtorrent's session would leave out peers of the local network; one of the torrent does not."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url])
    loop = asyncio.get_running_loop()
    with Seeder(torrent, [tracker.url]):
        begun = loop.time()
        order = directory.order({"magnet": torrent.magnet(tracker.url)}, bandwidthLimit="1M")
        ended = await fetch(order, tmp_path / "scratch")

    assert ended.reason is Reason.COMPLETED, ended.message
    assert loop.time() - begun > 2


async def test_progress_tells_peers_rate_and_bytes(directory: Place, tracker: Tracker, tmp_path: Path) -> None:
    """What a person watches: peers connected, copies among them, bytes a second."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url])
    with Seeder(torrent, [tracker.url], rate=1_000_000):
        order = directory.order({"magnet": torrent.magnet(tracker.url)})
        result, reports = await watched(order, tmp_path / "scratch")

    progress = [report.download for report in reports if report.download]
    middle = [item for item in progress if item.peers and item.bytes_done > 500_000]
    assert result.artifact is not None
    assert [report.phase for report in reports][:1] == ["Connecting"]
    assert any(item.bytes_per_second and item.availability and item.availability >= 1 for item in middle)
    assert all(item.bytes_total == len(FILM) for item in middle)
    assert [item.percent for item in middle] == sorted(item.percent or 0 for item in middle)
    assert progress[-1].percent == 100
