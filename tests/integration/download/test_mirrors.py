"""Mirrors: which is asked, when it is left, whose bytes may meet in one file, and what the status says of each."""

import hashlib
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.download.conftest import Place
from tests.support.downloads import Ended, fetch, make_order
from tests.support.origin import Exchange, File, Handler, Origin, status, turns
from workers.download import health, meter, mirrors

CONTENT = random.Random(21).randbytes(3_000_000)  # noqa: S311 - the same bytes in each run
OTHER = random.Random(22).randbytes(3_000_000)  # noqa: S311 - the same bytes in each run
GOOD = File(CONTENT)
SHA256 = {"sha256": hashlib.sha256(CONTENT).hexdigest()}
HALF = 1_500_000

pytestmark = pytest.mark.usefixtures("eager")


def first(exchange: Exchange) -> int:
    """The first byte a request asks for."""
    return int(exchange.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])


def until(limit: int, then: Handler, file: File = GOOD) -> Handler:
    """Serves what begins below `limit`, and answers the rest otherwise."""
    return lambda exchange: (file if first(exchange) < limit else then)(exchange)


def pacing(file: File, rate: Callable[[], float]) -> Handler:
    """Serves at a rate that may change."""

    def handler(exchange: Exchange) -> None:
        body = file.begin(exchange)
        for start in range(0, len(body), 8192):
            exchange.send(body[start : start + 8192])
            time.sleep(8192 / rate())
        exchange.keep = True

    return handler


async def run(handlers: list[Handler], origin: Origin, place: Place, tmp_path: Path, **spec: Any) -> Ended:
    """A download from mirrors /0, /1 and so on."""
    urls = [origin.serve(f"/{number}", handler) for number, handler in enumerate(handlers)]
    return await fetch(make_order(urls, place.store, **spec), tmp_path)


def states(ended: Ended) -> list[str]:
    """The states of the mirrors."""
    told = ended.report.download
    assert told is not None
    assert told.mirrors is not None
    return [mirror.state for mirror in told.mirrors]


