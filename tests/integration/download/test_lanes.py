"""Several connections to one source: origins that limit them, change under them, hang or lie on one of them."""

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.download.conftest import Place
from tests.support.downloads import Ended, fetch, make_order
from tests.support.origin import Exchange, File, Handler, Origin, redirect, status
from workers.download import engine, ramp

CONTENT = random.Random(11).randbytes(3_000_000)  # noqa: S311 - the same bytes in each run
OTHER = random.Random(12).randbytes(3_000_000)  # noqa: S311 - the same bytes in each run
GOOD = File(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()

pytestmark = pytest.mark.usefixtures("eager")


def first(exchange: Exchange) -> int:
    """The first byte a request asks for."""
    return int(exchange.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])


def slowly(exchange: Exchange, body: bytes, rate: float = 1e6) -> None:
    """A body at a rate: what a network does."""
    for start in range(0, len(body), 16384):
        exchange.send(body[start : start + 16384])
        time.sleep(16384 / rate)


@dataclass(slots=True)
class Limited:
    """Serves so many connections at once, each at a rate, and has `refuse` answer the others."""

    most: int
    refuse: Handler
    file: File = field(default_factory=lambda: GOOD)
    rate: float = 2e6
    peak: int = 0
    refused: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def entered(self) -> Iterator[bool]:
        """Whether there is room; the room is taken meanwhile."""
        with self._lock:
            room = self._now < self.most
            self._now += room
            self.refused += not room
            self.peak = max(self.peak, self._now)
        try:
            yield room
        finally:
            with self._lock:
                self._now -= room

    def __call__(self, exchange: Exchange) -> None:
        with self.entered() as room:
            if not room:
                self.refuse(exchange)
                return
            slowly(exchange, self.file.begin(exchange), self.rate)
            exchange.keep = True


async def right(handler: Handler, origin: Origin, place: Place, tmp_path: Path, **spec: Any) -> Ended:
    """The download ends with the content and leaves nothing else."""
    ended = await fetch(make_order(origin.serve("/f", handler), place.store, **spec), tmp_path)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert place.objects() == {"films/clip.bin": CONTENT}
    assert place.leftovers() == []
    return ended


