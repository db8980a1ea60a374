"""A worker that uploads to S3 and is stopped or killed in the middle: what the next one asks its source for."""

import hashlib
import random
import signal
import time
import uuid
from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.download.conftest import Place
from tests.support.downloads import Worker, fetch, finished, make_order
from tests.support.origin import File, Origin
from tests.support.processes import until
from tests.support.seaweed import S3Server
from workers.common.store import ObjectStore
from workers.download.claim import note_key
from workers.download.note import LIMIT, read_note
from workers.download.upload import LEAST_BYTES

PART = LEAST_BYTES
CONTENT = random.Random(31).randbytes(6 * PART + 77)  # noqa: S311 - the same bytes in each run
OTHER = random.Random(32).randbytes(len(CONTENT))  # noqa: S311 - the same bytes in each run
COME = 4 * PART + 1000
"""Bytes the source gives before it falls silent."""
KEY = "films/clip.bin"


@pytest.fixture
def place(s3: S3Server) -> Place:
    """An S3 store and an empty bucket in it."""
    return Place(s3.secret(), s3.bucket(f"b-{uuid.uuid4().hex[:12]}"))


GOOD = File(CONTENT)


def held(store: ObjectStore, place: Place) -> int:
    """The bytes that the note of the one upload counts."""
    items = list(store.list(place.bucket, ".narwhal/uploads/"))
    if not items:
        return 0
    assert items[0].key == note_key("uid-1", KEY)
    note = read_note(store.read(place.bucket, items[0].key, 0, LIMIT), "uid-1", KEY)
    return note.held.count if note.held else 0


def first_byte(origin: Origin) -> int:
    """The first byte that was asked for."""
    return min(int(seen.headers.get("range", "bytes=0-").split("=")[1].split("-")[0]) for seen in origin.seen)


async def interrupted(origin: Origin, place: Place, scratch: Path, number: signal.Signals) -> tuple[int, int, float]:
    """Ends a worker that has noted something: its exit code, the bytes noted then, the seconds it took."""
    order = make_order(origin.serve("/f", GOOD.held_back(COME)), place.store, bucket=place.bucket, connections=1)
    worker = Worker(order, scratch).start()
    store = place.open()
    until(lambda: held(store, place) >= 2 * PART, 30, "the note")
    started = time.monotonic()
    worker.process.send_signal(number)
    code, _, _ = await finished(worker)
    passed = time.monotonic() - started
    assert place.objects() == {}
    origin.seen.clear()
    return code, held(store, place), passed


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_the_next_worker_goes_on_from_the_note(
    number: signal.Signals, origin: Origin, place: Place, tmp_path: Path
) -> None:
    """Killed or told to stop: nothing before the noted byte is asked for again, and the object is whole and right."""
    code, noted, passed = await interrupted(origin, place, tmp_path, number)
    assert code == (10 if number is signal.SIGTERM else -signal.SIGKILL)
    assert passed < 3
    if number is signal.SIGTERM:
        assert noted == 4 * PART  # all that a stop can keep: parts that are whole
    url = origin.serve("/f", GOOD)
    ended = await fetch(make_order(url, place.store, bucket=place.bucket, head={"attempt": 2}), tmp_path)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.artifact is not None
    assert ended.artifact.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert first_byte(origin) == noted
    assert place.objects() == {KEY: CONTENT}
    assert place.leftovers() == []


async def test_a_source_that_changed_starts_anew(origin: Origin, place: Place, tmp_path: Path) -> None:
    """Not a byte of what was uploaded before is in the object; the digest is that of the new bytes."""
    await interrupted(origin, place, tmp_path, signal.SIGKILL)
    url = origin.serve("/f", File(OTHER, etag='"v2"'))
    ended = await fetch(make_order(url, place.store, bucket=place.bucket, head={"attempt": 2}), tmp_path)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.artifact is not None
    assert ended.artifact.sha256 == hashlib.sha256(OTHER).hexdigest()
    assert place.objects() == {KEY: OTHER}
    assert place.leftovers() == []


async def test_a_digest_that_is_wanted_goes_on_too(origin: Origin, place: Place, tmp_path: Path) -> None:
    """SHA-512 over all the bytes, though this process saw only the last of them; a wrong one is seen as well."""
    order = make_order(
        origin.serve("/f", GOOD.held_back(COME)),
        place.store,
        bucket=place.bucket,
        connections=1,
        checksum={"sha512": hashlib.sha512(CONTENT).hexdigest()},
    )
    worker = Worker(order, tmp_path).start()
    store = place.open()
    until(lambda: held(store, place) >= 2 * PART, 30, "the note")
    worker.process.kill()
    worker.wait()
    origin.serve("/f", File(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])))
    wrong = await fetch(order, tmp_path)
    assert wrong.reason is Reason.CHECKSUM_MISMATCH
    assert place.objects() == {}
    assert place.leftovers() == []
    origin.serve("/f", GOOD)
    ended = await fetch(order, tmp_path)
    assert ended.reason is Reason.COMPLETED, ended.message