@pytest.mark.parametrize("connections", [1, 8])
@pytest.mark.parametrize("failure", [status("503 Busy"), status("404 Gone"), lambda exchange: exchange.reset()])
async def test_with_a_digest_the_next_mirror_goes_on_midway(
    failure: Handler, connections: int, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """What came from the first mirror is not fetched again: the digest judges the mixture."""
    handler = turns(GOOD.cut(HALF), failure) if connections == 1 else until(HALF, failure)
    ended = await run([handler, GOOD], origin, directory, tmp_path, checksum=SHA256, connections=connections)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert directory.objects() == {"films/clip.bin": CONTENT}
    told = ended.report.download
    assert told is not None
    assert told.mirrors is not None
    assert told.bytes_refetched is not None
    assert sum(mirror.bytes for mirror in told.mirrors) == len(CONTENT) + told.bytes_refetched
    if connections == 1:  # with more, how far the others came when one failed is a matter of the machine
        assert told.bytes_refetched == 0
        assert min(first(exchange) for exchange in origin.requests("/1")) > HALF // 2
    assert 'narwhal_download_mirror_switches_total{cause="failure"}' in ended.metrics


@pytest.mark.parametrize("connections", [1, 8])
async def test_without_a_digest_mirrors_are_never_mixed(
    connections: int, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """The same ETag and length at another URL prove nothing: the second mirror's file is fetched from its first byte."""
    gone = status("404 Gone")
    handler = turns(GOOD.cut(HALF), gone) if connections == 1 else until(HALF, gone)
    ended = await run([handler, File(OTHER)], origin, directory, tmp_path, connections=connections)
    assert ended.reason is Reason.COMPLETED
    assert directory.objects() == {"films/clip.bin": OTHER}
    assert states(ended) == ["Failed", "Active"]
    assert ended.report.download is not None
    if connections == 1:  # with more, one may fail before another has a byte
        assert ended.report.download.bytes_refetched


@pytest.mark.parametrize("right", [0, 1])
async def test_a_mirror_of_another_length_is_not_mixed(
    right: int, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """A mirror whose file is longer is no mirror of these bytes: each is judged by its own."""
    files = [GOOD, File(CONTENT + b"!")][:: -1 if right else 1]
    ended = await run(
        [until(HALF, status("404 Gone"), files[0]), files[1]], origin, directory, tmp_path, checksum=SHA256
    )
    assert ended.reason is (Reason.COMPLETED if right else Reason.SOURCE_NOT_FOUND), ended.message
    assert states(ended) == ["Failed", "Active" if right else "Banned"]
    assert directory.objects() == ({"films/clip.bin": CONTENT} if right else {})


async def test_a_wrong_mirror_is_banned_and_the_next_goes_on(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """A digest that does not fit bans the mirror whose bytes they all were, and says so in the status."""
    ended = await run([File(OTHER), GOOD], origin, directory, tmp_path, checksum=SHA256)
    assert ended.reason is Reason.COMPLETED
    assert directory.objects() == {"films/clip.bin": CONTENT}
    assert states(ended) == ["Banned", "Active"]
    assert 'narwhal_download_mirror_switches_total{cause="checksum"} 1.0' in ended.metrics


@pytest.mark.parametrize("wrong", [0, 1])
async def test_a_wrong_mixture_is_judged_mirror_by_mirror(
    wrong: int, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """One of two mirrors lies: the mixture is given up, each is fetched alone, and the right one wins."""
    failed = threading.Event()

    def flaky(exchange: Exchange) -> None:
        if first(exchange) >= HALF and not failed.is_set():
            failed.set()
            exchange.reset()
        elif failed.is_set() and origin.requests("/1") == []:
            exchange.reset()
        else:
            (File(OTHER) if wrong == 0 else GOOD)(exchange)

    second = GOOD if wrong == 0 else File(OTHER)
    ended = await run([flaky, second], origin, directory, tmp_path, checksum=SHA256)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert directory.objects() == {"films/clip.bin": CONTENT}


async def test_when_all_are_wrong_the_digest_is_the_reason(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """With no mirror left the download ends as ChecksumMismatch, with the word of each as evidence."""
    ended = await run([File(OTHER), File(OTHER)], origin, directory, tmp_path, checksum=SHA256)
    assert ended.reason is Reason.CHECKSUM_MISMATCH
    assert ended.evidence is not None
    assert len(ended.evidence.splitlines()) == 2
    assert states(ended) == ["Banned", "Banned"]
    assert directory.leftovers() == []


async def test_a_mirror_that_becomes_slow_is_left_for_one_that_was_fast(
    origin: Origin, directory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first shows its speed, fails for a moment, and is gone back to when the second is far slower."""
    monkeypatch.setattr(mirrors, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(health, "SHOWN_SECONDS", 0.2)
    monkeypatch.setattr(meter, "SMOOTH_SECONDS", 0.2)
    monkeypatch.setattr(health, "SLOW_SECONDS", 0.3)
    asked = threading.Event()
    fast = pacing(GOOD, lambda: 3e6)

    def one(exchange: Exchange) -> None:
        if first(exchange) >= HALF and not asked.is_set():
            exchange.respond("503 Busy")
        else:
            fast(exchange)

    def two(exchange: Exchange) -> None:
        asked.set()
        pacing(GOOD, lambda: 2e4)(exchange)

    started = time.monotonic()
    ended = await run([one, two], origin, directory, tmp_path, checksum=SHA256, connections=2)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert directory.objects() == {"films/clip.bin": CONTENT}
    assert time.monotonic() - started < HALF / 4e4
    assert 'narwhal_download_mirror_switches_total{cause="speed"} 1.0' in ended.metrics
    assert states(ended) == ["Active", "Standby"]


async def test_each_mirror_has_its_turn_where_much_is_left(
    origin: Origin, directory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is slower than the first, the third is faster: after a look at each it is gone on with the third."""
    monkeypatch.setattr(mirrors, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(mirrors, "TRIAL_SECONDS", 0.4)
    monkeypatch.setattr(meter, "SMOOTH_SECONDS", 0.1)
    monkeypatch.setattr(health, "SHOWN_SECONDS", 0.3)
    monkeypatch.setattr(health, "TRIAL_AFTER_SECONDS", 0.3)
    monkeypatch.setattr(health, "TRIAL_LEFT_SECONDS", 0.5)
    handlers = [pacing(GOOD, lambda rate=rate: rate) for rate in (8e5, 1e5, 2e6)]  # type: ignore[misc]  # bound early
    ended = await run(handlers, origin, directory, tmp_path, checksum=SHA256, connections=1)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert directory.objects() == {"films/clip.bin": CONTENT}
    assert states(ended) == ["Standby", "Standby", "Active"]
    assert ended.report.download is not None
    assert ended.report.download.mirrors is not None
    sent = [mirror.bytes for mirror in ended.report.download.mirrors]
    assert sent[2] > sent[0] > sent[1] > 0
    assert 'narwhal_download_mirror_switches_total{cause="failure"}' not in ended.metrics


async def test_a_mirror_that_asks_for_patience_is_not_waited_for(
    origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """Retry-After of a minute: the other mirror serves meanwhile."""
    started = time.monotonic()
    busy = status("503 Busy", {"Retry-After": 60})
    ended = await run([busy, GOOD], origin, directory, tmp_path, checksum=SHA256)
    assert ended.reason is Reason.COMPLETED
    assert time.monotonic() - started < 10
    assert len(origin.requests("/0")) == 1


async def test_each_origin_gets_its_own_headers_only(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """The Secret's headers go to each mirror's own origin, also on many connections; where it redirects gets none."""
    (tmp_path / "headers").mkdir()
    (tmp_path / "headers" / "Authorization").write_text("Bearer s3cr3t")
    with Origin() as other:
        target = other.serve("/real", GOOD)
        url = origin.serve("/f", lambda exchange: exchange.respond("302 Found", b"", {"Location": target}))
        http = {"headersFrom": {"secretRef": {"name": "origin-auth"}}}
        order = make_order(url, directory.store, headers=str(tmp_path / "headers"), http=http)
        assert (await fetch(order, tmp_path)).reason is Reason.COMPLETED
        assert {exchange.headers.get("authorization") for exchange in origin.seen} == {"Bearer s3cr3t"}
        assert len(other.seen) > 8
        assert {exchange.headers.get("authorization") for exchange in other.seen} == {None}
