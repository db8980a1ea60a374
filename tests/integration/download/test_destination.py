"""Where a download goes: to either store whole or not at all, and each way a store can refuse has its reason."""

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.order import DirectoryStore
from narwhal_operator.contract.outcome import Reason
from tests.integration.download.conftest import Place
from tests.support.certificates import Authority
from tests.support.downloads import fetch, make_order
from tests.support.origin import Exchange, File, Handler, Origin, status, turns
from tests.support.seaweed import S3Server, mounted_secret
from workers.common.store import open_store
from workers.download.client import READ_BYTES

CONTENT = random.Random(3).randbytes(20 * 1024 * 1024 + 17)  # noqa: S311 - the same bytes in each run
GOOD = File(CONTENT)
READ_AHEAD = 2 * READ_BYTES
"""What the HTTP client may have read and not handed on when a connection breaks: it is lost."""


@pytest.mark.parametrize("size", [1, 5_000_000, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1, len(CONTENT)])
async def test_a_file_of_any_size_arrives(size: int, origin: Origin, place: Place, tmp_path: Path) -> None:
    """One byte, one request, exactly one part, one part and a byte, several parts: the content and its digest."""
    content = CONTENT[:size]
    ended = await fetch(make_order(origin.serve("/f", File(content)), place.store, bucket=place.bucket), tmp_path)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.artifact is not None
    assert ended.artifact.sha256 == hashlib.sha256(content).hexdigest()
    assert (ended.artifact.size, ended.artifact.content_type) == (size, "video/mp4")
    assert place.objects() == {"films/clip.bin": content}
    assert place.leftovers() == []
    found = place.open().head(place.bucket, "films/clip.bin")
    assert found is not None
    assert found.content_type == "video/mp4"
    assert found.metadata["narwhal-uid"] == "uid-1"


async def test_a_file_of_unknown_length_arrives(origin: Origin, place: Place, tmp_path: Path) -> None:
    """Chunks without a length fill parts as well."""

    def chunked(exchange: Exchange) -> None:
        exchange.head("200 OK", {**GOOD.fields(), "Transfer-Encoding": "chunked"})
        for start in range(0, len(CONTENT), 1_000_000):
            block = CONTENT[start : start + 1_000_000]
            exchange.send(f"{len(block):x}\r\n".encode() + block + b"\r\n")
        exchange.send(b"0\r\n\r\n")

    ended = await fetch(make_order(origin.serve("/f", chunked), place.store, bucket=place.bucket), tmp_path)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert place.objects() == {"films/clip.bin": CONTENT}


