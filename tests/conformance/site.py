"""The web server of the plays: packages as a store serves them, the players' libraries, an empty page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import web

from tests.conformance.kinds import ENCRYPTED, KID
from workers.common.store import content_type_of

PAGE: Final = """<!DOCTYPE html><meta charset="utf-8"><title>play</title>
<script src="/players/hls.min.js"></script><script src="/players/dash.all.min.js"></script>
<script src="/player.js"></script><body></body>"""
SCRIPT: Final = Path(__file__).with_name("player.js")


@asynccontextmanager
async def site(packages: Path, players: Path) -> AsyncIterator[str]:
    """A server on the loopback; its address. What lies below `packages` is at /packages/."""

    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(text=PAGE, content_type="text/html")

    async def script(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(SCRIPT, headers={"Content-Type": "text/javascript"})

    async def library(request: web.Request) -> web.StreamResponse:
        return _file(players, request.match_info["path"], "text/javascript")

    async def package(request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        return _file(packages, path, content_type_of(path))

    async def key(request: web.Request) -> web.StreamResponse:
        """The key server of AES-128: one key, for who asks by its id."""
        found = [kind.key for kind in ENCRYPTED if "AES-128" in kind.spec["packaging"]["encryption"]["method"]]
        if request.match_info["kid"] != KID:
            raise web.HTTPNotFound
        return web.Response(body=bytes.fromhex(found[0]), content_type="application/octet-stream")

    app = web.Application()
    app.add_routes([web.get("/keys/{kid}", key)])
    app.add_routes([web.get("/", page), web.get("/player.js", script)])
    app.add_routes([web.get("/players/{path:.+}", library), web.get("/packages/{path:.+}", package)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        server = web.TCPSite(runner, "127.0.0.1", 0)
        await server.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _file(root: Path, path: str, kind: str) -> web.StreamResponse:
    file = (root / path).resolve()
    if not file.is_relative_to(root.resolve()) or not file.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(file, headers={"Content-Type": kind})
