"""What a directory store promises beyond the protocol (tests/integration/download/test_store.py)."""

import os
import time
from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.directory import LEFTOVER_SECONDS, DirectoryStore
from workers.common.store import content_type_of, open_store


def test_an_object_is_a_plain_file_others_may_read(tmp_path: Path) -> None:
    """ROOT/bucket/key, readable by all, nothing else beside it."""
    store = DirectoryStore(tmp_path)
    store.put("media", "films/a.mp4", b"film", content_type="video/mp4")
    path = tmp_path / "media" / "films" / "a.mp4"
    assert path.read_bytes() == b"film"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [item.name for item in path.parent.iterdir()] == ["a.mp4"]


def test_a_file_somebody_else_wrote_is_an_object_without_metadata(tmp_path: Path) -> None:
    """What was said of an object does not stick to another file under its key."""
    store = DirectoryStore(tmp_path)
    store.put("media", "a", b"one", content_type="video/mp4", metadata={"narwhal-uid": "u"})
    (tmp_path / "media" / "a").write_bytes(b"other")
    found = store.head("media", "a")
    assert found is not None
    assert (found.size, found.content_type, dict(found.metadata)) == (5, None, {})


def test_a_torn_note_of_metadata_is_none(tmp_path: Path) -> None:
    """A power cut may leave half a note: the object counts, the note does not."""
    store = DirectoryStore(tmp_path)
    store.put("media", "a", b"one", content_type="video/mp4")
    (tmp_path / "media" / ".narwhal" / "meta" / "a.json").write_text('{"etag": "')
    found = store.head("media", "a")
    assert found is not None
    assert found.content_type is None


@pytest.mark.parametrize("key", ["../a", "a/../b", "a//b", "/a", "a/", ".", "a\0b"])
def test_a_key_cannot_leave_its_bucket(key: str, tmp_path: Path) -> None:
    """The contract refuses such keys; the store does so too."""
    with pytest.raises(WorkError) as caught:
        DirectoryStore(tmp_path).put("media", key, b"x", content_type="text/plain")
    assert caught.value.reason is Reason.INVALID_ORDER
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("key", ["x" * 300, "a/b"])
def test_a_key_the_file_system_cannot_have_is_refused(key: str, tmp_path: Path) -> None:
    """Too long, or below a file: InvalidOrder says to choose another key."""
    store = DirectoryStore(tmp_path)
    store.put("media", "a", b"a file", content_type="text/plain")
    with pytest.raises(WorkError) as caught:
        store.put("media", key, b"x", content_type="text/plain")
    assert caught.value.reason is Reason.INVALID_ORDER
    assert "another key" in caught.value.message


def test_what_killed_runs_left_is_cleared_after_a_day(tmp_path: Path) -> None:
    """Old temporary files go with the first look at the bucket; young ones may be in use."""
    store = DirectoryStore(tmp_path)
    corner = store.private("media", "tmp")
    for name, age in (("old", LEFTOVER_SECONDS + 60), ("young", 60)):
        (corner / name).write_text("x")
        os.utime(corner / name, (time.time() - age,) * 2)
    store.check_bucket("media")
    assert [path.name for path in corner.iterdir()] == ["young"]


def test_deleting_leaves_no_empty_directories(tmp_path: Path) -> None:
    """The bucket itself stays."""
    store = DirectoryStore(tmp_path)
    store.put("media", "a/b/c", b"x", content_type="text/plain")
    store.delete("media", ["a/b/c"])
    assert sorted(path.name for path in (tmp_path / "media").iterdir()) == [".narwhal"]


def test_fetching_within_a_file_system_copies_nothing(tmp_path: Path) -> None:
    """The scratch file is the object itself, by a hard link: a large input costs no room."""
    store = DirectoryStore(tmp_path / "store")
    store.put("media", "a", b"film", content_type="video/mp4")
    (tmp_path / "copy").write_text("what was there before")
    store.fetch("media", "a", tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_ino == (tmp_path / "store" / "media" / "a").stat().st_ino


def test_two_stores_under_one_root_are_one(tmp_path: Path) -> None:
    """Nothing is cached in the process: another one sees the object at once."""
    from narwhal_operator.contract.order import DirectoryStore as Order

    DirectoryStore(tmp_path).put("media", "a", b"x", content_type="text/plain")
    assert open_store(Order(root=str(tmp_path))).read("media", "a") == b"x"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("v/1/master.m3u8", "application/vnd.apple.mpegurl"),
        ("v/1/manifest.mpd", "application/dash+xml"),
        ("a.M4S", "video/iso.segment"),
        ("a.mp4", "video/mp4"),
        ("a", "application/octet-stream"),
    ],
)
def test_content_types_are_those_players_want(key: str, expected: str) -> None:
    """By the extension, whatever its case."""
    assert content_type_of(key) == expected
