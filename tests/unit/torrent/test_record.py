"""What the store knows of a torrent: read as written, or not at all."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from narwhal_operator.contract.download import FILES_LISTED
from workers.common.store import ObjectInfo
from workers.download.torrent.record import Made, Record, parse_record


def made(key: str, size: int = 5) -> Made:
    """An object."""
    return Made(0, key, size, "a" * 64, f"etag-{key}", "video/mp4")


RECORD = Record("uid", "hash", "choice", ("a", "b"), (made("a"),))


def test_a_record_is_read_as_it_was_written() -> None:
    """Every field comes back."""
    assert parse_record(RECORD.text()) == RECORD


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 2},
        {"keys": []},
        {"keys": ["b"]},
        {"made": [{"key": "a"}]},
        {"made": [{**asdict(made("a")), "sha256": "short"}]},
        {"made": [{**asdict(made("a")), "size": "5"}]},
        {"more": 1},
    ],
)
def test_another_text_is_no_record(changed: dict[str, Any]) -> None:
    """A record of another format, or whose objects are none of its keys, counts as none."""
    assert parse_record(json.dumps({**json.loads(RECORD.text()), **changed}).encode()) is None


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", RECORD.text()[:-5]])
def test_a_torn_text_is_no_record(text: bytes) -> None:
    """What is no JSON object is no record."""
    assert parse_record(text) is None


def test_a_record_is_complete_when_every_key_is_an_object() -> None:
    """An object that is made anew takes the place of the one before."""
    assert not RECORD.complete
    whole = RECORD.plus(made("b")).plus(made("a", 9))

    assert whole.complete
    assert [(item.key, item.size) for item in whole.made] == [("b", 5), ("a", 9)]


@pytest.mark.parametrize(
    ("found", "same"),
    [
        (ObjectInfo("a", 5, "etag-a"), True),
        (ObjectInfo("a", 6, "etag-a"), False),
        (ObjectInfo("a", 5, "other"), False),
        (None, False),
    ],
)
def test_an_object_counts_only_while_it_is_the_one_that_was_made(found: ObjectInfo | None, *, same: bool) -> None:
    """Size and ETag must be those of the record."""
    assert made("a").is_still(found) is same


def test_the_artifact_of_one_file_lists_none() -> None:
    """A single object is the artifact itself."""
    artifact = Record("u", "h", "c", ("a",), (made("a"),)).artifact("media")

    assert (artifact.key, artifact.files, artifact.file_count) == ("a", None, None)


def test_the_artifact_of_many_files_is_the_main_one_and_lists_the_first() -> None:
    """The list is bounded, the count is not."""
    keys = tuple(f"k{number}" for number in range(FILES_LISTED + 5))
    artifact = Record("u", "h", "c", keys, tuple(made(key) for key in reversed(keys))).artifact("media")

    assert artifact.key == "k0"
    assert artifact.files is not None
    assert [file.key for file in artifact.files] == list(keys[:FILES_LISTED])
    assert artifact.file_count == FILES_LISTED + 5
