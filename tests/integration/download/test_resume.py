"""A download that is stopped, killed or tampered with: what the next run does with what is left."""

import hashlib
import json
import os
import random
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.order import DirectoryStore, DownloadOrder
from narwhal_operator.contract.outcome import Reason
from tests.integration.download.conftest import Place
from tests.support.downloads import Worker, fetch, finished, make_order
from tests.support.origin import Exchange, File, Origin
from tests.support.processes import until
from workers.download.part_file import CHECKPOINT_BYTES
from workers.download.record import Record, record_key, write_record
from workers.download.rules import Source
from workers.download.sink import Target

CONTENT = random.Random(5).randbytes(40 * 1024 * 1024)  # noqa: S311 - the same bytes in each run
OTHER = random.Random(6).randbytes(40 * 1024 * 1024)  # noqa: S311 - the same bytes in each run
GOOD = File(CONTENT)
SLOW_BLOCK = 1024 * 1024
STOP = 24 * SLOW_BLOCK


def corner(place: Place) -> Path:
    """The directory of part files of a directory store."""
    assert isinstance(place.store, DirectoryStore)
    return Path(place.store.root) / place.bucket / ".narwhal" / "partial"


def checkpoint(place: Place) -> dict[str, Any]:
    """The checkpoint of the one download under way; empty when there is none."""
    paths = list(corner(place).glob("*.json"))
    found: dict[str, Any] = json.loads(paths[0].read_text()) if paths else {}
    return found


def first_byte(origin: Origin) -> int:
    """The first byte that was asked for since the origin's list was cleared."""
    asked = [request.headers.get("range", "bytes=0-") for request in origin.seen]
    return min(int(text.removeprefix("bytes=").partition("-")[0]) for text in asked)


@pytest.fixture(params=[1, 8])
def killed(request: pytest.FixtureRequest, origin: Origin, directory: Place, tmp_path: Path) -> Place:
    """A directory store with a download in it that was killed after some 24 MiB, over one connection or several."""
    url = origin.serve("/f", GOOD.held_back(STOP))
    worker = Worker(make_order(url, directory.store, connections=request.param), tmp_path).start()
    until(lambda: checkpoint(directory).get("count", 0) >= STOP - 4 * SLOW_BLOCK, 30, "the checkpoint")
    worker.process.send_signal(signal.SIGKILL)
    code, outcome, _ = worker.wait()
    assert (code, outcome) == (-signal.SIGKILL, None)
    assert directory.objects() == {}
    origin.seen.clear()
    return directory


async def test_a_killed_download_goes_on_from_its_checkpoint(killed: Place, origin: Origin, tmp_path: Path) -> None:
    """After kill -9 the next run asks for the missing bytes only, and the object is whole and right."""
    known = checkpoint(killed)["count"]
    ended = await fetch(make_order(origin.serve("/f", GOOD), killed.store), tmp_path)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert killed.objects() == {"films/clip.bin": CONTENT}
    assert ended.artifact is not None
    assert ended.artifact.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert ended.artifact.content_type == "video/mp4"
    assert first_byte(origin) == known
    assert {request.headers["if-range"] for request in origin.seen} == {'"v1"'}
    assert known > STOP - CHECKPOINT_BYTES
    assert killed.leftovers() == []


