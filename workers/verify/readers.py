"""Where a package is: a directory or an object store (of a server: narwhal_cli.web). Each reads bytes of an object."""

import asyncio
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.store import ObjectInfo, ObjectStore
from workers.verify.facts import Object

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
