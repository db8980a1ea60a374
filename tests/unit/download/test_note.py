"""The note of an upload: what is written comes back, whatever else stands there does no harm."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.common.store import PartInfo
from workers.download.digest import Digests, Wanted
from workers.download.note import FORMAT, Chain, Held, Note, read_note
from workers.download.rules import Source

SOURCE = Source("u" * 64, '"v1"', None, 10_000 * 16 * 1024 * 1024)
STATES = Digests(Wanted("sha512", "0" * 128)).states() or {}
HELD = Held(SOURCE, "video/mp4", 2, Chain().value(), 10 * 1024 * 1024, STATES)
NOTE = Note("uid-1", "films/clip.bin", "holder", 2, "transfer", "upload", HELD)

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def read(text: bytes) -> Note:
    """The note in a text, of the resource and key of NOTE."""
    return read_note(text, NOTE.uid, NOTE.key)


@pytest.mark.parametrize("note", [NOTE, replace(NOTE, held=None), replace(NOTE, held=None, upload_id=None)])
def test_a_note_comes_back(note: Note) -> None:
    """With all it says, before and after the upload has a name."""
    assert read(note.text()) == note


def test_a_note_of_ten_thousand_parts_is_small() -> None:
    """Under two KiB: of the parts it has one digest."""
    chain = Chain(PartInfo(number, f"{number:032x}", 16 * 1024 * 1024) for number in range(1, 10_001))
    held = replace(HELD, parts=10_000, count=SOURCE.length or 0, chain=chain.value())
    assert len(replace(NOTE, held=held).text()) < 2048


def test_the_digest_of_parts_tells_each_change() -> None:
    """Another number, another ETag, another size, another order, one more."""
    parts = [PartInfo(1, "a", 5), PartInfo(2, "b", 5)]
    others = [
        [PartInfo(1, "a", 5), PartInfo(3, "b", 5)],
        [PartInfo(1, "a", 5), PartInfo(2, "c", 5)],
        [PartInfo(1, "a", 5), PartInfo(2, "b", 6)],
        parts[::-1],
        parts[:1],
        [*parts, PartInfo(3, "c", 5)],
    ]
    assert len({Chain(found).value() for found in [parts, *others]}) == 7


@given(text=st.binary(max_size=200))
def test_bytes_that_are_no_note_are_an_upload_without_a_name(text: bytes) -> None:
    """Never an error, never something to go on from: what was left must be looked for."""
    found = read(text)
    assert (found.held, found.holder, found.attempt) == (None, "", 0)


@given(name=st.sampled_from(sorted(asdict(NOTE))), value=ANY)
def test_a_field_of_any_value_does_no_harm(name: str, value: Any) -> None:
    """It is read as it is, or what is held is not believed; nothing raises."""
    found = read(json.dumps({"format": FORMAT, **asdict(NOTE), name: value}).encode())
    assert found.held is None or found.held == HELD
    assert isinstance(found.holder, str)
    assert isinstance(found.attempt, int)


@given(name=st.sampled_from(sorted(asdict(HELD))), value=ANY)
def test_held_values_of_any_sort_do_no_harm(name: str, value: Any) -> None:
    """What is believed has the types it should have."""
    found = read(json.dumps({"format": FORMAT, **asdict(NOTE), "held": {**asdict(HELD), name: value}}).encode()).held
    assert found is None or (found.parts > 0 and found.count > 0 and isinstance(found.states, dict))


@given(name=st.sampled_from(sorted(asdict(SOURCE))), value=ANY)
def test_sources_of_any_sort_do_no_harm(name: str, value: Any) -> None:
    """As above, of the validators."""
    held = {**asdict(HELD), "source": {**asdict(SOURCE), name: value}}
    found = read(json.dumps({"format": FORMAT, **asdict(NOTE), "held": held}).encode()).held
    assert found is None or isinstance(found.source.url, str)


def test_the_note_of_an_older_version_names_its_upload() -> None:
    """So that it is aborted; nothing is gone on from."""
    text = json.dumps({"uid": NOTE.uid, "key": NOTE.key, "uploadId": "upload"}).encode()
    assert read(text) == Note(NOTE.uid, NOTE.key, "", 0, "", "upload")