async def test_a_cut_is_gone_on_from_in_either_store(origin: Origin, place: Place, tmp_path: Path) -> None:
    """Within one attempt only the missing bytes are asked for, with If-Range."""
    url = origin.serve("/f", turns(GOOD.cut(9_000_000), GOOD.cut(7_000_000), GOOD))
    ended = await fetch(make_order(url, place.store, bucket=place.bucket, connections=1), tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert place.objects() == {"films/clip.bin": CONTENT}
    asked = [request.headers.get("range", "bytes=0-") for request in origin.seen]
    first, second, third = (int(text.removeprefix("bytes=").removesuffix("-")) for text in asked)
    assert first == 0
    assert 9_000_000 - READ_AHEAD <= second <= 9_000_000
    assert second + 7_000_000 - READ_AHEAD <= third <= second + 7_000_000
    assert {request.headers.get("if-range") for request in origin.seen[1:]} == {'"v1"'}
    assert ended.report.download is not None
    assert ended.report.download.bytes_refetched == 0


async def test_a_version_that_changed_is_never_mixed(origin: Origin, place: Place, tmp_path: Path) -> None:
    """After a change midway the object is the new version, whole; what was given up is counted."""
    other = random.Random(4).randbytes(len(CONTENT))  # noqa: S311 - the same bytes in each run
    url = origin.serve("/f", turns(GOOD.cut(9_000_000), File(other, etag='"v2"')))
    ended = await fetch(make_order(url, place.store, bucket=place.bucket, connections=1), tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert place.objects() == {"films/clip.bin": other}
    assert place.leftovers() == []
    assert ended.report.download is not None
    refetched = ended.report.download.bytes_refetched
    assert refetched is not None
    assert 9_000_000 - READ_AHEAD <= refetched <= 9_000_000
    told = ended.metrics.rpartition("narwhal_download_refetched_bytes_total ")[2].split()[0]
    assert float(told) == refetched


@pytest.mark.parametrize(
    ("handler", "spec", "reason"),
    [
        (GOOD, {"checksum": {"sha256": "0" * 64}}, Reason.CHECKSUM_MISMATCH),
        (turns(GOOD.cut(9_000_000), status("404 Gone")), {}, Reason.SOURCE_NOT_FOUND),
        (GOOD.cut(9_000_000), {"maxBytes": "10M"}, Reason.SOURCE_TOO_LARGE),
    ],
)
async def test_a_failure_leaves_what_was_there(
    handler: Handler, spec: dict[str, Any], reason: Reason, origin: Origin, place: Place, tmp_path: Path
) -> None:
    """The object of before is still there, whole; no part and no upload is left."""
    store = place.open()
    store.check_bucket(place.bucket)
    store.put(place.bucket, "films/clip.bin", b"before", content_type="video/mp4")
    url = origin.serve("/f", handler)
    ended = await fetch(make_order(url, place.store, bucket=place.bucket, **spec), tmp_path)
    assert ended.reason is reason
    assert place.objects() == {"films/clip.bin": b"before"}
    assert place.leftovers() == []


async def test_a_missing_bucket_has_its_reason(s3: S3Server, origin: Origin, tmp_path: Path) -> None:
    """A bucket that does not exist ends with BucketNotFound, its name and the store; the source is not asked."""
    url = origin.serve("/f", GOOD)
    ended = await fetch(make_order(url, s3.secret(), bucket="no-such-bucket"), tmp_path)
    assert ended.reason is Reason.BUCKET_NOT_FOUND
    assert "no-such-bucket" in ended.message
    assert s3.endpoint in ended.message
    assert origin.seen == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"accessKeyId": "nobody"}, Reason.STORE_ACCESS_DENIED),
        ({"secretAccessKey": "wr0ng-s3cret"}, Reason.STORE_ACCESS_DENIED),
        ({"endpoint": "http://127.0.0.1:1"}, Reason.STORE_UNREACHABLE),
        ({"endpoint": "http://no-such-host.invalid:9000"}, Reason.STORE_UNREACHABLE),
        ({"endpoint": "127.0.0.1:9000"}, Reason.SECRET_INVALID),
        ({"endpoint": "http://user:pass@127.0.0.1"}, Reason.SECRET_INVALID),
        ({"endpoint": "ftp://127.0.0.1"}, Reason.SECRET_INVALID),
        ({"endpoint": None}, Reason.SECRET_INVALID),
        ({"accessKeyId": None}, Reason.SECRET_INVALID),
        ({"secretAccessKey": "\n"}, Reason.SECRET_INVALID),
        ({"pathStyle": "perhaps"}, Reason.SECRET_INVALID),
        ({"endpoint": "https://127.0.0.1:1", "caBundle": "no certificate"}, Reason.SECRET_INVALID),
    ],
)
async def test_a_wrong_secret_has_its_reason(
    changed: dict[str, str | None], reason: Reason, s3: S3Server, tmp_path: Path
) -> None:
    """Each way a storage Secret can be wrong: its reason and its name in the message, never a value of it."""
    s3.bucket("media")
    ended = await fetch(make_order("http://127.0.0.1:1/f", s3.secret("films-store", **changed)), tmp_path)
    assert ended.reason is reason, ended.message
    assert "films-store" in ended.message
    for value in ("narwhal-test-secret-key", "wr0ng-s3cret", "user:pass", "narwhal-test "):
        assert value not in ended.message


async def test_a_missing_secret_has_its_reason(tmp_path: Path) -> None:
    """An optional mount of a Secret that does not exist is an empty directory: SecretNotFound with its name."""
    ended = await fetch(make_order("http://127.0.0.1:1/f", mounted_secret(tmp_path, "films-store", {})), tmp_path)
    assert ended.reason is Reason.SECRET_NOT_FOUND
    assert "films-store" in ended.message


