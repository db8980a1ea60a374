"""Work that is done is not done again; mirrors, checksum files, limits, and what is told meanwhile."""

import hashlib
import random
import time
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.download.conftest import Place
from tests.support.downloads import fetch, make_order
from tests.support.origin import Exchange, File, Origin, status, turns

CONTENT = random.Random(7).randbytes(9 * 1024 * 1024)  # noqa: S311 - the same bytes in each run
GOOD = File(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def methods(origin: Origin) -> list[str]:
    """The methods of the requests so far."""
    return [exchange.method for exchange in origin.seen]


async def test_a_second_attempt_at_finished_work_fetches_nothing(origin: Origin, place: Place, tmp_path: Path) -> None:
    """When the pod was lost after the object was made, the next attempt tells the same artifact at once."""
    url = origin.serve("/f", GOOD)
    first = await fetch(make_order(url, place.store, bucket=place.bucket), tmp_path)
    origin.seen.clear()
    second = await fetch(make_order(url, place.store, bucket=place.bucket, head={"attempt": 2}), tmp_path)
    assert second.reason is Reason.COMPLETED
    assert second.artifact == first.artifact
    assert methods(origin) == []


async def test_an_object_with_the_wanted_digest_is_not_fetched(origin: Origin, place: Place, tmp_path: Path) -> None:
    """Another resource that wants the same digest under the same key finds it there."""
    url = origin.serve("/f", GOOD)
    await fetch(make_order(url, place.store, bucket=place.bucket), tmp_path)
    origin.seen.clear()
    order = make_order(
        url, place.store, bucket=place.bucket, head={"uid": "other"}, checksum={"sha256": SHA256.upper()}
    )
    ended = await fetch(order, tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert methods(origin) == []


async def test_an_unchanged_source_is_not_fetched_again(origin: Origin, place: Place, tmp_path: Path) -> None:
    """A repeated run asks whether the strong ETag still holds; 304 ends it."""
    url = origin.serve("/f", GOOD)
    for _ in range(2):
        origin.seen.clear()
        ended = await fetch(make_order(url, place.store, bucket=place.bucket), tmp_path)
        assert ended.reason is Reason.COMPLETED
    assert methods(origin) == ["HEAD"]
    assert origin.seen[0].headers["if-none-match"] == '"v1"'


@pytest.mark.parametrize(
    "second", [File(CONTENT[::-1], etag='"v2"'), File(CONTENT[::-1], etag=None, modified=None)], ids=["etag", "none"]
)
async def test_a_source_that_may_have_changed_is_fetched(
    second: File, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """Another ETag, or none, means fetching; the object is replaced by one rename."""
    url = origin.serve("/f", GOOD)
    await fetch(make_order(url, directory.store), tmp_path)
    origin.serve("/f", second)
    ended = await fetch(make_order(url, directory.store), tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert directory.objects() == {"films/clip.bin": CONTENT[::-1]}


async def test_an_object_somebody_else_put_there_is_replaced(origin: Origin, place: Place, tmp_path: Path) -> None:
    """An object that no record speaks of is not taken for the file, whatever its size."""
    url = origin.serve("/f", GOOD)
    await fetch(make_order(url, place.store, bucket=place.bucket), tmp_path)
    place.open().put(place.bucket, "films/clip.bin", CONTENT[::-1], content_type="video/mp4")
    ended = await fetch(make_order(url, place.store, bucket=place.bucket, head={"attempt": 2}), tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert place.objects() == {"films/clip.bin": CONTENT}


@pytest.mark.parametrize(
    ("first", "spec"),
    [
        (status("404 Not Found"), {}),
        (status("403 Forbidden"), {}),
        (status("500 Oops"), {}),
        (GOOD.cut(100_000), {}),
        (lambda _: None, {}),
        (File(CONTENT[::-1]), {"checksum": {"sha256": SHA256}}),
        (File(b"<html>gone</html>"), {}),
        (lambda exchange: exchange.silence(), {"stallTimeout": "1s"}),
    ],
)
async def test_another_mirror_takes_over(
    first: Any, spec: dict[str, Any], origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """Whatever is wrong with the first mirror, the second serves the file; the two are never mixed."""
    urls = [origin.serve("/first", first), origin.serve("/second", GOOD)]
    ended = await fetch(make_order(urls, directory.store, **spec), tmp_path)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert directory.objects() == {"films/clip.bin": CONTENT}
    assert origin.requests("/second")[0].headers.get("range", "bytes=0-").startswith("bytes=0-")


async def test_when_all_mirrors_fail_the_one_with_hope_decides(
    origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """A 404 and a 503 end as SourceError: the second may come back. The evidence has both."""
    urls = [origin.serve("/a", status("404 Not Found")), origin.serve("/b", status("503 Busy"))]
    ended = await fetch(make_order(urls, directory.store), tmp_path)
    assert ended.reason is Reason.SOURCE_ERROR
    assert ended.evidence is not None
    assert "SourceNotFound" in ended.evidence
    assert len(origin.requests("/a")) == 1
    assert len(origin.requests("/b")) == 3


@pytest.mark.parametrize(
    "text",
    [
        f"{'0' * 64}  other.mp4\n{SHA256}  film.mp4\n",
        f"{SHA256} *film.mp4\n",
        f"SHA256 (film.mp4) = {SHA256}\n",
        f"{SHA256}  ./pool/film.mp4\n",
        f"{SHA256}\n",
        f"{hashlib.sha512(CONTENT).hexdigest()}  film.mp4\n",
        f"{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}  film.mp4\n",
    ],
)
async def test_a_checksum_file_gives_the_digest(text: str, origin: Origin, directory: Place, tmp_path: Path) -> None:
    """The forms of coreutils are read, and the content is checked against the line of its name."""
    sums = origin.serve("/SUMS", File(text.encode(), content_type="text/plain"))
    url = origin.serve("/pool/film.mp4", GOOD)
    assert (await fetch(make_order(url, directory.store, checksum={"url": sums}), tmp_path)).reason is Reason.COMPLETED
    origin.serve("/pool/film.mp4", File(CONTENT[::-1]))
    other = make_order(url, directory.store, key="films/other.bin", checksum={"url": sums})
    assert (await fetch(other, tmp_path)).reason is Reason.CHECKSUM_MISMATCH


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (File(f"{SHA256}  another.mp4\n".encode()), Reason.CHECKSUM_NOT_FOUND),
        (File(b"<html>not here</html>"), Reason.CHECKSUM_NOT_FOUND),
        (status("404 Not Found"), Reason.CHECKSUM_NOT_FOUND),
        (status("403 Forbidden"), Reason.SOURCE_ACCESS_DENIED),
        (status("503 Busy"), Reason.SOURCE_ERROR),
        (File(b"x" * 2_000_000), Reason.SOURCE_TOO_LARGE),
    ],
)
async def test_a_checksum_file_that_is_of_no_use_has_its_reason(
    handler: Any, reason: Reason, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """The file itself is not asked for when its digest cannot be known."""
    order = make_order(
        origin.serve("/film.mp4", GOOD), directory.store, checksum={"url": origin.serve("/SUMS", handler)}
    )
    ended = await fetch(order, tmp_path)
    assert ended.reason is reason
    assert origin.requests("/film.mp4") == []


async def test_a_checksum_file_that_fails_at_first_is_asked_for_again(
    origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """A busy server of the checksum file is tried again, as that of the file is."""
    sums = origin.serve("/SUMS", turns(status("503 Busy"), File(f"{SHA256}  film.mp4\n".encode())))
    order = make_order(origin.serve("/film.mp4", GOOD), directory.store, checksum={"url": sums})
    assert (await fetch(order, tmp_path)).reason is Reason.COMPLETED


async def test_a_source_that_never_says_its_length_needs_a_digest(
    origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """A body that only the end of the connection ends is taken when a digest proves that it is whole."""

    def closing(exchange: Exchange) -> None:
        exchange.head("200 OK", {"Connection": "close"})
        if exchange.method != "HEAD":
            exchange.send(CONTENT)

    url = origin.serve("/f", closing)
    proven = await fetch(make_order(url, directory.store, checksum={"sha256": SHA256}), tmp_path)
    assert proven.reason is Reason.COMPLETED


async def test_a_source_whose_head_says_the_length_needs_none(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """HEAD tells the length of such a body; a cut is then seen and gone on from."""
    cuts = [CONTENT[:2_000_000]]

    def closing(exchange: Exchange) -> None:
        if exchange.method == "HEAD":
            exchange.head("200 OK", {"Content-Length": len(CONTENT)})
            return
        exchange.head("200 OK", {"Connection": "close", "ETag": '"v1"'})
        exchange.send(cuts.pop() if cuts else CONTENT)

    ended = await fetch(make_order(origin.serve("/f", closing), directory.store), tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert directory.objects() == {"films/clip.bin": CONTENT}


async def test_the_bandwidth_limit_holds(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """9 MiB at 6 MiB a second take at least 1.3 s, and the stall timeout does not mistake the pauses."""
    started = time.monotonic()
    order = make_order(origin.serve("/f", GOOD), directory.store, bandwidthLimit="6Mi", stallTimeout="1s")
    ended = await fetch(order, tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert time.monotonic() - started >= 1.3


async def test_the_last_report_has_the_figures(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """Bytes, total, percent and mirror are told; the counters count requests by class and bytes."""
    url = origin.serve("/f", turns(status("500 Oops"), GOOD))
    ended = await fetch(make_order(url, directory.store, connections=1), tmp_path)
    told = ended.report.download
    assert told is not None
    assert (told.percent, told.bytes_done, told.bytes_total) == (100, len(CONTENT), len(CONTENT))
    assert told.mirror == f"127.0.0.1:{origin.port}"
    for line in (
        'narwhal_download_requests_total{status="2xx"} 1.0',
        'narwhal_download_requests_total{status="5xx"} 1.0',
        'narwhal_download_failures_total{reason="SourceError"} 1.0',
    ):
        assert line in ended.metrics
