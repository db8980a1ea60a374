"""An HTTP origin for the cluster: what is PUT is served, with ranges and validators. Runs in a pod of the download image.

`python3 origin.py DIRECTORY PORT`; `/denied/…` answers 403 to requests without the header `Authorization: Bearer open`.
"""

import sys
from pathlib import Path
from typing import Final

from aiohttp import web

LARGEST: Final = 256 * 1024 * 1024
TYPES: Final = {".mp4": "video/mp4", ".html": "text/html"}
ROOT: Final = web.AppKey("root", Path)


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
    application.router.add_get("/{path:.+}", get)
    application.router.add_put("/{path:.+}", put)
    web.run_app(application, host=None, port=int(sys.argv[2]), print=None)


if __name__ == "__main__":
    main()
