"""The object store protocol, over a directory and over a real S3 server: the same facts of both."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from narwhal_operator.contract.order import DirectoryStore as DirectoryOrder
from narwhal_operator.contract.outcome import Reason, WorkError
from tests.support.seaweed import S3Server
from workers.common.store import IMMUTABLE, ObjectStore, PartInfo, open_store

PART = 5 * 1024 * 1024


@pytest.fixture(params=["directory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[ObjectStore, str]]:
    """A store and an empty bucket in it."""
    bucket = f"b-{uuid.uuid4().hex[:12]}"
    if request.param == "directory":
        yield open_store(DirectoryOrder(root=str(tmp_path / "store"))), bucket
        return
    server: S3Server = request.getfixturevalue("s3")
    yield open_store(server.secret()), server.bucket(bucket)


def test_an_object_comes_back_with_what_was_said_of_it(place: tuple[ObjectStore, str]) -> None:
    """Bytes, size, content type and metadata of an object are those it was stored with."""
    store, bucket = place
    store.check_bucket(bucket)
    put = store.put(
        bucket, "a/b.mp4", b"film", content_type="video/mp4", cache_control=IMMUTABLE, metadata={"narwhal-uid": "u-1"}
    )
    found = store.head(bucket, "a/b.mp4")
    assert found is not None
    assert (found.size, found.content_type, dict(found.metadata)) == (4, "video/mp4", {"narwhal-uid": "u-1"})
    assert found.etag == put.etag
    assert found.last_modified is not None
    assert store.read(bucket, "a/b.mp4") == b"film"
    assert store.read(bucket, "a/b.mp4", 1, 2) == b"il"
    assert store.read(bucket, "a/b.mp4", 1) == b"ilm"


def test_a_missing_object_is_none_to_head_and_a_reason_to_readers(
    place: tuple[ObjectStore, str], tmp_path: Path
) -> None:
    """Head says None; read and fetch end with InputNotFound and name the object."""
    store, bucket = place
    store.check_bucket(bucket)
    assert store.head(bucket, "none") is None
    for reader in (lambda: store.read(bucket, "none"), lambda: store.fetch(bucket, "none", tmp_path / "x")):
        with pytest.raises(WorkError) as caught:
            reader()
        assert caught.value.reason is Reason.INPUT_NOT_FOUND
        assert "none" in caught.value.message


def test_replacing_an_object_replaces_its_etag_and_metadata(place: tuple[ObjectStore, str]) -> None:
    """A second put is the whole truth about the object."""
    store, bucket = place
    first = store.put(bucket, "k", b"one", content_type="text/plain", metadata={"a": "1"})
    second = store.put(bucket, "k", b"three", content_type="text/plain")
    found = store.head(bucket, "k")
    assert found is not None
    assert found.etag == second.etag != first.etag
    assert dict(found.metadata) == {}


def test_a_copy_is_the_object_and_outlives_it(place: tuple[ObjectStore, str]) -> None:
    """Bytes, type and metadata; over a key that is there too. The object may go then, and the copy stays."""
    store, bucket = place
    source = store.put(bucket, "v/one/0 a.m4s", b"film", content_type="video/mp4", metadata={"a": "1"})
    store.put(bucket, "v/two/0.m4s", b"other", content_type="text/plain")
    for key in ("v/two/0.m4s", "v/three/0 a.m4s"):
        made = store.copy(bucket, source, key)
        assert (made.key, made.size) == (key, 4)
    store.delete(bucket, [source.key])
    for key in ("v/two/0.m4s", "v/three/0 a.m4s"):
        found = store.head(bucket, key)
        assert found is not None
        assert (found.size, found.content_type, dict(found.metadata)) == (4, "video/mp4", {"a": "1"})
        assert store.read(bucket, key) == b"film"
    assert [info.key for info in store.list(bucket, "v/")] == ["v/three/0 a.m4s", "v/two/0.m4s"]


def test_what_is_not_the_object_any_more_is_not_copied(place: tuple[ObjectStore, str]) -> None:
    """Replaced since it was listed, or gone: a reason for each, and nothing under the new key."""
    store, bucket = place
    source = store.put(bucket, "a", b"one", content_type="text/plain")
    store.put(bucket, "a", b"two", content_type="text/plain")
    with pytest.raises(WorkError) as caught:
        store.copy(bucket, source, "b")
    assert caught.value.reason is Reason.INPUT_CHANGED
    store.delete(bucket, ["a"])
    with pytest.raises(WorkError) as caught:
        store.copy(bucket, source, "b")
    assert caught.value.reason is Reason.INPUT_NOT_FOUND
    assert store.head(bucket, "b") is None


def test_a_file_goes_there_and_back(place: tuple[ObjectStore, str], tmp_path: Path) -> None:
    """A file over one part and its fetched copy are equal; progress ends at its size."""
    store, bucket = place
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(bytes(range(256)) * 160 * 1024)  # 40 MiB: three parts
    store.put_file(bucket, "big", source, content_type="video/mp4", metadata={"x": "y"})
    found = store.fetch(bucket, "big", copy)
    assert found.size == source.stat().st_size
    assert copy.read_bytes() == source.read_bytes()
    assert dict(found.metadata) == {"x": "y"}


def test_what_is_known_of_an_object_must_still_be_so_when_it_is_fetched(
    place: tuple[ObjectStore, str], tmp_path: Path
) -> None:
    """Replaced since it was looked at: InputChanged, not the other bytes; as it was known it is fetched."""
    store, bucket = place
    store.put(bucket, "a", b"before", content_type="video/mp4")
    known = store.head(bucket, "a")
    store.fetch(bucket, "a", tmp_path / "copy", known=known)
    assert (tmp_path / "copy").read_bytes() == b"before"
    store.put(bucket, "a", b"after!", content_type="video/mp4")
    with pytest.raises(WorkError) as caught:
        store.fetch(bucket, "a", tmp_path / "other", known=known)
    assert caught.value.reason is Reason.INPUT_CHANGED


def test_listing_gives_objects_under_the_prefix_in_order(place: tuple[ObjectStore, str]) -> None:
    """A prefix need not end at a slash; other objects and Narwhal's own files are not listed."""
    store, bucket = place
    for key in ("v/2/b", "v/1/a", "v/10", "w"):
        store.put(bucket, key, b"1", content_type="text/plain")
    assert [item.key for item in store.list(bucket, "v/")] == ["v/1/a", "v/10", "v/2/b"]
    assert [item.key for item in store.list(bucket, "v/1")] == ["v/1/a", "v/10"]
    assert [item.key for item in store.list(bucket, "none/")] == []
    assert [item.key for item in store.list(bucket, "")] == ["v/1/a", "v/10", "v/2/b", "w"]


