"""Killed, stopped, swept: what is kept, what is fetched again, what is left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest

from narwhal_operator.contract.order import DownloadOrder
from narwhal_operator.contract.outcome import Reason, WorkError
from tests.integration.torrent.conftest import Place, content
from tests.support.downloads import fetch
from tests.support.processes import program, until
from tests.support.seaweed import S3Server
from tests.support.swarm import PIECE, Seeder, Tracker, make_torrent
from workers.download.torrent import keeping
from workers.download.torrent.keep import InChunks
from workers.download.torrent.layout import Span
from workers.download.torrent.room import Room

MIB = 1024 * 1024
FILM = content(1, 56 * MIB + 12_345)
RATE = 8 * MIB
"""Of the seeder, a second: no more than a worker on a busy machine stores, or what waits for the store is lost with it."""

STOP_SECONDS = 5.0
"""Longest time to end after SIGTERM: under a second on a quiet machine, and this one may be busy."""


@dataclass(slots=True)
class Run:
    """A worker process, what it says in a file."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def said(self, kind: str) -> list[Any]:
        """What it has said of a kind: `report` or `outcome`."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line)[kind] for line in lines if line.startswith(f'{{"{kind}"') and line.endswith("}")]

    def done(self) -> int:
        """Bytes that have arrived, by the last report."""
        reports = [report.get("download", {}).get("bytesDone", 0) for report in self.said("report")]
        return max(reports, default=0)


@contextmanager
def worker(order: DownloadOrder, directory: Path) -> Iterator[Run]:
    """The worker process of an order, with a temporary directory of its own."""
    directory.mkdir()
    path = directory / "order.json"
    path.write_text(json.dumps(order.wire()))
    environment = {**os.environ, "TMPDIR": str(directory), "NARWHAL_LOG_LEVEL": "warning"}
    argv = [sys.executable, "-m", "workers.download", "--order", str(path), "--report"]
    with program(argv, directory / "log", environment) as process:
        yield Run(process, directory / "log")


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM])
async def test_a_new_process_goes_on_where_the_last_one_was(
    place: Place, tracker: Tracker, tmp_path: Path, way: signal.Signals
) -> None:
    """After a kill in the middle little is fetched again: a fiftieth, and what was on its way to the store."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url], piece=4 * PIECE)
    order = place.order({"magnet": torrent.magnet(tracker.url)})
    with Seeder(torrent, [tracker.url], rate=RATE) as seeder:
        with worker(order, tmp_path / "one") as run:
            until(lambda: run.done() > len(FILM) // 2, 60, "half of it is fetched")
            begun = time.monotonic()
            run.process.send_signal(way)
            code = run.process.wait(10)
            if way is signal.SIGTERM:
                assert time.monotonic() - begun < STOP_SECONDS
                assert [outcome["reason"] for outcome in run.said("outcome")] == ["Cancelled"]
            else:
                assert code == -signal.SIGKILL
        assert place.objects() == {}
        sent = seeder.uploaded
        seeder.set_rate(0)
        second = await fetch(order, tmp_path / "two")

        assert second.reason is Reason.COMPLETED, second.message
        total = seeder.uploaded
    assert sent > len(FILM) // 2
    assert total <= len(FILM) + 16 * MIB, f"{total / len(FILM):.3f} of the size was fetched in all"
    assert place.objects() == {"films/x": FILM}
    assert place.own() == ["record.json"]


async def test_a_damaged_chunk_is_fetched_again(tmp_path: Path, tracker: Tracker, s3: S3Server) -> None:
    """What comes back from the store is believed no more than what comes from a peer: it is hashed."""
    place = Place(s3.secret(), s3.bucket("damaged"))
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url], piece=4 * PIECE)
    order = place.order({"magnet": torrent.magnet(tracker.url)})
    with Seeder(torrent, [tracker.url], rate=RATE) as seeder:
        with worker(order, tmp_path / "one") as run:
            until(lambda: good(s3, "damaged") >= 12 * MIB, 60, "chunks are kept beside those to be damaged")
            run.process.kill()
            run.process.wait()
        first, second, third = chunks(s3, "damaged")[:3]
        whole = s3.get("damaged", first)
        store = place.open()
        store.put("damaged", first, whole[:-1000] + bytes(1000), content_type="application/octet-stream")
        store.put("damaged", second, whole[:5000], content_type="application/octet-stream")
        store.put("damaged", third, b"", content_type="application/octet-stream")
        store.put("damaged", third.replace("chunk-", "chunk-x"), b"{}", content_type="application/octet-stream")
        sent = seeder.uploaded
        seeder.set_rate(0)
        ended = await fetch(order, tmp_path / "two")

        assert ended.reason is Reason.COMPLETED, ended.message
        assert seeder.uploaded - sent < len(FILM) - 10 * MIB
    assert place.objects() == {"films/x": FILM}
    assert place.own() == ["record.json"]


