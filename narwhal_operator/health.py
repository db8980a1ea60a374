"""/healthz, /readyz and /metrics."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from narwhal_operator import metrics

STUCK: Final = 300.0
"""Seconds after which a pass counts as stuck: ten times the limit of its slowest request."""


@asynccontextmanager
async def serve(
    host: str, port: int, ready: Callable[[], bool], longest: Callable[[], float], trouble: Callable[[], str]
) -> AsyncIterator[None]:
    """Serve the pages while the block runs. They answer from the loop that does the work: a dead one does not answer."""

    async def healthz(_: web.Request) -> web.Response:
        stuck = longest()
        if stuck >= STUCK:
            return _page(good=False, why=f"a pass has been going on for {stuck:.0f} s")
        wrong = trouble()
        return _page(not wrong, wrong)

    async def readyz(_: web.Request) -> web.Response:
        return _page(ready(), "the first list is not done")

    async def metrics_page(_: web.Request) -> web.Response:
        body = generate_latest(metrics.REGISTRY)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    pages: dict[str, Any] = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics_page}
    app.add_routes([web.get(path, handler) for path, handler in pages.items()])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def _page(good: bool, why: str) -> web.Response:
    return web.Response(text="ok\n") if good else web.Response(text=f"{why}\n", status=503)
