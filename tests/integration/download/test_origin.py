"""Origins that misbehave: the right bytes, or a clean failure with its reason; never wrong bytes with success."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.download.conftest import Place
from tests.support.downloads import fetch, make_order
from tests.support.origin import DATE, Exchange, File, Handler, Origin, redirect, status, turns

CONTENT = random.Random(1).randbytes(3_000_000)  # noqa: S311 - the same bytes in each run
OTHER = random.Random(2).randbytes(3_000_000)  # noqa: S311 - the same bytes in each run
GOOD = File(CONTENT)
HALF = len(CONTENT) // 2
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"\n <!DOCTYPE html>\n<html><head><title>Log in</title></head><body>...</body></html>"


def chunked(body: bytes, *, end: bytes = b"0\r\n\r\n") -> Handler:
    """A body in chunks, without a length."""

    def handler(exchange: Exchange) -> None:
        exchange.head("200 OK", {**GOOD.fields(), "Transfer-Encoding": "chunked"})
        for start in range(0, len(body), 65536):
            block = body[start : start + 65536]
            exchange.send(f"{len(block):x}\r\n".encode() + block + b"\r\n")
        exchange.send(end)

    return handler


def part(answer: Callable[[int], tuple[dict[str, str | int], bytes]]) -> Handler:
    """A 206 whose fields and body are made from the byte that was asked for; the whole where none was."""

    def handler(exchange: Exchange) -> None:
        if "range" not in exchange.headers:
            GOOD(exchange)
            return
        start = int(exchange.headers["range"].removeprefix("bytes=").partition("-")[0])
        fields, body = answer(start)
        exchange.head("206 Partial Content", {**GOOD.fields(), "Content-Length": len(body), **fields})
        exchange.send(body)

    return handler


def shifted(start: int) -> tuple[dict[str, str | int], bytes]:
    """The right number of bytes from one byte too early, and says so."""
    return {"Content-Range": f"bytes {start - 1}-{len(CONTENT) - 2}/{len(CONTENT)}"}, CONTENT[start - 1 : -1]


def other_total(start: int) -> tuple[dict[str, str | int], bytes]:
    """A part of a file that has grown."""
    return {"Content-Range": f"bytes {start}-{len(CONTENT)}/{len(CONTENT) + 1}"}, CONTENT[start:] + b"!"


def nothing_said(start: int) -> tuple[dict[str, str | int], bytes]:
    """A 206 without Content-Range."""
    return {}, CONTENT[start:]


def twice_said(start: int) -> tuple[dict[str, str | int], bytes]:
    """A 206 of several ranges."""
    return {"Content-Type": "multipart/byteranges; boundary=x"}, b"--x\r\n" + CONTENT[start:]


def longer(start: int) -> tuple[dict[str, str | int], bytes]:
    """Announces another length than the range has."""
    body = CONTENT[start:] + b"tail"
    return {"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"}, body


def short(start: int) -> tuple[dict[str, str | int], bytes]:
    """A shorter part than asked for, which is allowed."""
    last = min(start + 400_000, len(CONTENT)) - 1
    return {"Content-Range": f"bytes {start}-{last}/{len(CONTENT)}"}, CONTENT[start : last + 1]


def another_etag(start: int) -> tuple[dict[str, str | int], bytes]:
    """A part of another version, in spite of If-Range."""
    return {"ETag": '"v2"', "Content-Range": f"bytes {start}-{len(OTHER) - 1}/{len(OTHER)}"}, OTHER[start:]


def upper_unit(start: int) -> tuple[dict[str, str | int], bytes]:
    """The range unit is case-insensitive (RFC 9110 section 14.1)."""
    return {"Content-Range": f"BYTES {start}-{len(CONTENT) - 1}/{len(CONTENT)}"}, CONTENT[start:]


def unknown_total(start: int) -> tuple[dict[str, str | int], bytes]:
    """A part of a file whose length is not said."""
    return {"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/*"}, CONTENT[start:]


def silent_midway(exchange: Exchange) -> None:
    """Half of the file, then nothing."""
    exchange.send(GOOD.begin(exchange)[:HALF])
    exchange.silence()


@dataclass(frozen=True, slots=True)
class Case:
    """An origin's behaviour, and how the download ends: with `reason`, or with the content."""

    name: str
    handler: Handler
    reason: Reason = Reason.COMPLETED
    content: bytes = CONTENT
    spec: dict[str, Any] = field(default_factory=dict)


