"""Parts over a real S3, each a process of its own: the input is read by range, a pod that is killed costs its own part only."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.order import TranscodeOrder
from narwhal_operator.contract.outcome import Reason, WorkError
from tests.integration.transcode import stages
from tests.integration.transcode.studio import (
    AAC,
    BUCKET,
    ROOT,
    X264,
    Studio,
    args,
    assert_plays,
    ffmpeg,
    picture,
    tone,
)
from tests.integration.transcode.test_s3 import fetched, put
from tests.support.processes import until
from tests.support.seaweed import S3Server
from workers.common.directory import DirectoryStore
from workers.common.store import ObjectInfo
from workers.transcode.parallel.remote import RangeServer

LADDER: dict[str, Any] = {"ladder": {"renditions": [{"name": "high", "height": 180}, {"name": "low", "height": 90}]}}


def start(studio: Studio, order: TranscodeOrder, index: int) -> subprocess.Popen[bytes]:
    """The pod of an index."""
    file, scratch = studio.base / f"order-{index}.json", studio.base / f"scratch-{index}"
    file.write_text(stages.staged(order, "Range").model_dump_json(by_alias=True, exclude_none=True))
    argv = [sys.executable, "-m", "workers.transcode", "--order", str(file), "--index", str(index)]
    with (studio.base / f"worker-{index}.log").open("wb") as log:
        return subprocess.Popen(
            [*argv, "--scratch", str(scratch)], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


def stored(s3: S3Server) -> dict[str, Any]:
    """The segments of video and when they were stored."""
    found = s3.client.list_objects(BUCKET, "ranges/v/", recursive=True)
    return {
        str(one.object_name): one.last_modified
        for one in found
        if "/high/" in str(one.object_name) and ".m4s" in str(one.object_name)
    }


def test_a_killed_part_is_made_again_and_no_other(studio: Studio, s3: S3Server, tmp_path: Path) -> None:
    """Kill -9 of one of four processes in mid-encode: its pod's successor goes on, what was stored stays, the whole plays."""
    film = tmp_path / "film.mp4"
    ffmpeg(*picture("320x180", "25", 60), *tone(60), *X264, *AAC, film)
    spec = {**LADDER, "output": {"bucket": BUCKET, "prefix": "ranges"}}
    order = stages.divided(studio, "film.mp4", spec=spec, store=put(s3, "film.mp4", film))
    count = stages.plan(studio, order)
    workers = {index: start(studio, order, index) for index in range(count)}
    until(lambda: len(stored(s3)) >= 6, 60, "segments are stored")
    killed = next(index for index, worker in workers.items() if index and worker.poll() is None)
    workers[killed].kill()
    workers[killed].wait()
    before = stored(s3)
    assert [worker.wait(120) for index, worker in workers.items() if index != killed] == [0] * (count - 1)
    assert start(studio, order, killed).wait(120) == 0
    ended = studio.run(stages.staged(order, "Finish"))
    assert ended.reason is Reason.COMPLETED, ended.message
    after = stored(s3)
    assert {key: after[key] for key in before} == before, "a stored segment was made again"
    assert_plays(fetched(s3, "ranges", tmp_path / "copy") / "master.m3u8", 1500)
    assert s3.keys(BUCKET, "ranges/")
    assert not [key for key in s3.keys(BUCKET, "ranges/") if key.endswith("plan.json")]
    log = "".join((studio.base / f"worker-{index}.log").read_text() for index in workers)
    assert "http://127.0.0.1:" in log
    assert not [word for word in ("X-Amz", "Signature", "AWSAccessKeyId") if word in log]