def good(s3: S3Server, bucket: str) -> int:
    """Bytes in the chunks that will not be damaged."""
    found = s3.client.list_objects(bucket, ".narwhal/torrents/", recursive=True)
    sizes = {item.object_name: item.size or 0 for item in found}
    return sum(sizes.get(key, 0) for key in chunks(s3, bucket)[3:])


def chunks(s3: S3Server, bucket: str) -> list[str]:
    """Keys of the chunks that are kept."""
    return sorted(key for key in s3.keys(bucket, ".narwhal/torrents/") if "/chunk-" in key)


async def test_damaged_records_and_resume_data_are_no_hindrance(place: Place, tracker: Tracker, tmp_path: Path) -> None:
    """Torn notes count as none: the magnet link's metadata is asked for again."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url])
    order = place.order({"magnet": torrent.magnet(tracker.url)})
    prefix = Room(place.open(), place.bucket, order.head.uid, str(torrent.info.info_hashes().v1)).prefix
    for name in ("record.json", "resume"):
        place.open().put(place.bucket, prefix + name, b"{torn", content_type="application/json")
    with Seeder(torrent, [tracker.url]):
        ended = await fetch(order, tmp_path / "scratch")

    assert ended.reason is Reason.COMPLETED, ended.message
    assert place.objects() == {"films/x": FILM}


async def test_resume_data_of_another_torrent_is_not_used(directory: Place, tracker: Tracker, tmp_path: Path) -> None:
    """Whoever can write into the bucket cannot make a magnet link name other content."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url])
    other = make_torrent(tmp_path / "other", {"other.mkv": FILM[:MIB]}, [tracker.url])
    order = directory.order({"magnet": torrent.magnet(tracker.url)})
    room = Room(directory.open(), directory.bucket, order.head.uid, str(torrent.info.info_hashes().v1))
    params = lt.load_torrent_buffer(other.data)
    room.write_resume(lt.write_resume_data_buf(params))
    with Seeder(torrent, [tracker.url]), Seeder(other, [tracker.url]):
        ended = await fetch(order, tmp_path / "scratch")

    assert ended.reason is Reason.COMPLETED, ended.message
    assert directory.objects() == {"films/x": FILM}


SHOW = {f"show/e{number}.mkv": content(number, 2 * MIB) for number in range(12)}


async def test_whole_files_are_objects_before_all_are(tmp_path: Path, tracker: Tracker, s3: S3Server) -> None:
    """In S3 a file that is whole needs no chunks: a new pod finds the object, and asks for the rest only."""
    place = Place(s3.secret(), s3.bucket("early"))
    torrent = make_torrent(tmp_path / "seed", SHOW, [tracker.url])
    order = place.order({"magnet": torrent.magnet(tracker.url)})
    with Seeder(torrent, [tracker.url], rate=4 * MIB) as seeder:
        with worker(order, tmp_path / "one") as run:
            until(lambda: len(s3.keys("early", "films/")) >= 2, 60, "two files are objects")
            run.process.kill()
            run.process.wait()
        made = {key: place.open().head("early", key) for key in s3.keys("early", "films/")}
        sent = seeder.uploaded
        seeder.set_rate(0)
        ended = await fetch(order, tmp_path / "two")

        assert ended.reason is Reason.COMPLETED, ended.message
        left = len(SHOW) - len(made)
        assert len(made) >= 2
        assert seeder.uploaded - sent <= left * 2 * MIB + 2 * len(made) * PIECE
    assert place.objects() == {path.replace("show/", "films/x/"): data for path, data in SHOW.items()}
    assert {key: place.open().head("early", key) for key in made} == made


