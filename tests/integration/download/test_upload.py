"""Uploads that are killed, tampered with or fought over: what the next process does with what is in the store."""

import hashlib
import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason, WorkError
from tests.integration.download.conftest import Place
from tests.support.downloads import fetch, make_order
from tests.support.kills import killed_at
from tests.support.origin import File, Origin
from tests.support.processes import until
from tests.support.seaweed import S3Server
from workers.common.store import ObjectStore
from workers.download import claim, hashes, upload
from workers.download.claim import NOTES, note_key
from workers.download.digest import Digests, Wanted
from workers.download.publish import publish
from workers.download.record import read_record
from workers.download.rules import Source
from workers.download.sink import Target
from workers.download.upload import Upload

MIB = 1024 * 1024
PART = 5 * MIB
"""The least an S3 takes."""
CONTENT = random.Random(21).randbytes(4 * PART + 4321)  # noqa: S311 - the same bytes in each run
SOURCE = Source("u" * 64, '"v1"', None, len(CONTENT))
WANTED = Wanted("sha512", hashlib.sha512(CONTENT).hexdigest())
KEY = "films/clip.bin"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "PART_BYTES", PART)
    monkeypatch.setattr(claim, "NOTE_PARTS", 1)


@pytest.fixture
def place(s3: S3Server) -> Place:
    """An S3 store and an empty bucket in it."""
    return Place(s3.secret(), s3.bucket(f"b-{uuid.uuid4().hex[:12]}"))


async def test_a_kill_at_any_call_of_the_store_costs_no_byte_twice_that_was_noted(
    origin: Origin, place: Place, tmp_path: Path
) -> None:
    """Killed between any two calls, from the first to the last: the next attempt makes the object, leaves nothing."""
    content = CONTENT[: 2 * PART + 4321]
    url = origin.serve("/f", File(content))
    seen: set[str] = set()
    goes_on = 0
    number, killed = 0, True
    while killed:
        number += 1
        key = f"films/{number}.bin"
        order = make_order(url, place.store, bucket=place.bucket, key=key, head={"uid": f"u-{number}"})
        killed, calls = killed_at(order, tmp_path, number)
        seen |= set(calls)
        origin.seen.clear()
        again = make_order(url, place.store, bucket=place.bucket, key=key, head={"uid": f"u-{number}", "attempt": 2})
        ended = await fetch(again, tmp_path)
        assert ended.reason is Reason.COMPLETED, (number, calls, ended.message)
        assert ended.artifact is not None
        assert ended.artifact.sha256 == hashlib.sha256(content).hexdigest()
        store = place.open()
        assert store.read(place.bucket, key) == content, (number, calls)
        assert read_record(store, place.bucket, key) is not None
        assert place.leftovers() == [], (number, calls)
        goes_on += any("range" in request.headers and request.headers["range"] != "bytes=0-" for request in origin.seen)
    assert {"read", "put", "start_upload", "put_part", "complete_upload", "delete"} <= seen
    assert goes_on >= 3


def open_upload(place: Place, attempt: int = 1, **changed: Any) -> Upload:
    """A sink of its own, as a process of that attempt has it."""
    target = Target(place.bucket, KEY, "uid-1", "w1", uuid.uuid4().hex, attempt)
    found = Upload(place.open(), replace(target, **changed), Digests(WANTED))
    found.resume()
    return found


def given_up(place: Place, parts: int = 2, source: Source = SOURCE) -> Upload:
    """An upload whose process did not end well: so many parts and a bit have come, the parts are noted."""
    found = open_upload(place)
    found.begin(source, "video/mp4")
    found.write([CONTENT[: parts * PART + 1000]])
    found.keep()
    return found


def complete(found: Upload) -> None:
    """Gives the sink what it lacks and makes the object."""
    if found.source is None:
        found.begin(SOURCE, "video/mp4")
    found.write([CONTENT[found.have :]])
    found.digests.check("the source")
    publish(found._store, found)


def note_of(place: Place) -> dict[str, Any]:
    """The one note in the store."""
    store = place.open()
    (item,) = store.list(place.bucket, NOTES)
    found: dict[str, Any] = json.loads(store.read(place.bucket, item.key))
    return found


