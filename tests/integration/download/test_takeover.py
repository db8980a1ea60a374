"""Two processes that both believe the work is theirs: the later one wins, the earlier one does no harm."""

import hashlib
import random
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from narwhal_operator.contract.outcome import Reason, WorkError
from tests.integration.download.conftest import Place
from tests.support.downloads import make_order
from tests.support.seaweed import S3Server
from workers.download import claim
from workers.download.claim import NOTES, TakenOver
from workers.download.digest import Digests
from workers.download.publish import publish
from workers.download.record import read_record
from workers.download.rules import Source
from workers.download.sink import Target
from workers.download.sweep import sweep
from workers.download.upload import Upload

PART = 5 * 1024 * 1024
CONTENT = random.Random(22).randbytes(2 * PART + 99)  # noqa: S311 - the same bytes in each run
SOURCE = Source("u" * 64, '"v1"', None, len(CONTENT))
KEY = "films/clip.bin"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "NOTE_PARTS", 1)


@pytest.fixture
def place(s3: S3Server) -> Place:
    """An S3 store and an empty bucket in it."""
    return Place(s3.secret(), s3.bucket(f"b-{uuid.uuid4().hex[:12]}"))


def process(place: Place, attempt: int) -> Upload:
    """The sink of a process of that attempt."""
    return Upload(place.open(), Target(place.bucket, KEY, "uid-1", "w1", uuid.uuid4().hex, attempt), Digests(None))


def at_work(place: Place, attempt: int = 1) -> Upload:
    """A process that has stored and noted its first part, and lives on."""
    found = process(place, attempt)
    found.resume()
    found.begin(SOURCE, "video/mp4")
    found.write([CONTENT[: PART + 5]])
    found._flight.all()
    found._claim.settle()
    return found


def complete(found: Upload) -> None:
    """Gives the sink what it lacks and makes the object."""
    if found.source is None:
        found.begin(SOURCE, "video/mp4")
    found.write([CONTENT[found.have :]])
    publish(found._store, found)


def made(place: Place) -> None:
    """Asserts that the object is there, whole, with its record, and nothing beside it."""
    assert place.objects() == {KEY: CONTENT}
    assert place.leftovers() == []
    found = read_record(place.open(), place.bucket, KEY)
    assert found is not None
    assert found[1].digests["sha256"] == hashlib.sha256(CONTENT).hexdigest()


LATE: dict[str, Callable[[Upload], None]] = {
    "completes": complete,
    "begins anew": lambda old: old.begin(replace(SOURCE, etag='"v2"'), "video/mp4"),
    "is stopped": Upload.keep,
    "finds its source gone": Upload.remove,
}


@pytest.mark.parametrize("attempt", [1, 2])
@pytest.mark.parametrize("what", LATE)
def test_the_earlier_process_cannot_disturb_the_later_one(what: str, attempt: int, place: Place) -> None:
    """Whatever the earlier one does, be it of the same attempt: the later one goes on and makes the object."""
    old = at_work(place)
    new = process(place, attempt)
    new.resume()
    assert new.have == PART
    try:
        LATE[what](old)
    except WorkError as error:
        assert (error.reason, type(error)) == (Reason.STORE_ERROR, TakenOver)  # noqa: PT017 - either is right
    assert place.objects() == {}
    complete(new)
    made(place)


def test_the_earlier_process_learns_of_it_while_it_writes(place: Place) -> None:
    """The next note it would write is not written; the stream ends with the error."""
    old = at_work(place)
    new = process(place, 2)
    new.resume()
    with pytest.raises(TakenOver):
        complete(old)
    complete(new)
    made(place)


@pytest.mark.parametrize("attempt", [1, 2])
def test_the_earlier_process_that_begins_anew_is_refused_at_its_first_part(attempt: int, place: Place) -> None:
    """It may not put its own note over that of the later one."""
    old = at_work(place)
    new = process(place, attempt)
    new.resume()
    old.begin(replace(SOURCE, etag='"v2"'), "video/mp4")
    with pytest.raises(TakenOver):
        old.write([CONTENT])
    old.keep()
    complete(new)
    made(place)


def test_an_attempt_that_starts_late_leaves_the_later_one_alone(place: Place) -> None:
    """A pod of attempt 1 that comes up after attempt 2 has begun ends at once."""
    new = at_work(place, attempt=2)
    old = process(place, 1)
    with pytest.raises(TakenOver):
        old.resume()
    old.keep()
    complete(new)
    made(place)


def test_a_later_attempt_that_saw_nothing_removes_what_came_meanwhile(place: Place) -> None:
    """The earlier one notes its upload between the look and the start of the later one: it is aborted."""
    new = process(place, 2)
    new.resume()
    old = at_work(place)
    complete(new)
    with pytest.raises(WorkError):
        complete(old)
    old.keep()
    made(place)


def test_a_process_that_was_swept_does_not_go_on(place: Place) -> None:
    """The resource is deleted while its worker still runs: no object, no note, no upload afterwards."""
    old = at_work(place)
    order = make_order("http://127.0.0.1/f", place.store, bucket=place.bucket, key=KEY)
    assert sweep(place.open(), order) == "an upload under way"
    with pytest.raises(WorkError):
        complete(old)
    old.keep()
    assert place.objects() == {}
    assert place.leftovers() == []
    assert list(place.open().list(place.bucket, NOTES)) == []


def test_a_small_file_is_not_put_over_that_of_a_later_attempt(place: Place) -> None:
    """Of one request there is no note: the object itself says which attempt made it."""
    old = process(place, 1)
    for found, content in ((old, b"old"), (process(place, 2), b"new")):
        found.begin(replace(SOURCE, length=3), "video/mp4")
        found.write([content])
    publish(found._store, found)
    with pytest.raises(TakenOver):
        publish(old._store, old)
    assert place.objects() == {KEY: b"new"}


def test_two_resources_with_one_key_do_not_meet(place: Place) -> None:
    """Each has a note of its own; the last that completes is the object."""
    first = at_work(place)
    second = Upload(place.open(), Target(place.bucket, KEY, "uid-2", "w2", uuid.uuid4().hex, 1), Digests(None))
    second.resume()
    assert second.have == 0
    complete(second)
    complete(first)
    made(place)