GOOD_ENDINGS = [
    Case("plain", GOOD),
    Case("chunked", chunked(CONTENT)),
    Case("cut once", turns(GOOD.cut(HALF), GOOD)),
    Case("reset once", turns(GOOD.cut(HALF, reset=True), GOOD)),
    Case("cut again and again", turns(*(GOOD.cut(1_000_000 + n) for n in range(3)), GOOD)),
    Case("cut before the first byte", turns(GOOD.cut(0), GOOD)),
    Case("closed without an answer", turns(lambda _: None, GOOD)),
    Case("500 three times", turns(*[status("500 Oops")] * 3, GOOD)),
    Case("503 with Retry-After", turns(status("503 Busy", {"Retry-After": 0}), GOOD)),
    Case("429 with Retry-After", turns(status("429 Slow Down", {"Retry-After": 0}), GOOD)),
    Case("408", turns(status("408 Request Timeout"), GOOD)),
    Case("another version midway", turns(GOOD.cut(HALF), File(OTHER, etag='"v2"')), content=OTHER),
    Case("200 to a range", turns(GOOD.cut(HALF), File(CONTENT, ranges=False))),
    Case("range shifted by one", turns(GOOD.cut(HALF), part(shifted), GOOD)),
    Case("range of a larger file", turns(GOOD.cut(HALF), part(other_total), GOOD)),
    Case("range without Content-Range", turns(GOOD.cut(HALF), part(nothing_said), GOOD)),
    Case("several ranges", turns(GOOD.cut(HALF), part(twice_said), GOOD)),
    Case("more bytes than the range", turns(GOOD.cut(HALF), part(longer), GOOD)),
    Case("range of another version", turns(GOOD.cut(HALF), part(another_etag), File(OTHER, etag='"v2"')), content=OTHER),
    Case("short ranges", turns(GOOD.cut(HALF), part(short))),
    Case("range unit in capitals", turns(GOOD.cut(HALF), part(upper_unit))),
    Case("range of unknown total", turns(GOOD.cut(HALF), part(unknown_total))),
    Case("weak validator", turns(File(CONTENT, etag='W/"v1"', modified=None).cut(HALF), GOOD)),
    Case("date as validator", turns(File(CONTENT, etag=None).cut(HALF), File(CONTENT, etag=None))),
    Case("date too young", turns(File(CONTENT, etag=None, modified=DATE).cut(HALF), File(CONTENT, etag=None))),
    Case("no validator", turns(File(CONTENT, etag=None, modified=None).cut(HALF), GOOD)),
    Case("412 midway", turns(GOOD.cut(HALF), status("412 Precondition Failed"), GOOD)),
    Case("416 midway", turns(GOOD.cut(HALF), status("416 No", {"Content-Range": "bytes */17"}), GOOD)),
    Case("a byte too few, then more", turns(GOOD.cut(len(CONTENT) - 1), GOOD)),
    Case("206 to a request for all", turns(lambda e: e.respond("206 Partial Content", CONTENT), GOOD)),
    Case("chunks cut", turns(chunked(CONTENT[:HALF], end=b""), GOOD)),
    Case("chunks broken", turns(chunked(CONTENT[:HALF], end=b"zz\r\n"), GOOD)),
    Case("stalled once", turns(silent_midway, GOOD), spec={"stallTimeout": "1s"}),
    Case("no HTTP once", turns(lambda e: e.send(b"220 ftp ready\r\n"), GOOD)),
    Case("two lengths once", turns(lambda e: e.head("200 OK", [("Content-Length", 3), ("Content-Length", 4)]), GOOD)),
    Case("a long redirect chain", GOOD, spec={"chain": 5}),
]  # fmt: skip


