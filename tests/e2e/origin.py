"""An HTTP origin for the cluster: what is PUT is served, with ranges and validators. Runs in a pod of the download image.

`python3 origin.py DIRECTORY PORT`; `/denied/…` answers 403 to requests without the header `Authorization: Bearer open`.
A file under `/held/` is served as any other to its half; there each connection is held open until `POST /open/held/…`.
`GET /sent/…` tells how many bytes of a file were sent in all.
"""

import asyncio
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Final

from aiohttp import web

LARGEST: Final = 256 * 1024 * 1024
TYPES: Final = {".mp4": "video/mp4", ".html": "text/html"}
BLOCK: Final = 64 * 1024
ROOT: Final = web.AppKey("root", Path)
SENT: Final = web.AppKey("sent", Counter[str])
OPENED: Final = web.AppKey("opened", defaultdict[str, asyncio.Event])


def place(request: web.Request) -> Path:
    """The file of a path; one directory, no way out of it."""
    return request.app[ROOT] / request.match_info["path"].replace("/", "_")


async def get(request: web.Request) -> web.StreamResponse:
    """A file, or the part of it that Range asks for."""
    file = place(request)
    if request.path.startswith("/denied/") and request.headers.get("Authorization") != "Bearer open":
        raise web.HTTPForbidden
    if not file.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(file, headers={"Content-Type": TYPES.get(file.suffix, "application/octet-stream")})


async def held(request: web.Request) -> web.StreamResponse:
    """A file, or the part that Range asks for while it is the same file; no byte beyond its half until it is opened."""
    file = place(request)
    if not file.is_file():
        raise web.HTTPNotFound
    size = file.stat().st_size
    tag = f'"{file.stat().st_mtime_ns:x}"'
    asked = request.http_range if request.headers.get("If-Range", tag) == tag else slice(None)
    start, end, _ = asked.indices(size)
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Content-Length": str(end - start), "Content-Type": "video/mp4"}
    partial = asked.start is not None
    if partial:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    response = web.StreamResponse(status=206 if partial else 200, headers=headers)
    await response.prepare(request)
    name, gate = file.name, request.app[OPENED][file.name]
    with file.open("rb") as content:
        content.seek(start)
        while start < end and request.method == "GET":
            limit = size if gate.is_set() else size // 2
            if start >= limit:
                await gate.wait()
                continue
            block = content.read(min(BLOCK, limit - start, end - start))
            await response.write(block)
            request.app[SENT][name] += len(block)
            start += len(block)
    return response


async def let(request: web.Request) -> web.Response:
    """Open a file that is held."""
    request.app[OPENED][place(request).name].set()
    return web.Response()


async def sent(request: web.Request) -> web.Response:
    """How many bytes of a held file were sent."""
    return web.Response(text=str(request.app[SENT][place(request).name]))


async def put(request: web.Request) -> web.Response:
    """Keep a file; it appears when it is whole."""
    file = place(request)
    scratch = file.with_name(f".{file.name}")
    with scratch.open("wb") as out:
        async for chunk in request.content.iter_chunked(1 << 20):
            out.write(chunk)
    scratch.rename(file)
    return web.Response(status=201)


def main() -> None:
    """Serve until killed."""
    application = web.Application(client_max_size=LARGEST)
    application[ROOT] = Path(sys.argv[1])
    application[SENT] = Counter()
    application[OPENED] = defaultdict(asyncio.Event)
    application.router.add_get("/{path:held/.+}", held)
    application.router.add_post("/open/{path:held/.+}", let)
    application.router.add_get("/sent/{path:held/.+}", sent)
    application.router.add_get("/{path:.+}", get)
    application.router.add_put("/{path:.+}", put)
    web.run_app(application, host=None, port=int(sys.argv[2]), print=None)


if __name__ == "__main__":
    main()
