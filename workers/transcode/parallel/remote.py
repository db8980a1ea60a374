"""An input in a store as FFmpeg seeks in it: HTTP by range on the loopback, from this process, which holds the credentials.

FFmpeg never sees a URL of the store: a presigned one in an argument list would be a secret for who lists processes.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Final

from narwhal_operator.contract.order import DirectoryStore, ObjectLocation
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.log import log
from workers.common.store import ObjectInfo, ObjectStore
from workers.transcode.inputfile import InputFile, open_input
from workers.transcode.sniff import Sniff
from workers.transcode.source import LOOPBACK, Source
from workers.transcode.tasks import stop

FIRST: Final = 128 * 1024
MOST: Final = 1024 * 1024
"""Bytes of the first request for a position and of later ones: a demuxer that looks at an index soon goes elsewhere. Two
of them are in memory for each connection."""
BUFFER: Final = 128 * 1024
"""Bytes the kernel keeps for a reader: what a demuxer that seeks away leaves there was read of the store for nothing."""
CONNECTIONS: Final = 16
HEAD_BYTES: Final = 8 * 1024
HEAD_SECONDS: Final = 10.0
PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0)
"""Seconds between tries of a store that does not answer, beside its client's own: FFmpeg waits meanwhile, at most 120 s."""
LEFT: Final = (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
"""FFmpeg has gone elsewhere in the input, or ended: it opens a connection for each place. No error of the input."""
PASSING: Final = frozenset({Reason.STORE_UNREACHABLE, Reason.STORE_ERROR})
ASKED: Final = re.compile(rb"^(GET|HEAD) /input HTTP/1\.[01]$")
RANGE: Final = re.compile(rb"^range:\s*bytes=(\d{1,18})-(\d{0,18})\s*$", re.IGNORECASE)


class RemoteFile(InputFile, frozen=True):
    """An input that is read by range. Its descriptor is that of nothing: programs get it and do not use it."""

    server: "RangeServer"

    @property
    def source(self) -> Source:
        """Over HTTP."""
        return Source(self.server.url)

    @property
    def trouble(self) -> WorkError | None:
        """Why the store did not give it."""
        return self.server.error

    @property
    def changed(self) -> bool:
        """What is read is asked for by `check`, at the end."""
        return False


@dataclass(slots=True)
class RangeServer:
    """Serves one object of a store."""

    store: ObjectStore
    bucket: str
    info: ObjectInfo
    on_read: Callable[[int], None] = lambda _count: None
    pauses: tuple[float, ...] = PAUSES
    error: WorkError | None = None
    """What the store said when it was given up."""
    _port: int = 0
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS))
    _running: "set[asyncio.Task[None]]" = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where FFmpeg finds it."""
        return f"{LOOPBACK}{self._port}/input"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serves while it is entered."""
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)  # of its connections too
        self._port = listening.getsockname()[1]
        server = await asyncio.start_server(self._accept, sock=listening, limit=HEAD_BYTES)
        try:
            yield
        finally:
            server.close()
            await stop(self._running)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._answer(reader, writer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._slots:
                with suppress(*LEFT):
                    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_SECONDS)
                    await self._respond(head, writer)
        except WorkError as error:
            self.error = error  # the body ends too early, which is an error to FFmpeg; this says why
            log("warning", "the input cannot be read", reason=error.reason.value, message=error.message)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _respond(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        lines, size = head.split(b"\r\n"), self.info.size
        asked = ASKED.match(lines[0])
        if asked is None:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        found = next((match for line in lines[1:] if (match := RANGE.match(line))), None)
        start = int(found[1]) if found else 0
        stop_at = min(size, int(found[2]) + 1) if found and found[2] else size
        if start >= stop_at:
            none = f"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{size}\r\nContent-Length: 0\r\n"
            writer.write(f"{none}Connection: close\r\n\r\n".encode())
            return
        status = f"206 Partial Content\r\nContent-Range: bytes {start}-{stop_at - 1}/{size}" if found else "200 OK"
        kind = "Content-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\nConnection: close"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {stop_at - start}\r\n{kind}\r\n\r\n".encode())
        if asked[1] == b"GET":
            await self._send(start, stop_at, writer)
        await writer.drain()

    async def _send(self, start: int, stop_at: int, writer: asyncio.StreamWriter) -> None:
        """The bytes in pieces that grow; the next is asked for while one is sent."""
        length = FIRST
        ahead = asyncio.create_task(self._read(start, min(length, stop_at - start)))
        try:
            while start < stop_at:
                data = await ahead
                start, length = start + len(data), min(2 * length, MOST)
                if start < stop_at:
                    ahead = asyncio.create_task(self._read(start, min(length, stop_at - start)))
                writer.write(data)
                await writer.drain()
        finally:
            await stop([ahead])

    async def _read(self, start: int, length: int) -> bytes:
        """Raises WorkError when the store has not answered for long, or has less than it said."""
        for pause in (*self.pauses, None):
            try:
                data = await asyncio.to_thread(self.store.read, self.bucket, self.info.key, start, length)
                break
            except WorkError as error:
                if error.reason not in PASSING or pause is None:
                    raise
                await asyncio.sleep(pause)
        if not data:
            raise changed(f"{self.bucket}/{self.info.key}")
        self.on_read(len(data))
        return data


def changed(name: str) -> WorkError:
    """The error of an input that was replaced."""
    return WorkError(Reason.INPUT_CHANGED, f"{name} was replaced while it was read; start again when it is whole.")


def _nothing() -> BufferedReader:
    return Path("/dev/null").open("rb")


@asynccontextmanager
async def reach(
    store: ObjectStore,
    where: ObjectLocation,
    info: ObjectInfo,
    scratch: Path,
    seen: Sniff,
    on_read: Callable[[int], None],
) -> AsyncIterator[InputFile]:
    """The input without a copy of it: by range, or as a link where the store is a directory.

    Left without an error, it has seen that the input is still the one it was. Raises WorkError.
    """
    name = f"{where.bucket}/{where.key}"
    if isinstance(where.store, DirectoryStore):
        path = scratch / "input"
        await asyncio.to_thread(store.fetch, where.bucket, where.key, path)
        given = open_input(path, name)
        with given.file:
            yield given
        return
    server = RangeServer(store, where.bucket, info, on_read)
    with _nothing() as nothing:
        async with server.serving():
            yield RemoteFile(nothing, info.size, name, 0, seen, server)
    now = await asyncio.to_thread(store.head, where.bucket, where.key)
    if now is None or now.etag != info.etag:
        raise changed(name)