async def test_a_sweep_leaves_nothing_of_an_unfinished_torrent(place: Place, tracker: Tracker, tmp_path: Path) -> None:
    """Chunks, files on disk, resume data, record, and files that were objects already."""
    torrent = make_torrent(tmp_path / "seed", SHOW, [tracker.url])
    order = place.order({"magnet": torrent.magnet(tracker.url)})
    place.open().put(place.bucket, "films/x/mine.txt", b"mine", content_type="text/plain")
    with Seeder(torrent, [tracker.url], rate=4 * MIB), worker(order, tmp_path / "one") as run:
        until(lambda: run.done() > 12 * MIB, 60, "much of it is fetched")
        run.process.kill()
        run.process.wait()
    assert place.own() != []

    swept = await fetch(place.order({"magnet": torrent.magnet(tracker.url)}, head={"task": "Sweep"}), tmp_path / "two")

    assert swept.reason is Reason.COMPLETED
    assert "files of a torrent" in swept.message
    assert place.own() == []
    assert place.objects() == {"films/x/mine.txt": b"mine"}
    assert place.open().list_uploads(place.bucket, "") == ()


async def test_a_sweep_leaves_a_finished_torrent_alone(place: Place, tracker: Tracker, tmp_path: Path) -> None:
    """Its files are what was asked for."""
    torrent = make_torrent(tmp_path / "seed", SHOW, [tracker.url])
    source = {"magnet": torrent.magnet(tracker.url)}
    with Seeder(torrent, [tracker.url]):
        await fetch(place.order(source), tmp_path / "one")
    before = place.objects()

    swept = await fetch(place.order(source, head={"task": "Sweep"}), tmp_path / "two")

    assert swept.message == "There was nothing to remove."
    assert place.objects() == before
    assert len(before) == len(SHOW)
    assert place.own() == ["record.json"]


async def test_with_its_deletion_a_finished_torrent_goes(place: Place, tracker: Tracker, tmp_path: Path) -> None:
    """All files that it made, and its record; not what somebody else put beside them."""
    torrent = make_torrent(tmp_path / "seed", SHOW, [tracker.url])
    source = {"magnet": torrent.magnet(tracker.url)}
    place.open().put(place.bucket, "films/x/mine.txt", b"mine", content_type="text/plain")
    with Seeder(torrent, [tracker.url]):
        await fetch(place.order(source), tmp_path / "one")
    assert len(place.objects()) == len(SHOW) + 1
    going = place.order(source, head={"task": "Sweep"}).model_copy(update={"remove_output": True})

    gone = await fetch(going, tmp_path / "two")

    assert gone.reason is Reason.COMPLETED
    assert place.objects() == {"films/x/mine.txt": b"mine"}
    assert place.own() == []


@pytest.mark.parametrize("reason", [Reason.STORE_UNREACHABLE, Reason.STORE_ACCESS_DENIED])
async def test_a_store_that_fails_for_a_moment_costs_no_attempt(
    tmp_path: Path, tracker: Tracker, s3: S3Server, monkeypatch: pytest.MonkeyPatch, reason: Reason
) -> None:
    """Pieces that could not be kept are kept later; what somebody must mend ends the attempt at once."""
    place = Place(s3.secret(), s3.bucket(f"moment-{reason.value.lower()}"))
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url], piece=4 * PIECE)
    save, calls = InChunks.save, list[int]()

    def failing(keep: InChunks, spans: Iterable[Span]) -> None:
        calls.append(len(s3.keys(place.bucket, ".narwhal/torrents/")))
        if len(calls) == 1:
            raise WorkError(reason, "The store is away.")
        save(keep, spans)

    monkeypatch.setattr(InChunks, "save", failing)
    monkeypatch.setattr(keeping, "KEEP_SECONDS", 0.2)
    with Seeder(torrent, [tracker.url], rate=RATE):
        ended = await fetch(place.order({"magnet": torrent.magnet(tracker.url)}), tmp_path / "scratch")

    if reason is Reason.STORE_UNREACHABLE:
        assert ended.reason is Reason.COMPLETED, ended.message
        assert len(calls) > 2
        assert max(calls) > calls[0]
        assert place.objects() == {"films/x": FILM}
    else:
        assert ended.reason is reason
        assert place.objects() == {}
