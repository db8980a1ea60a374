"""Where a package is: a directory, an object store, a server. Each reads bytes of an object, with bounds in size and time."""

import asyncio
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urljoin, urlsplit

import aiohttp

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.store import ObjectInfo, ObjectStore
from workers.verify.facts import Object

REQUEST_SECONDS: Final = 60.0
"""Of one request, its body included."""
REDIRECTS: Final = 5
CHUNK: Final = 64 * 1024
PARALLEL: Final = 8
"""Objects that are read at once."""


class Reader(Protocol):
    """A place to read a package from. Objects are named by paths below it, or by URLs."""

    remote: bool

    def join(self, base: str, reference: str) -> str:
        """The name of what a text called `base` refers to (RFC 3986 section 5)."""

    async def read(self, uri: str, start: int = 0, count: int | None = None) -> tuple[bytes, Object]:
        """Bytes of an object, at most `count`, and what is known of it. One that is not there says so (`missing`)."""


def join_path(base: str, reference: str) -> str:
    """The path a reference leads to. One that leaves the package keeps its leading `..`, which nothing is read by."""
    split = urlsplit(reference)
    if split.scheme or split.netloc:
        return reference
    if not split.path:
        return base
    path = unquote(split.path)
    found = posixpath.normpath(posixpath.join(posixpath.dirname(base), path))
    # A directory keeps its slash: what is joined to it is within.
    return f"{found}/" if path.endswith(("/", "/.", "/..")) or path in {".", ".."} else found


def outside(uri: str) -> str | None:
    """Why a name is none of an object below a directory or prefix; None when it is."""
    if "://" in uri:
        return "it is at another place than the package; nothing is fetched from there"
    if uri.startswith(("/", "../")) or uri == "..":
        return "it is outside of the package"
    return None


@dataclass(slots=True)
class DirectoryReader:
    """A package in a directory."""

    root: Path
    remote: bool = False

    def join(self, base: str, reference: str) -> str:
        """A path below the root."""
        return join_path(base, reference)

    async def read(self, uri: str, start: int = 0, count: int | None = None) -> tuple[bytes, Object]:
        """Bytes of a file."""
        if why := outside(uri):
            return b"", Object(missing=why)
        return await asyncio.to_thread(self._read, self.root / uri, start, count)

    def _read(self, path: Path, start: int, count: int | None) -> tuple[bytes, Object]:
        try:
            with path.open("rb") as file:
                size = path.stat().st_size
                file.seek(start)
                return file.read() if count is None else file.read(count), Object(size=size)
        except FileNotFoundError:
            return b"", Object(missing="no such file")
        except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
            return b"", Object(missing=f"cannot be read: {getattr(error, 'strerror', None) or error}")


@dataclass(slots=True)
class StoreReader:
    """A package below a prefix of a bucket; `texts` are what will be stored, by path, and are read in place of it."""

    store: ObjectStore
    bucket: str
    prefix: str
    listing: Mapping[str, ObjectInfo]
    """Objects below the prefix, by path."""
    texts: Mapping[str, bytes]
    remote: bool = False

    def join(self, base: str, reference: str) -> str:
        """A path below the prefix."""
        return join_path(base, reference)

    async def read(self, uri: str, start: int = 0, count: int | None = None) -> tuple[bytes, Object]:
        """Bytes of an object of the store, or of a text that will be."""
        text = self.texts.get(uri)
        if text is not None:
            return text[start:][:count], Object(size=len(text))
        if why := outside(uri):
            return b"", Object(missing=why)
        info = self.listing.get(uri)
        if info is None:
            return b"", Object(missing="it is not in the store")
        found = Object(size=info.size, etag=info.etag)
        if start >= info.size or count == 0:
            return b"", found
        length = info.size - start if count is None else min(count, info.size - start)
        try:
            return await asyncio.to_thread(self.store.read, self.bucket, info.key, start, length), found
        except WorkError as error:
            if error.reason is not Reason.INPUT_NOT_FOUND:
                raise
            return b"", replace(found, missing="it is not in the store any more")


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


LARGEST: Final = 64 * 1024 * 1024
"""Bytes of one object that are read."""


def _total(response: aiohttp.ClientResponse) -> int | None:
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdecimal() and len(total) < 20 else None


def http_session() -> aiohttp.ClientSession:
    """A session with the bounds in time."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, connect=10)
    return aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": "narwhal-verify"})