@pytest.mark.parametrize("connections", [1, 8])
@pytest.mark.parametrize("case", GOOD_ENDINGS, ids=lambda case: case.name)
@pytest.mark.usefixtures("eager")
async def test_the_right_bytes_arrive_in_spite_of(
    case: Case, connections: int, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """The object has the content of one version of the file, its size and digest are told, nothing else is left."""
    spec = {**case.spec, "connections": connections}
    url = origin.serve("/film.mp4", case.handler)
    for step in range(spec.pop("chain", 0)):
        url = origin.serve(f"/hop{step}", redirect(url))
    ended = await fetch(make_order(url, directory.store, key="films/clip.mp4", **spec), tmp_path)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert directory.objects() == {"films/clip.mp4": case.content}
    assert ended.artifact is not None
    assert ended.artifact.size == len(case.content)
    assert ended.artifact.sha256 == hashlib.sha256(case.content).hexdigest()
    assert directory.leftovers() == []


def closing(body: bytes) -> Handler:
    """A body that only the end of the connection ends; HEAD says no length either."""

    def handler(exchange: Exchange) -> None:
        exchange.head("200 OK", {"Date": DATE, "Connection": "close"})
        if exchange.method != "HEAD":
            exchange.send(body)

    return handler


def endless(exchange: Exchange) -> None:
    """Chunks without end."""
    exchange.head("200 OK", {**GOOD.fields(), "Transfer-Encoding": "chunked"})
    while True:
        exchange.send(b"10000\r\n" + CONTENT[:65536] + b"\r\n")


def lying(exchange: Exchange) -> None:
    """The whole is always cut, and ranges are always wrong."""
    (part(shifted) if "range" in exchange.headers else GOOD.cut(HALF))(exchange)


BAD_ENDINGS = [
    Case("404", status("404 Not Found"), Reason.SOURCE_NOT_FOUND),
    Case("410", status("410 Gone"), Reason.SOURCE_NOT_FOUND),
    Case("401", status("401 Unauthorized"), Reason.SOURCE_ACCESS_DENIED),
    Case("403", status("403 Forbidden"), Reason.SOURCE_ACCESS_DENIED),
    Case("500 always", status("500 Oops"), Reason.SOURCE_ERROR),
    Case("429 always", status("429 Slow Down", {"Retry-After": 0}), Reason.SOURCE_RATE_LIMITED),
    Case("429 for an hour", status("429 Slow Down", {"Retry-After": 3600}), Reason.SOURCE_RATE_LIMITED),
    Case("204", lambda e: e.head("204 No Content"), Reason.SOURCE_EMPTY),
    Case("0 bytes", File(b""), Reason.SOURCE_EMPTY),
    Case("0 bytes in chunks", chunked(b""), Reason.SOURCE_EMPTY),
    Case("always cut at once", GOOD.cut(1000), Reason.SOURCE_INCOMPLETE),
    Case("never answers", lambda _: None, Reason.SOURCE_INCOMPLETE),
    Case("stalls always", lambda e: e.silence(), Reason.SOURCE_STALLED, spec={"stallTimeout": "1s"}),
    Case("too large by its own word", GOOD, Reason.SOURCE_TOO_LARGE, spec={"maxBytes": "2M"}),
    Case("too large in chunks", chunked(CONTENT), Reason.SOURCE_TOO_LARGE, spec={"maxBytes": "2M"}),
    Case("endless", endless, Reason.SOURCE_TOO_LARGE, spec={"maxBytes": "5M"}),
    Case("wrong sha256", GOOD, Reason.CHECKSUM_MISMATCH, spec={"checksum": {"sha256": "0" * 64}}),
    Case("wrong md5", GOOD, Reason.CHECKSUM_MISMATCH, spec={"checksum": {"md5": "0" * 32}}),
    Case("a page", File(PAGE, content_type="text/html"), Reason.SOURCE_NOT_MEDIA),
    Case("a page called a film", File(PAGE, content_type="video/mp4"), Reason.SOURCE_NOT_MEDIA),
    Case("a page in chunks", chunked(PAGE + b" " * 100_000), Reason.SOURCE_NOT_MEDIA),
    Case("an S3 error with 200", File(b'<?xml version="1.0"?>\n<Error><Code>X</Code></Error>'), Reason.SOURCE_NOT_MEDIA),
    Case("text that says so", File(b"Not here.", content_type="text/plain"), Reason.SOURCE_NOT_MEDIA),
    Case("gzip", File(CONTENT, content_type="x\r\nContent-Encoding: gzip"), Reason.PROTOCOL_VIOLATION),
    Case("always cut, and ranges lie", lying, Reason.SOURCE_INCOMPLETE),
    Case("no end is told", closing(CONTENT), Reason.NOT_SUPPORTED),
    Case("no HTTP at all", lambda e: e.send(b"SSH-2.0-OpenSSH\r\n"), Reason.PROTOCOL_VIOLATION),
    Case("headers without end", lambda e: e.head("200 OK", {"X": "y" * 100_000}), Reason.PROTOCOL_VIOLATION),
    Case("redirect without end", lambda e: e.respond("302 Found", b"", {"Location": e.target}), Reason.REDIRECT_REFUSED),
    Case("redirect to a file URL", redirect("file:///etc/passwd"), Reason.REDIRECT_REFUSED),
    Case("redirect to nowhere", status("302 Found"), Reason.REDIRECT_REFUSED),
    Case("redirect with credentials", redirect("http://user:pass@127.0.0.1/"), Reason.REDIRECT_REFUSED),
    Case("redirect to metadata", redirect("http://169.254.169.254/latest/"), Reason.ADDRESS_FORBIDDEN),
    Case("redirect to a disguise", redirect("http://2852039166/latest/"), Reason.ADDRESS_FORBIDDEN),
]  # fmt: skip


ALONE_TOO = {
    "always cut at once",
    "too large in chunks",
    "wrong sha256",
    "a page",
    "always cut, and ranges lie",
    "0 bytes",
}


@pytest.mark.parametrize(
    ("case", "connections"),
    [(case, count) for case in BAD_ENDINGS for count in ([1, 8] if case.name in ALONE_TOO else [8])],
    ids=lambda value: getattr(value, "name", str(value)),
)
@pytest.mark.usefixtures("eager")
async def test_a_clean_failure_with_its_reason(
    case: Case, connections: int, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """The reason is the right one, the message names the source, what was published before stays, nothing is added."""
    directory.open().put("media", "films/clip.mp4", b"before", content_type="video/mp4")
    url = origin.serve("/film.mp4", case.handler)
    spec = {**case.spec, "connections": connections}
    ended = await fetch(make_order(f"{url}?token=tok3n", directory.store, key="films/clip.mp4", **spec), tmp_path)
    assert ended.reason is case.reason, ended.message
    assert "127.0.0.1" in ended.message
    assert "tok3n" not in f"{ended.message}{ended.evidence}"
    assert directory.objects() == {"films/clip.mp4": b"before"}
