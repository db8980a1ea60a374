"""Torrents that could harm are refused before a byte of their files is asked for."""

from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.torrent.conftest import Place, content, joined
from tests.support.downloads import fetch
from tests.support.origin import Origin, status
from tests.support.seaweed import S3Server
from tests.support.swarm import PIECE, Seeder, Torrent, Tracker, make_torrent

FILM = content(1, 10 * PIECE)


def poisoned(torrent: Torrent, change: dict[bytes, Any]) -> Torrent:
    """A torrent of version 1 whose info dictionary is changed: another torrent, of the same bytes."""
    whole: Any = lt.bdecode(torrent.data)
    whole[b"info"].update(change)
    return Torrent(lt.bencode(whole), torrent.folder)


def files(*paths: list[bytes], size: int = len(FILM)) -> dict[bytes, Any]:
    """A list of files: the first has all the bytes, the others none."""
    entries = [{b"length": size if number == 0 else 0, b"path": path} for number, path in enumerate(paths)]
    return {b"files": entries}


POISON = [
    pytest.param(files([b"..", b"..", b"etc", b"passwd"]), id="up"),
    pytest.param(files([b"a.mkv"], [b"..", b"x"]), id="up-in-an-empty-file"),
    pytest.param(files([b"/etc/passwd"]), id="absolute"),
    pytest.param(files([b"a\0.mkv"]), id="nul"),
    pytest.param(files([b"n" * 300]), id="long"),
    pytest.param(files([b"a.mkv"], *[[b"%d" % number] for number in range(10_001)]), id="too-many"),
    pytest.param({b"files": [{b"length": len(FILM), b"path": [b"a"], b"symlink path": [b"..", b"etc"]}]}, id="link"),
    pytest.param({b"name": b"../../x"}, id="own-name"),
]


def data_files(tmp_path: Path) -> list[Path]:
    """Files of a torrent on disk."""
    return list(tmp_path.glob("scratch/**/*.data"))


def single(tmp_path: Path, tracker: Tracker) -> Torrent:
    """A torrent of version 1 in a directory of its own."""
    return make_torrent(tmp_path / "seed", {"show/a.mkv": FILM}, [tracker.url], flags=lt.create_torrent.v1_only)


@pytest.mark.parametrize("change", POISON)
async def test_a_poisoned_torrent_file_is_refused(
    directory: Place, tracker: Tracker, tmp_path: Path, change: dict[bytes, Any]
) -> None:
    """No tracker is asked, no peer is dialled, no file is made."""
    torrent = poisoned(single(tmp_path, tracker), change)
    with joined(torrent) as url:
        ended = await fetch(directory.order({"url": url()}), tmp_path / "scratch")

    assert ended.reason is Reason.TORRENT_UNSAFE, ended.message
    assert tracker.requests == []
    assert directory.objects() == {}
    assert directory.own() == []
    assert data_files(tmp_path) == []


@pytest.mark.parametrize("change", POISON[:3])
async def test_poisoned_metadata_of_a_peer_is_refused(
    directory: Place, tracker: Tracker, tmp_path: Path, change: dict[bytes, Any]
) -> None:
    """The peer has given its metadata, and not a byte of the files is asked of it."""
    torrent = poisoned(single(tmp_path, tracker), change)
    with Seeder(torrent, [tracker.url], unchecked=True) as seeder:
        ended = await fetch(directory.order({"magnet": torrent.magnet(tracker.url)}), tmp_path / "scratch")

        assert ended.reason is Reason.TORRENT_UNSAFE, ended.message
        assert seeder.uploaded == 0
    assert directory.objects() == {}
    assert directory.own() == []


@pytest.mark.parametrize("way", ["url", "magnet"])
async def test_a_torrent_over_the_size_limit_is_refused(
    place: Place, tracker: Tracker, tmp_path: Path, way: str
) -> None:
    """spec.maxBytes is held against the chosen files before the first byte."""
    torrent = single(tmp_path, tracker)
    with Seeder(torrent, [tracker.url]) as seeder, joined(torrent) as url:
        source = {"url": url()} if way == "url" else {"magnet": torrent.magnet(tracker.url)}
        ended = await fetch(place.order(source, maxBytes=len(FILM) - 1), tmp_path / "scratch")

        assert ended.reason is Reason.SOURCE_TOO_LARGE, ended.message
        assert seeder.uploaded == 0
    assert place.own() == []


async def test_a_torrent_larger_than_the_disk_is_refused(place: Place, tracker: Tracker, tmp_path: Path) -> None:
    """Eight tebibytes do not fit, and nothing is begun to find that out."""
    huge, piece = 2**43, 2**27
    pieces = {b"piece length": piece, b"pieces": b"h" * 20 * (huge // piece)}
    torrent = poisoned(single(tmp_path, tracker), {**files([b"a.mkv"], size=huge), **pieces})
    with joined(torrent) as url:
        ended = await fetch(place.order({"url": url()}), tmp_path / "scratch")

    assert ended.reason in {Reason.SCRATCH_FULL, Reason.STORE_FULL}, ended.message
    assert f"{huge} bytes" in ended.message
    assert tracker.requests == []


async def test_a_torrent_larger_than_the_scratch_volume_may_be_is_refused(
    s3: S3Server, tracker: Tracker, tmp_path: Path
) -> None:
    """Its bound is told in the order: a pod that went over it would be evicted, again and again."""
    place = Place(s3.secret(), s3.bucket("bounded"))
    with joined(single(tmp_path, tracker)) as url:
        ended = await fetch(place.order({"url": url()}, scratchBytes=64 * 1024 * 1024), tmp_path / "scratch")

    assert ended.reason is Reason.SCRATCH_FULL
    assert "room for 67108864" in ended.message
    assert tracker.requests == []


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>log in</html>", id="page"),
        pytest.param(b"d4:infod", id="cut"),
        pytest.param(b"l" * 5000, id="deep"),
        pytest.param(b"d4:infod4:name1:xee", id="no-files"),
    ],
)
async def test_what_is_no_torrent_file_is_told(directory: Place, tmp_path: Path, data: bytes) -> None:
    """A page, a cut file, anything else."""
    with Origin() as origin:
        url = origin.serve("/a.torrent", lambda exchange: exchange.respond("200 OK", data))
        ended = await fetch(directory.order({"url": url}), tmp_path / "scratch")

    assert ended.reason is Reason.TORRENT_INVALID


async def test_a_torrent_file_that_is_not_there_or_too_large_is_told(directory: Place, tmp_path: Path) -> None:
    """It comes through the HTTP client of all downloads, with its reasons."""
    with Origin() as origin:
        gone = origin.serve("/gone", status("404 Not Found"))
        large = origin.serve("/large", lambda exchange: exchange.respond("200 OK", bytes(10_000_001)))

        assert (await fetch(directory.order({"url": gone}), tmp_path / "a")).reason is Reason.SOURCE_NOT_FOUND
        assert (await fetch(directory.order({"url": large}), tmp_path / "b")).reason is Reason.SOURCE_TOO_LARGE


@pytest.mark.parametrize("magnet", ["magnet:?xt=urn:btih:zz", "magnet:?xt=urn:btih:" + "a" * 40])
async def test_a_magnet_link_that_leads_nowhere_is_invalid(directory: Place, tmp_path: Path, magnet: str) -> None:
    """A malformed hash; or no tracker and no peer, for workers ask no distributed hash table."""
    ended = await fetch(directory.order({"magnet": magnet}), tmp_path / "scratch")

    assert ended.reason is Reason.TORRENT_INVALID