async def test_several_connections_share_a_file(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """Eight at once, kept open for one bounded range after another, each under the validator of the first answer."""
    gate = Limited(8, status("503 Busy"))
    ended = await right(gate, origin, directory, tmp_path)
    assert (gate.peak, gate.refused) == (8, 0)
    assert len({exchange.sock for exchange in origin.seen}) <= 8 + 1
    assert len(origin.seen) > 16
    assert origin.seen[0].headers["range"] == "bytes=0-131071"
    assert {exchange.headers.get("if-range") for exchange in origin.seen[1:]} == {'"v1"'}
    assert ended.artifact is not None
    assert ended.artifact.sha256 == SHA256


@pytest.mark.parametrize(("spec", "top", "most"), [({"connections": 3}, {}, 3), ({}, {"connectionsPerHost": 2}, 2)])
async def test_no_more_connections_than_wanted(
    spec: dict[str, Any], top: dict[str, Any], most: int, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """The spec's number and the admin's ceiling hold, whichever is lower."""
    gate = Limited(64, status("503 Busy"))
    order = make_order(origin.serve("/f", gate), directory.store, **spec).model_copy(
        update={"connections_per_host": top.get("connectionsPerHost", 16)}
    )
    assert (await fetch(order, tmp_path)).reason is Reason.COMPLETED
    assert gate.peak == most


@pytest.mark.parametrize(
    "refuse",
    [
        status("503 Busy"),
        status("429 Slow Down", {"Retry-After": 600}),
        status("403 Too many connections"),
        lambda exchange: exchange.reset(),
        lambda _: None,
    ],
    ids=["503", "429", "403", "reset", "closed"],
)
async def test_a_source_that_limits_connections_is_served_by_fewer(
    refuse: Handler, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """Refused connections are no failure: the others go on, and no more are tried for a while."""
    gate = Limited(2, refuse)
    ended = await right(gate, origin, directory, tmp_path)
    assert gate.peak == 2
    assert 1 <= gate.refused <= 16  # six, and each once again where the client found its connection closed
    assert "narwhal_download_failures_total{" not in ended.metrics
    assert ended.report.download is not None
    assert ended.report.download.bytes_refetched is not None
    assert (
        ended.report.download.bytes_refetched < len(CONTENT) // 4
    )  # blocks under way of a span whose rest another one took


async def test_after_a_refusal_one_connection_more_is_tried(
    origin: Origin, directory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one, after a pause: a limit that was lifted is found out."""
    monkeypatch.setattr(ramp, "AGAIN_SECONDS", 0.2)
    gate = Limited(2, status("503 Busy"), rate=0.5e6)

    def handler(exchange: Exchange) -> None:
        if gate.refused:
            gate.most = 4
        gate(exchange)

    await right(handler, origin, directory, tmp_path)
    assert 2 < gate.peak <= 4


async def test_connections_that_hang_are_closed(
    origin: Origin, directory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that limits by silence: what the silent ones hold is fetched by the one that is served."""
    monkeypatch.setattr(engine, "HANG_SECONDS", 0.3)
    monkeypatch.setattr("workers.download.lane.SPEED_SECONDS", 0.2)
    gate = Limited(1, lambda exchange: exchange.silence())
    started = time.monotonic()
    ended = await right(gate, origin, directory, tmp_path)
    assert time.monotonic() - started < 15
    assert "narwhal_download_failures_total{" not in ended.metrics


async def test_silence_of_all_connections_ends_after_the_stall_timeout(
    origin: Origin, directory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that falls silent on each connection midway: no closing and opening of connections puts the end off."""
    monkeypatch.setattr(engine, "HANG_SECONDS", 0.1)
    monkeypatch.setattr("workers.download.mirrors.TRIES", 1)

    def handler(exchange: Exchange) -> None:
        body = GOOD.begin(exchange)
        exchange.send(body[: max(0, 1_000_000 - first(exchange))])
        exchange.keep = first(exchange) + len(body) <= 1_000_000
        if not exchange.keep:
            exchange.silence()

    started = time.monotonic()
    ended = await fetch(make_order(origin.serve("/f", handler), directory.store, stallTimeout="1s"), tmp_path)
    assert ended.reason is Reason.SOURCE_STALLED
    assert 1.0 <= time.monotonic() - started < 4.0


async def test_a_slow_connection_is_helped(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """One connection at a hundredth of the rate of the others does not keep them waiting: its work is shared."""
    once = threading.Semaphore(1)

    def handler(exchange: Exchange) -> None:
        body = GOOD.begin(exchange)
        slow = first(exchange) > 0 and once.acquire(blocking=False)
        slowly(exchange, body, 2e4 if slow else 2e6)
        exchange.keep = True

    started = time.monotonic()
    await right(handler, origin, directory, tmp_path)
    assert time.monotonic() - started < 64 * 1024 / 2e4


@dataclass
class Once:
    """Answers one request from beyond some byte by a lie, all others rightly."""

    lie: Handler
    after: int
    told: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, exchange: Exchange) -> None:
        with self._lock:
            lying = not self.told and first(exchange) > self.after
            self.told = self.told or lying
        (self.lie if lying else GOOD)(exchange)


def lie(exchange: Exchange, first: int, last: int, body: bytes, **fields: str) -> None:
    """A 206 of this range and body."""
    told = {**GOOD.fields(), "Content-Range": f"bytes {first}-{last}/{len(CONTENT)}", "Content-Length": len(body)}
    exchange.head("206 Partial Content", {**told, **{name.replace("_", "-"): value for name, value in fields.items()}})
    exchange.send(body)


def wanted(exchange: Exchange) -> tuple[int, int]:
    """The range a request asks for."""
    found = GOOD.asked(exchange)
    assert found is not None
    return found


def shifted(exchange: Exchange) -> None:
    """The range one byte earlier, and says so."""
    start, last = wanted(exchange)
    lie(exchange, start - 1, last - 1, CONTENT[start - 1 : last])


def cut_short(exchange: Exchange) -> None:
    """Half of the bytes it announced."""
    start, last = wanted(exchange)
    exchange.head("206 Partial Content", {
        **GOOD.fields(), "Content-Range": f"bytes {start}-{last}/{len(CONTENT)}", "Content-Length": last + 1 - start,
    })  # fmt: skip
    exchange.send(CONTENT[start : (start + last) // 2])


def less(exchange: Exchange) -> None:
    """A smaller range than asked for, which is allowed (RFC 9110 section 15.3.7)."""
    start, last = wanted(exchange)
    middle = (start + last) // 2
    lie(exchange, start, middle, CONTENT[start : middle + 1])


def more(exchange: Exchange) -> None:
    """The range to the end of the file."""
    start, _ = wanted(exchange)
    lie(exchange, start, len(CONTENT) - 1, CONTENT[start:])


def of_another_version(exchange: Exchange) -> None:
    """Bytes of another file in spite of If-Range, with their own ETag."""
    start, last = wanted(exchange)
    lie(exchange, start, last, OTHER[start : last + 1], ETag='"v2"')


def whole(exchange: Exchange) -> None:
    """The same file, whole."""
    File(CONTENT, ranges=False)(exchange)


def whole_other(exchange: Exchange) -> None:
    """Another file, whole."""
    File(OTHER, etag='"v2"')(exchange)


@pytest.mark.parametrize(
    "lie",
    [
        shifted, cut_short, less, more, of_another_version, whole, whole_other, status("500 Oops"),
        status("416 No", {"Content-Range": "bytes */17"}), status("412 No"), lambda e: e.send(b"SSH-2.0\r\n"),
        lambda e: e.reset(), status("404 Not Found"),
    ],
    ids=[
        "shifted", "cut", "less", "more", "version", "whole", "whole other", "500", "416", "412", "no http", "reset",
        "404",
    ],
)  # fmt: skip
@pytest.mark.parametrize("after", [0, 400_000])
async def test_one_lie_among_many_answers(
    lie: Handler, after: int, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """Whatever one connection says, once: the bytes are those of the file, and of one version of it."""
    once = Once(lie, after)
    await right(once, origin, directory, tmp_path)
    assert once.told


async def test_a_file_that_changes_is_of_one_version(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """Each request after the fifth is answered with the new version: the object is that one, whole."""
    count = iter(range(10**6))

    def handler(exchange: Exchange) -> None:
        (GOOD if next(count) < 5 else File(OTHER, etag='"v2"'))(exchange)

    ended = await fetch(make_order(origin.serve("/f", handler), directory.store), tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert directory.objects() == {"films/clip.bin": OTHER}


async def test_servers_of_different_validators_behind_one_name(
    origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """When each second answer has another ETag, one response is of one version: it is taken whole."""
    count = iter(range(10**6))

    def handler(exchange: Exchange) -> None:
        File(CONTENT, etag=f'"node-{next(count) % 2}"')(exchange)

    await right(handler, origin, directory, tmp_path)
    assert "range" not in origin.seen[-1].headers


@pytest.mark.parametrize("code", ["400 Bad Request", "416 Range Not Satisfiable", "501 Not Implemented"])
async def test_a_source_that_refuses_ranges_gives_the_whole(
    code: str, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """A server that answers a range with an error is asked again, in the simplest way."""

    def handler(exchange: Exchange) -> None:
        (status(code) if "range" in exchange.headers else GOOD)(exchange)

    await right(handler, origin, directory, tmp_path)
    assert len(origin.seen) == 2


async def test_redirects_are_followed_once(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """Later requests go where the first was led, so that all meet the same server."""
    with Origin() as other:
        target = other.serve("/real", Limited(8, status("503 Busy")))
        await right(redirect(target), origin, directory, tmp_path)
        assert len(origin.seen) == 1
        assert len(other.seen) > 8


async def test_an_address_given_for_a_while_is_asked_for_anew(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """When where the redirect led refuses after a while, the first URL is asked for another address."""
    left = {"a": 4}

    def real(exchange: Exchange) -> None:
        name = exchange.target.partition("?")[2]
        left[name] = left.get(name, 10**6) - 1
        (GOOD if left[name] >= 0 else status("403 Forbidden"))(exchange)

    count = iter(["a"])
    target = origin.serve("/real", real)

    def handler(exchange: Exchange) -> None:
        redirect(f"{target}?{next(count, 'b')}")(exchange)

    ended = await right(handler, origin, directory, tmp_path)
    assert "narwhal_download_failures_total{" not in ended.metrics
    assert len(origin.requests("/f")) < len(origin.requests("/real"))


async def test_the_bandwidth_limit_is_of_all_connections(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """3 MB at 2 MiB a second take at least 1.3 s with as many connections as the limit can feed."""
    started = time.monotonic()
    await right(GOOD, origin, directory, tmp_path, bandwidthLimit="2Mi")
    assert time.monotonic() - started >= 1.3


async def test_the_status_counts_connections(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """The bytes of the mirror, its rate and state are told; afterwards no connection is open."""
    ended = await right(Limited(8, status("503 Busy")), origin, directory, tmp_path)
    told = ended.report.download
    assert told is not None
    assert told.connections == 0
    assert told.mirrors is not None
    (mirror,) = told.mirrors
    assert (mirror.host, mirror.state, mirror.failures) == (f"127.0.0.1:{origin.port}", "Active", 0)
    assert mirror.bytes >= len(CONTENT)


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><html></html>", b'{"error": "gone"}', b"1\n00:00:01 --> 00:00:02\n"])
async def test_any_content_is_taken_where_it_is_meant(
    body: bytes, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """With expect Any a page, JSON or subtitles are what is asked for; with Media they are no film."""
    url = origin.serve("/f", File(body, content_type="text/plain"))
    ended = await fetch(make_order(url, directory.store, key="films/clip.mp4", expect="Any"), tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert directory.objects() == {"films/clip.mp4": body}
    ended = await fetch(make_order(url, directory.store, key="films/other.mp4"), tmp_path)
    assert ended.reason is Reason.SOURCE_NOT_MEDIA