def test_deleting_removes_and_may_be_repeated(place: tuple[ObjectStore, str]) -> None:
    """Deleting an object twice is no error and leaves the others."""
    store, bucket = place
    for key in ("d/1", "d/2", "e"):
        store.put(bucket, key, b"1", content_type="text/plain")
    for _ in range(2):
        store.delete(bucket, ["d/1", "d/2"])
    assert [item.key for item in store.list(bucket, "")] == ["e"]


def test_an_upload_is_seen_only_when_complete(place: tuple[ObjectStore, str]) -> None:
    """Parts may come in any order and twice; the object appears at completion and not before."""
    store, bucket = place
    upload = store.start_upload(bucket, "m", content_type="video/mp4", metadata={"narwhal-uid": "u"})
    last = store.put_part(bucket, "m", upload, 2, b"end")
    store.put_part(bucket, "m", upload, 1, b"x" * PART)
    first = store.put_part(bucket, "m", upload, 1, b"y" * PART)
    assert store.head(bucket, "m") is None
    assert [(part.number, part.size) for part in store.list_parts(bucket, "m", upload)] == [(1, PART), (2, 3)]
    assert [item.upload_id for item in store.list_uploads(bucket, "m")] == [upload]
    found = store.complete_upload(bucket, "m", upload, [first, last])
    assert found.size == PART + 3
    assert dict(found.metadata) == {"narwhal-uid": "u"}
    assert store.read(bucket, "m", PART - 1) == b"yend"
    assert store.list_uploads(bucket, "m") == ()


def test_an_aborted_upload_leaves_nothing(place: tuple[ObjectStore, str]) -> None:
    """Aborting removes the parts, may be repeated, and the upload cannot be completed."""
    store, bucket = place
    store.put(bucket, "old", b"old", content_type="text/plain")
    upload = store.start_upload(bucket, "old", content_type="video/mp4")
    part = store.put_part(bucket, "old", upload, 1, b"new")
    for _ in range(2):
        store.abort_upload(bucket, "old", upload)
    with pytest.raises(WorkError) as caught:
        store.complete_upload(bucket, "old", upload, [part])
    assert caught.value.reason is Reason.STORE_ERROR
    assert store.list_uploads(bucket, "") == ()
    assert store.read(bucket, "old") == b"old"


def test_a_part_that_is_not_the_stored_one_is_refused(place: tuple[ObjectStore, str]) -> None:
    """Completing with another ETag than the store's is an error, not another object."""
    store, bucket = place
    upload = store.start_upload(bucket, "m", content_type="video/mp4")
    part = store.put_part(bucket, "m", upload, 1, b"data")
    with pytest.raises(WorkError):
        store.complete_upload(bucket, "m", upload, [PartInfo(1, "0" * 32, part.size)])
    assert store.head(bucket, "m") is None


def test_urls_say_where_the_object_is(s3: S3Server, tmp_path: Path) -> None:
    """s3://bucket/key of an S3 store, file:///… of a directory."""
    assert open_store(s3.secret()).url("b", "k/x") == "s3://b/k/x"
    assert open_store(DirectoryOrder(root=str(tmp_path))).url("b", "k x") == f"{tmp_path.as_uri()}/b/k%20x"


def test_the_first_request_to_a_dead_port_fails_within_seconds(tmp_path: Path) -> None:
    """An unreachable store ends with StoreUnreachable after bounded retries."""
    from tests.support.processes import free_ports
    from tests.support.seaweed import mounted_secret

    endpoint = f"http://127.0.0.1:{free_ports(1)[0]}"
    store = open_store(
        mounted_secret(tmp_path, "s", {"endpoint": endpoint, "accessKeyId": "a", "secretAccessKey": "top-secret"})
    )
    started = time.monotonic()
    with pytest.raises(WorkError) as caught:
        store.check_bucket("bucket")
    assert caught.value.reason is Reason.STORE_UNREACHABLE
    assert endpoint in caught.value.message
    assert "top-secret" not in str(caught.value)
    assert time.monotonic() - started < 15