def test_the_next_process_goes_on_after_the_last_part(place: Place) -> None:
    """With its parts, its digests of both algorithms, and the name of the transfer that started it."""
    first = given_up(place)
    second = open_upload(place, attempt=2)
    assert (second.have, second.source, second.content_type) == (2 * PART, SOURCE, "video/mp4")
    assert second.target.transfer == first.target.transfer
    assert place.open().list_uploads(place.bucket, "")[0].upload_id == first._upload_id
    complete(second)
    assert place.objects() == {KEY: CONTENT}
    assert place.leftovers() == []
    found = read_record(place.open(), place.bucket, KEY)
    assert found is not None
    assert found[1].digests["sha512"] == WANTED.value


def test_parts_of_another_size_are_not_gone_on_from(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor are those of a version that makes larger parts: all but the last must be of one size."""
    given_up(place)
    monkeypatch.setattr(upload, "LEAST_BYTES", PART + MIB)
    assert open_upload(place, attempt=2).have == 0
    assert place.leftovers() == []


def set_note(place: Place, change: Callable[[dict[str, Any]], Any]) -> None:
    """Replaces the note by what the change makes of it."""
    text = change(note_of(place))
    data = text if isinstance(text, bytes) else json.dumps(text).encode()
    place.open().put(place.bucket, note_key("uid-1", KEY), data, content_type="application/json")


def held(**changed: Any) -> Callable[[dict[str, Any]], Any]:
    """The change of what is held."""
    return lambda note: {**note, "held": {**note["held"], **changed}}


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "empty": lambda _: b"",
    "no json": lambda note: json.dumps(note).encode()[:-5],
    "no object": lambda _: [1, 2],
    "deep": lambda _: b"[" * 60_000,
    "another format": lambda note: {**note, "format": 3},
    "another resource's": lambda note: {**note, "uid": "uid-2"},
    "another key's": lambda note: {**note, "key": "films/other.bin"},
    "no upload": lambda note: {**note, "upload_id": "0" * 32},
    "no holder": lambda note: {**note, "holder": None},
    "nothing held": lambda note: {**note, "held": None},
    "held is words": lambda note: {**note, "held": "all"},
    "more parts than there are": held(parts=3, count=3 * PART),
    "fewer bytes than the parts have": held(count=2 * PART - 1),
    "negative": held(parts=-1),
    "words for numbers": held(count="10485760"),
    "another chain": held(chain="0" * 64),
    "no states": held(states={}),
    "states of other bytes": lambda note: held(
        states={**note["held"]["states"], "sha256": "0" * 64 + note["held"]["states"]["sha256"][64:]}
    )(note),
    "weak source": held(source={"url": "u" * 64, "etag": None, "last_modified": None, "length": len(CONTENT)}),
    "source of another shape": held(source={"url": "u" * 64, "mtime": 3}),
    "more held than the source has": held(source={"url": "u" * 64, "etag": '"v1"', "length": 5}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_note_that_cannot_be_believed_costs_a_new_start(what: str, place: Place) -> None:
    """Garbage, another's, or at odds with what the store lists: nothing of it is used, the download starts anew."""
    given_up(place)
    set_note(place, CHANGES[what])
    second = open_upload(place, attempt=2)
    assert (second.have, second.source) == (0, None)
    complete(second)
    assert place.objects() == {KEY: CONTENT}
    store = place.open()
    assert list(store.list(place.bucket, NOTES)) == []
    # A note that does not name it any more leaves the upload to the bucket's own rule for abandoned ones.
    assert place.leftovers() == [] or what in {"empty", "no json", "no object", "deep", "no upload"}


@pytest.mark.parametrize("damage", ["part gone", "part replaced", "upload gone", "older algorithm"])
def test_a_store_that_lists_other_parts_costs_a_new_start(damage: str, place: Place) -> None:
    """A part that is missing or was written anew, an upload that is gone, digests of another algorithm."""
    first = given_up(place)
    store = place.open()
    upload_id = first._upload_id or ""
    if damage == "part gone":
        set_note(place, held(parts=3, count=3 * PART))
    elif damage == "part replaced":
        store.put_part(place.bucket, KEY, upload_id, 2, b"x" * PART)
    elif damage == "upload gone":
        store.abort_upload(place.bucket, KEY, upload_id)
    else:
        set_note(place, lambda note: held(states={"sha256": note["held"]["states"]["sha256"]})(note))
    second = open_upload(place, attempt=2)
    assert second.have == 0
    complete(second)
    assert place.objects() == {KEY: CONTENT}
    assert place.leftovers() == []


def test_parts_after_the_noted_ones_are_overwritten(place: Place) -> None:
    """What was stored and not noted is of no use and does no harm, whatever it holds."""
    first = given_up(place)
    for number in (3, 4):
        place.open().put_part(place.bucket, KEY, first._upload_id or "", number, b"x" * PART)
    second = open_upload(place, attempt=2)
    assert second.have == 2 * PART
    complete(second)
    assert place.objects() == {KEY: CONTENT}


@pytest.mark.parametrize(
    "source",
    [Source("u" * 64, None, None, len(CONTENT)), Source("u" * 64, None, None, None)],
    ids=["no validator", "no length"],
)
def test_what_cannot_be_gone_on_from_is_removed_at_once(source: Source, place: Place) -> None:
    """Without a strong validator nothing is kept."""
    given_up(place, source=source)
    assert place.leftovers() == []


def test_a_source_of_unknown_length_is_gone_on_from_too(place: Place) -> None:
    """With a strong validator; the sizes of its parts follow from their numbers."""
    given_up(place, source=replace(SOURCE, length=None))
    second = open_upload(place, attempt=2)
    assert second.have == 2 * PART
    complete(second)
    assert place.objects() == {KEY: CONTENT}


def test_all_parts_but_no_object(place: Place) -> None:
    """A kill right before the completion: the next process completes, and sends no empty part."""
    first = open_upload(place)
    first.begin(replace(SOURCE, length=4 * PART), "video/mp4")
    first.write([CONTENT[: 4 * PART]])
    first._send()
    first.keep()
    second = open_upload(place, attempt=2)
    assert second.have == 4 * PART
    publish(second._store, second)
    assert place.objects() == {KEY: CONTENT[: 4 * PART]}
    assert place.leftovers() == []


def test_without_the_state_of_digests_nothing_is_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenSSL's calls are missing: an interrupted upload is removed, one of another machine not gone on with."""
    given_up(place)
    monkeypatch.setattr(hashes, "_functions", lambda _: None)
    second = open_upload(place, attempt=2)
    assert second.have == 0
    assert place.leftovers() == []
    second.begin(SOURCE, "video/mp4")
    second.write([CONTENT[: 3 * PART]])
    second.keep()
    assert place.leftovers() == []
    complete(second)
    assert place.objects() == {KEY: CONTENT}


@dataclass(slots=True)
class Refusing:
    """A store that does not take small objects for a while."""

    store: ObjectStore
    refuses: bool = False

    def __getattr__(self, name: str) -> Any:
        """The method of the store, but `put`."""
        if name == "put" and self.refuses:
            raise WorkError(Reason.STORE_UNREACHABLE, "for a while")
        return getattr(self.store, name)


def test_a_note_that_failed_ends_the_attempt_and_is_written_at_its_end(place: Place) -> None:
    """The store refuses one note: the error is the store's, and a stop after it keeps what is there."""
    store = Refusing(place.open())
    found = Upload(store, Target(place.bucket, KEY, "uid-1", "w1", uuid.uuid4().hex, 1), Digests(WANTED))
    found.begin(SOURCE, "video/mp4")
    found.write([CONTENT[: PART + 1]])
    found._flight.settle()
    found._claim.settle()
    store.refuses = True

    def rest() -> None:
        found.write([CONTENT[PART + 1 :]])
        found._flight.settle()
        until(found._claim.poll, 10, "the refusal")

    with pytest.raises(WorkError) as caught:
        rest()
    assert caught.value.reason is Reason.STORE_UNREACHABLE
    store.refuses = False
    found.keep()
    assert open_upload(place, attempt=2).have == 4 * PART