async def test_a_store_with_an_untrusted_certificate_has_its_reason(tmp_path: Path) -> None:
    """StoreTlsInvalid names caBundle; with the authority in the Secret the same store is trusted."""
    (tmp_path / "ca").mkdir()
    (tmp_path / "secrets").mkdir()
    authority = Authority.create(tmp_path / "ca")
    with Origin(tls=authority.context()) as store:
        keys = {"endpoint": store.url(""), "accessKeyId": "a", "secretAccessKey": "b"}
        order = make_order("http://127.0.0.1:1/f", mounted_secret(tmp_path / "secrets", "films-store", keys))
        ended = await fetch(order, tmp_path)
        assert ended.reason is Reason.STORE_TLS_INVALID
        assert "caBundle" in ended.message
        assert store.seen == []
        trusted = mounted_secret(tmp_path / "secrets", "films-store", {**keys, "caBundle": authority.path.read_text()})
        ended = await fetch(make_order("http://127.0.0.1:1/f", trusted), tmp_path)
        assert ended.reason is Reason.STORE_ERROR
        assert store.seen != []


def xml(code: str, line: str) -> Handler:
    """A store that answers every request with an S3 error."""
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>m</Message></Error>'.encode()
    return status(line, {"Content-Type": "application/xml"}, body)


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (xml("AccessDenied", "403 Forbidden"), Reason.STORE_ACCESS_DENIED),
        (xml("SignatureDoesNotMatch", "403 Forbidden"), Reason.STORE_ACCESS_DENIED),
        (xml("NoSuchBucket", "404 Not Found"), Reason.BUCKET_NOT_FOUND),
        (xml("QuotaExceeded", "403 Forbidden"), Reason.STORE_FULL),
        (xml("InternalError", "500 Oops"), Reason.STORE_ERROR),
        (xml("SlowDown", "503 Busy"), Reason.STORE_ERROR),
        (status("507 Insufficient Storage"), Reason.STORE_FULL),
        (status("403 Forbidden", {"Content-Type": "text/html"}, b"<html>proxy</html>"), Reason.STORE_ACCESS_DENIED),
        (status("200 OK", {"Content-Type": "text/html"}, b"<html>hello"), Reason.STORE_ERROR),
        (lambda exchange: exchange.reset(), Reason.STORE_UNREACHABLE),
        (lambda exchange: exchange.send(b"SSH-2.0\r\n"), Reason.STORE_UNREACHABLE),
    ],
)
def test_what_a_store_answers_has_its_reason(handler: Handler, reason: Reason, tmp_path: Path) -> None:
    """S3 error codes, bare statuses, pages of proxies and broken connections are told apart."""
    from narwhal_operator.contract.outcome import WorkError

    with Origin() as server:
        server.routes["/media"] = server.routes["/media/"] = handler
        keys = {"endpoint": server.url(""), "accessKeyId": "a", "secretAccessKey": "b"}
        store = open_store(mounted_secret(tmp_path, "films-store", keys))
        with pytest.raises(WorkError) as caught:
            store.check_bucket("media")
    assert caught.value.reason is reason, caught.value.message
    assert "films-store" in caught.value.message


async def test_a_directory_that_cannot_be_made_has_its_reason(origin: Origin, tmp_path: Path) -> None:
    """A file where the store's directory should be is refused before the source is asked."""
    (tmp_path / "file").write_text("I am a file")
    url = origin.serve("/f", GOOD)
    ended = await fetch(make_order(url, DirectoryStore(root=str(tmp_path / "file"))), tmp_path)
    assert ended.reason is Reason.INVALID_ORDER
    assert str(tmp_path / "file") in ended.message
    assert origin.seen == []


async def test_a_key_below_a_file_has_its_reason(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """films/clip.bin cannot be made where films is a file; the file stays."""
    directory.open().put("media", "films", b"a file", content_type="text/plain")
    ended = await fetch(make_order(origin.serve("/f", GOOD), directory.store), tmp_path)
    assert ended.reason is Reason.INVALID_ORDER
    assert directory.objects() == {"films": b"a file"}