class Flaky(DirectoryStore):
    """A store that does not answer the first times, and may lose its object."""

    fails = 0
    empty = False

    def read(self, bucket: str, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Fails first."""
        if self.fails:
            self.fails -= 1
            raise WorkError(Reason.STORE_UNREACHABLE, "no answer")
        return b"" if self.empty else super().read(bucket, key, start, length)


def ranged(store: Flaky, size: int, *words: str) -> tuple[RangeServer, "subprocess.CompletedProcess[bytes]", int]:
    """What a client gets of the server; the server, the client, and bytes that were read of the store."""
    counted: list[int] = []
    server = RangeServer(store, BUCKET, ObjectInfo("film", size, "x"), counted.append, (0.01,) * 3)

    async def ask() -> "subprocess.CompletedProcess[bytes]":
        async with server.serving():
            argv = [word.replace("URL", server.url) for word in words]
            return await asyncio.to_thread(subprocess.run, argv, capture_output=True, timeout=60, check=False)

    return server, asyncio.run(ask()), sum(counted)


CURL = ("curl", "-sS", "-o", "-", "-w", "%{stderr}%{http_code}")


@pytest.fixture
def film(studio: Studio) -> Path:
    """An object of ten million bytes, each known by its place."""
    path = studio.input("film")
    path.write_bytes(b"".join(number.to_bytes(4, "big") for number in range(2_500_000)))
    return path


@pytest.mark.parametrize(
    ("asked", "status", "span"),
    [
        pytest.param((), "200", slice(0, None), id="all"),
        pytest.param(("-r", "5-9"), "206", slice(5, 10), id="a few"),
        pytest.param(("-r", "9999990-"), "206", slice(9_999_990, None), id="the end"),
        pytest.param(("-r", "100-20000000"), "206", slice(100, None), id="past the end"),
        pytest.param(("-r", "10000000-"), "416", slice(0, 0), id="beyond"),
        pytest.param(("-X", "POST"), "404", slice(0, 0), id="another method"),
    ],
)
def test_a_range_is_what_was_asked_for(
    studio: Studio, film: Path, asked: tuple[str, ...], status: str, span: slice
) -> None:
    """RFC 9110 section 14: status and bytes."""
    _, client, _ = ranged(Flaky(studio.root), 10_000_000, *CURL, *asked, "URL")
    assert (client.stderr.decode(), client.stdout) == (status, film.read_bytes()[span])


def test_a_store_that_comes_back_is_waited_for(studio: Studio, film: Path) -> None:
    """A few failures are not seen; more end the body early, and the error is kept for who asks why."""
    store = Flaky(studio.root)
    store.fails = 3
    server, client, _ = ranged(store, 10_000_000, *CURL, "URL")
    assert (client.returncode, server.error) == (0, None)
    store.fails = 9
    server, client, _ = ranged(store, 10_000_000, *CURL, "URL")
    assert client.returncode != 0
    assert server.error is not None
    assert server.error.reason is Reason.STORE_UNREACHABLE


def test_an_object_that_shrank_is_said(studio: Studio, film: Path) -> None:
    """Fewer bytes than it had is another object."""
    store = Flaky(studio.root)
    store.empty = True
    server, _, _ = ranged(store, 10_000_000, *CURL, "URL")
    assert server.error is not None
    assert server.error.reason is Reason.INPUT_CHANGED


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_range_of_a_film_reads_little_more_than_its_part(studio: Studio, container: str) -> None:
    """A third from the middle costs at most half of the bytes, index and what is read ahead included; that is a few megabytes."""
    path = studio.input("film")
    ffmpeg(
        *args(
            picture("640x360", "25", 60),
            X264,
            "-qp",
            "0",
            "-g",
            "50",
            "-f",
            {"mkv": "matroska"}.get(container, container),
            path,
        )
    )
    size = path.stat().st_size
    assert size > 20_000_000
    argv = args(
        "ffmpeg", "-v", "error", "-noaccurate_seek", "-ss", "28", "-protocol_whitelist", "http,tcp", "-i", "URL"
    )
    _, client, count = ranged(Flaky(studio.root), size, *map(str, argv), "-t", "17", "-f", "null", "-")
    assert client.returncode == 0, client.stderr
    assert count / size < 0.5