async def test_a_changed_source_starts_anew(killed: Place, origin: Origin, tmp_path: Path) -> None:
    """If the file changed meanwhile, not a byte of the old one is in the object."""
    ended = await fetch(make_order(origin.serve("/f", File(OTHER, etag='"v2"')), killed.store), tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert killed.objects() == {"films/clip.bin": OTHER}


async def test_another_url_starts_anew(killed: Place, origin: Origin, tmp_path: Path) -> None:
    """The same ETag at another URL proves nothing: the bytes of the first are not used."""
    ended = await fetch(make_order(origin.serve("/g", File(OTHER)), killed.store), tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert killed.objects() == {"films/clip.bin": OTHER}
    assert first_byte(origin) == 0


def flip(path: Path) -> None:
    """Turns one bit of the first MiB."""
    with path.open("r+b") as file:
        file.seek(1_000_000)
        byte = file.read(1)[0]
        file.seek(1_000_000)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("damage", ["bit", "short", "checkpoint torn", "checkpoint lies", "checkpoint gone"])
async def test_what_cannot_be_proven_is_not_used(damage: str, killed: Place, origin: Origin, tmp_path: Path) -> None:
    """A damaged part file or checkpoint costs a new start, never a wrong byte."""
    part, note = next(corner(killed).glob("*.part")), next(corner(killed).glob("*.json"))
    if damage == "bit":
        flip(part)
    elif damage == "short":
        os.truncate(part, 1_000_000)
    elif damage == "checkpoint torn":
        note.write_bytes(note.read_bytes()[:50])
    elif damage == "checkpoint lies":
        note.write_text(json.dumps({**json.loads(note.read_text()), "count": 5}))
    else:
        note.unlink()
    ended = await fetch(make_order(origin.serve("/f", GOOD), killed.store), tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert killed.objects() == {"films/clip.bin": CONTENT}
    assert first_byte(origin) == 0


async def test_two_runs_at_once_do_not_mix(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """A second process that wants the same object of the same store is told so; the first is not disturbed."""
    gate: list[Exchange] = []

    def waiting(exchange: Exchange) -> None:
        body = GOOD.begin(exchange)
        exchange.send(body[:STOP])
        until(lambda: gate, 30, "the second run")
        exchange.send(body[STOP:])

    order = make_order(origin.serve("/f", waiting), directory.store)
    worker = Worker(order, tmp_path).start()
    until(lambda: checkpoint(directory).get("count", 0) > 0, 30, "the checkpoint")
    second = await fetch(order, tmp_path)
    assert second.reason is Reason.STORE_ERROR
    assert "nother process" in second.message
    gate.append(origin.seen[0])
    code, _, _ = await finished(worker)
    assert code == 0
    assert directory.objects() == {"films/clip.bin": CONTENT}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_ends_within_a_second_and_keeps_what_is_there(
    number: signal.Signals, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """The signal ends the worker as Cancelled with code 10; the next run goes on from the last byte that came."""
    order = make_order(origin.serve("/f", GOOD.held_back(STOP)), directory.store)
    worker = Worker(order, tmp_path).start()
    until(lambda: checkpoint(directory).get("count", 0) >= STOP - 4 * SLOW_BLOCK, 30, "the checkpoint")
    started = time.monotonic()
    worker.process.send_signal(number)
    code, outcome, _ = await finished(worker)
    assert time.monotonic() - started < 1.5
    assert code == 10
    assert outcome is not None
    assert outcome.reason is Reason.CANCELLED
    assert directory.objects() == {}
    assert checkpoint(directory)["count"] == STOP
    origin.seen.clear()
    ended = await fetch(make_order(origin.serve("/f", GOOD), directory.store), tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert first_byte(origin) == STOP


async def test_a_deadline_ends_with_its_reason(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """ActiveDeadlineSeconds holds in a local run too: DeadlineExceeded with code 13."""
    order = make_order(origin.serve("/f", GOOD.held_back(STOP)), directory.store, activeDeadlineSeconds=1)
    code, outcome, _ = await finished(Worker(order, tmp_path).start())
    assert code == 13
    assert outcome is not None
    assert outcome.reason is Reason.DEADLINE_EXCEEDED


async def test_an_upload_of_a_killed_attempt_is_cleared(origin: Origin, place: Place, tmp_path: Path) -> None:
    """After kill -9 in either store the next attempt completes and leaves no upload and no part behind."""
    order = make_order(origin.serve("/f", GOOD.held_back(STOP)), place.store, bucket=place.bucket)
    worker = Worker(order, tmp_path).start()
    until(place.leftovers, 30, "something under way in the store")
    worker.process.kill()
    worker.wait()
    second = make_order(origin.serve("/f", GOOD), place.store, bucket=place.bucket, head={"attempt": 2})
    ended = await fetch(second, tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert place.objects() == {"films/clip.bin": CONTENT}
    assert place.leftovers() == []


async def test_the_sweep_removes_what_is_unfinished_and_nothing_else(
    origin: Origin, place: Place, tmp_path: Path
) -> None:
    """Part files and uploads of this resource go; objects and what another resource has under way stay."""
    store = place.open()
    store.check_bucket(place.bucket)
    store.put(place.bucket, "films/other.bin", b"other", content_type="video/mp4")
    orders = [
        make_order(
            origin.serve("/f", GOOD.held_back(STOP)),
            place.store,
            bucket=place.bucket,
            key=f"films/{n}.bin",
            head={"uid": n},
        )
        for n in ("mine", "theirs")
    ]
    for number, order in enumerate(orders):
        directory = tmp_path / str(number)
        directory.mkdir()
        worker = Worker(order, directory).start()
        until(partial(_several, place, number + 1), 30, "something under way in the store")
        worker.process.kill()
        worker.wait()
    sweep = orders[0].model_copy(update={"head": orders[0].head.model_copy(update={"task": "Sweep"})})
    ended = await fetch(sweep, tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert len(started(place)) == 1
    assert place.objects() == {"films/other.bin": b"other"}
    again = await fetch(sweep, tmp_path)
    assert again.reason is Reason.COMPLETED
    assert "nothing" in again.message


@pytest.mark.parametrize("uid", ["uid-1", "uid-2"])
async def test_the_record_of_an_object_that_never_came_is_swept(place: Place, tmp_path: Path, uid: str) -> None:
    """The process died between the two writes that end a download; a record of another resource stays."""
    store, order = place.open(), make_order("http://127.0.0.1/f", place.store, bucket=place.bucket)
    key, source = order.destination.key, Source("u" * 64, None, None, 9)
    record = Record("t1", uid, "w1", 9, {"sha256": "0" * 64}, "video/mp4", source)
    write_record(store, Target(place.bucket, key, uid, "w1", "t1", 1), record)
    ended = await fetch(order.model_copy(update={"head": order.head.model_copy(update={"task": "Sweep"})}), tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert (store.head(place.bucket, record_key(key)) is None) == (uid == order.head.uid)


async def test_with_its_deletion_the_object_it_made_goes(origin: Origin, place: Place, tmp_path: Path) -> None:
    """And its record. One that another resource asked for since goes with that one; one that was replaced is nobody's."""
    store, first = place.open(), make_order(origin.serve("/f", GOOD), place.store, bucket=place.bucket)

    def of(uid: str, task: str = "Run") -> DownloadOrder:
        head = first.head.model_copy(update={"uid": uid, "task": task})
        return first.model_copy(update={"head": head, "remove_output": task == "Sweep"})

    async def objects_after(order: DownloadOrder) -> dict[str, bytes]:
        ended = await fetch(order, tmp_path)
        assert ended.reason is Reason.COMPLETED, ended.message
        return place.objects()

    assert await objects_after(of("one")) == {"films/clip.bin": CONTENT}
    assert await objects_after(of("two")) == {"films/clip.bin": CONTENT}, "it is there already: taken over"
    assert await objects_after(of("one", "Sweep")) == {"films/clip.bin": CONTENT}
    assert await objects_after(of("two", "Sweep")) == {}
    assert list(store.list(place.bucket, ".narwhal/downloads/")) == []
    assert await objects_after(of("one")) == {"films/clip.bin": CONTENT}
    store.put(place.bucket, "films/clip.bin", b"another", content_type="video/mp4")
    assert await objects_after(of("one", "Sweep")) == {"films/clip.bin": b"another"}


def _several(place: Place, count: int) -> bool:
    return len(started(place)) >= count


def started(place: Place) -> list[str]:
    """Downloads under way that have something in the store: their checkpoints or uploads."""
    if isinstance(place.store, DirectoryStore):
        return [str(path) for path in corner(place).glob("*.json")]
    return [item.upload_id for item in place.open().list_uploads(place.bucket, "")]
