"""What the store knows of a torrent: read as written, or not at all; and what an object says of itself."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from narwhal_operator.contract.download import FILES_LISTED
from narwhal_operator.contract.order import OrderHead
from workers.common.store import ObjectInfo
from workers.download.torrent.record import Entry, Made, Record, artifact_of, metadata_of, parse_record

SHA = "a" * 64
ENTRY = Entry(3, "films/x/a.mkv", 5)
RECORD = Record("uid", "hash", "choice", (ENTRY, Entry(4, "films/x/b.mkv", 6)))
HEAD = OrderHead(uid="uid", namespace="media", name="x", attempt=1, work_digest="work")
SAID = metadata_of(HEAD, "hash", Made(ENTRY, "uid", SHA, "video/mp4"))


def test_a_record_is_read_as_it_was_written() -> None:
    """Every field comes back."""
    assert parse_record(RECORD.text()) == RECORD


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 2},
        {"files": []},
        {"files": [{"key": "a"}]},
        {"files": [{"index": 1, "key": "a", "size": "5"}]},
        {"files": [{"index": True, "key": "a", "size": 5}]},
        {"files": [{"index": 1, "key": 7, "size": 5}]},
        {"files": {}},
        {"more": 1},
    ],
)
def test_another_text_is_no_record(changed: dict[str, Any]) -> None:
    """A record of another format or shape counts as none."""
    assert parse_record(json.dumps({**json.loads(RECORD.text()), **changed}).encode()) is None


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", RECORD.text()[:-5]])
def test_a_torn_text_is_no_record(text: bytes) -> None:
    """What is no JSON object is no record."""
    assert parse_record(text) is None


def test_an_object_that_says_what_it_is_is_not_made_again() -> None:
    """Torrent, number and size must be those of the record."""
    found = ObjectInfo(ENTRY.key, 5, "etag", "video/x-guessed", SAID)

    assert RECORD.made(ENTRY, found) == Made(ENTRY, "uid", SHA, "video/mp4")


@pytest.mark.parametrize(
    ("size", "said"),
    [
        pytest.param(6, SAID, id="other-size"),
        pytest.param(5, {}, id="says-nothing"),
        pytest.param(5, {**SAID, "narwhal-torrent": "other"}, id="other-torrent"),
        pytest.param(5, {**SAID, "narwhal-file": "4"}, id="other-file"),
        pytest.param(5, {**SAID, "narwhal-sha256": ""}, id="no-digest"),
    ],
)
def test_another_object_is_made_again(size: int, said: Mapping[str, str]) -> None:
    """An object that somebody put there does not count, whatever its key."""
    assert RECORD.made(ENTRY, ObjectInfo(ENTRY.key, size, "etag", "video/mp4", said)) is None
    assert RECORD.made(ENTRY, None) is None


def made(count: int) -> list[Made]:
    """Objects."""
    return [Made(Entry(number, f"k{number}", number), "uid", SHA, "video/mp4") for number in range(count)]


def test_the_artifact_of_one_file_lists_none() -> None:
    """A single object is the artifact itself."""
    artifact = artifact_of("media", made(1))

    assert (artifact.key, artifact.files, artifact.file_count) == ("k0", None, None)


def test_the_artifact_of_many_files_is_the_main_one_and_lists_the_first() -> None:
    """The list is bounded, the count is not."""
    artifact = artifact_of("media", made(FILES_LISTED + 5))

    assert artifact.key == "k0"
    assert artifact.files is not None
    assert [file.key for file in artifact.files] == [f"k{number}" for number in range(FILES_LISTED)]
    assert artifact.file_count == FILES_LISTED + 5
