"""Progress is pulled from a real HTTP server in place of a worker pod."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from narwhal_operator.core.observed import Json, Observed
from narwhal_operator.progress import Progress
from narwhal_operator.queue import WorkQueue
from tests.unit.operator import build as b

SPEC = b.download_spec()
KEY = b.key()
REPORT = {"kind": "DownloadJob", "uid": b.UID, "attempt": 1, "phase": "Downloading", "download": {"bytesDone": 5}}


@asynccontextmanager
async def worker(report: Json | str) -> AsyncIterator[int]:
    """A worker's /progress; its port."""

    async def progress(_: web.Request) -> web.Response:
        return web.Response(text=report) if isinstance(report, str) else web.json_response(report)

    app = web.Application()
    app.add_routes([web.get("/progress", progress)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def seen(**pod: bool | str) -> Observed:
    """A resource whose pod runs here."""
    status = b.status("DownloadJob", SPEC, b.attempt("DownloadJob", SPEC))
    running = b.pod(**({"running": True, "ip": "127.0.0.1"} | pod))
    return Observed(b.resource("DownloadJob", SPEC, status), pods=(running,))


async def test_a_report_brings_its_key_to_the_queue() -> None:
    """The poller looks within its interval, keeps the report and wakes the resource."""
    queue = WorkQueue()
    async with worker(REPORT) as port:
        progress = Progress(queue, port)
        progress.seen(seen(), KEY)
        poller = asyncio.create_task(progress.run())
        key, _ = await asyncio.wait_for(queue.get(), 10)
        poller.cancel()
    report = progress.report(b.UID)
    assert key == KEY
    assert report is not None
    assert (report.phase, report.download and report.download.bytes_done) == ("Downloading", 5)


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(REPORT | {"attempt": 2}, id="of another attempt"),
        pytest.param(REPORT | {"uid": "x"}, id="of another resource"),
        pytest.param("not JSON", id="no report"),
        pytest.param("x" * 100_000, id="too long"),
    ],
)
async def test_what_is_no_report_of_this_attempt_is_dropped(report: Json | str) -> None:
    """A pod may say anything; only a report of the open attempt is believed."""
    queue = WorkQueue()
    async with worker(report) as port:
        progress = Progress(queue, port)
        progress.seen(seen(), KEY)
        await progress.look()
    assert progress.report(b.UID) is None
    assert len(queue) == 0


async def test_a_worker_that_does_not_answer_is_left_in_peace() -> None:
    """Its end is told by Kubernetes; the poller goes on."""
    progress = Progress(WorkQueue(), 1)
    progress.seen(seen(), KEY)
    await progress.look()
    assert progress.report(b.UID) is None


@pytest.mark.parametrize("gone", [None, seen(running=False), seen(ip="")], ids=["resource gone", "ended", "no address"])
async def test_a_pod_that_ran_is_forgotten(gone: Observed | None) -> None:
    """So is its last report: the next attempt begins with its own."""
    queue = WorkQueue()
    async with worker(REPORT) as port:
        progress = Progress(queue, port)
        progress.seen(seen(), KEY)
        await progress.look()
        assert progress.report(b.UID) is not None
        progress.seen(gone, KEY)
        assert progress.report(b.UID) is None
