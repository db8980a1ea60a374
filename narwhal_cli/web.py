"""A package on a server, read by URL, with bounds in size and time. The command's own: the image of who transcodes has no HTTP client."""

import asyncio
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp
from msgspec.structs import replace

from workers.verify.facts import Object
from workers.verify.readers import PARALLEL

REQUEST_SECONDS: Final = 60.0
"""Of one request, its body included."""
REDIRECTS: Final = 5
CHUNK: Final = 64 * 1024
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of one object that are read."""


@dataclass(slots=True)
class HttpReader:
    """A package on a server. Redirects are followed, and said."""

    session: aiohttp.ClientSession
    remote: bool = True
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARALLEL))

    def join(self, base: str, reference: str) -> str:
        """A URL."""
        return urljoin(base, reference)

    async def read(self, uri: str, start: int = 0, count: int | None = None) -> tuple[bytes, Object]:
        """Bytes of what a URL answers."""
        if urlsplit(uri).scheme not in {"http", "https"}:
            return b"", Object(missing="it is no http:// or https:// URL")
        # What is read in part is read as it is; a text may come compressed.
        headers = {"Accept-Encoding": "gzip" if count is None else "identity"}
        if count is not None:
            headers["Range"] = f"bytes={start}-{start + count - 1}"
        try:
            async with self.slots, self.session.get(uri, headers=headers, max_redirects=REDIRECTS) as response:
                return await self._answer(response, start, count)
        except aiohttp.TooManyRedirects:
            return b"", Object(missing=f"more than {REDIRECTS} redirects")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return b"", Object(missing=f"{type(error).__name__}: {str(error)[:200] or 'no answer in time'}")

    async def _answer(self, response: aiohttp.ClientResponse, start: int, count: int | None) -> tuple[bytes, Object]:
        found = Object(
            etag=response.headers.get("ETag", ""),
            content_type=response.headers.get("Content-Type"),
            redirected=str(response.url) if response.history else None,
            compressed="Content-Encoding" in response.headers,
            status=response.status,
        )
        if response.status == 416:  # nothing of it is in this range (RFC 9110 section 15.5.17)
            return b"", replace(found, size=_total(response) or 0)
        if response.status not in {200, 206}:
            return b"", replace(found, missing=f"HTTP {response.status}")
        skip = start if response.status == 200 else 0  # a server without ranges sends all of it
        limit = None if count is None else skip + count
        data = bytearray()
        async for chunk in response.content.iter_chunked(CHUNK):
            data += chunk
            if limit is not None and len(data) >= limit:
                break
            if len(data) > LARGEST:
                return b"", replace(found, missing=f"more than {LARGEST // 1024**2} MiB")
        size = _total(response) if response.status == 206 else response.content_length
        if found.compressed or (size is None and limit is None):
            size = len(data)
        return bytes(data[skip:limit]), replace(found, size=size)


def _total(response: aiohttp.ClientResponse) -> int | None:
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdecimal() and len(total) < 20 else None


def http_session() -> aiohttp.ClientSession:
    """A session with the bounds in time."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, connect=10)
    return aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": "narwhal-verify"})
