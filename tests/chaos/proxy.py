"""An API server between the operator and the API server: it numbers what passes, and does one thing wrong.

The method is Sieve's: the operator is killed before or after a write, or is shown another view of the cluster than the true one.
"""

import asyncio
import contextlib
import json
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self

import aiohttp
from aiohttp import web

Kind = Literal[
    "none",
    "kill before",
    "kill after",
    "answer",
    "outage",
    "drop",
    "duplicate",
    "delay",
    "stall",
    "stale list",
    "gone watch",
]
WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
DELAY_SECONDS: Final = 1.5
_HOP: Final = frozenset(
    {"connection", "transfer-encoding", "content-length", "content-encoding", "host", "accept-encoding"}
)
_WORDS: Final = {409: "Conflict", 422: "Invalid", 429: "TooManyRequests", 500: "InternalError"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong: at the write, watch event or watch of this number, counted from 1; an answer has its status."""

    kind: Kind = "none"
    at: int = 0
    status: int = 0
    seconds: float = 0.0
    """Of an outage: how long no connection holds, from that write on, which is not carried out."""

    def __str__(self) -> str:
        return f"{self.kind} {self.at}{f' by {self.status}' if self.status else ''}"


@dataclass
class Proxy:
    """One proxy for one operator. `kill` ends the operator at once."""

    server: str
    authority: Path
    fault: Fault
    kill: Callable[[], None]
    writes: list[str] = field(default_factory=list)
    """Method and path of each write but those of Events."""
    created: list[dict[str, Any]] = field(default_factory=list)
    """The Jobs that were created, as they were asked for."""
    events: int = 0
    """Watch events that passed, or should have."""
    watches: int = 0
    struck: str = ""
    """What the fault struck: a method and path, or the word `event` or `watch`."""
    port: int = 0
    _lists: dict[str, bytes] = field(default_factory=dict)
    _stale: set[str] = field(default_factory=set)
    _stalled: bool = False
    _back: float = 0.0
    """When an outage is over, by the loop's clock."""

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        trust = ssl.create_default_context(cafile=str(self.authority))
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        connector = aiohttp.TCPConnector(ssl=trust, limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as self._session:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]
            self._up.set()
            await self._over.wait()
            await runner.cleanup()
        rest = asyncio.all_tasks() - {asyncio.current_task()}  # watches that nobody ends: the operator was killed
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0.1)  # aiohttp's session does not wait for the ends of its TLS connections

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self.away:
            return _cut(request)
        if "watch" in request.query:
            return await self._watch(request)
        if request.method in WRITES and not request.path.endswith("/events"):
            return await self._write(request)
        status, headers, body = await self._pass(request)
        # Pods and Events are listed for one decision without a resourceVersion: such a read is never old, by the API's contract.
        if request.method == "GET" and "limit" in request.query and not request.path.endswith(("/pods", "/events")):
            body = self._list(request.path, body)
        return web.Response(status=status, headers=headers, body=body)

    async def _write(self, request: web.Request) -> web.Response:
        self.writes.append(f"{request.method} {request.path}")
        now = len(self.writes) == self.fault.at
        if now and self.fault.kind == "kill before":
            self._strike(self.writes[-1])
            return web.Response(status=500)
        if now and self.fault.kind == "outage":
            self.struck, self._back = self.writes[-1], self._loop.time() + self.fault.seconds
            return _cut(request)
        if now and self.fault.kind == "answer":
            self.struck = self.writes[-1]
            return refusal(self.fault.status)
        status, headers, body = await self._pass(request)
        if request.method == "POST" and request.path.endswith("/jobs") and status == 201:
            self.created.append(json.loads(await request.read()))
        if now and self.fault.kind in {"kill after", "stale list"}:
            self._strike(f"{request.method} {request.path}")
        return web.Response(status=status, headers=headers, body=body)

    @property
    def away(self) -> bool:
        """Whether no connection holds now."""
        return self._loop.time() < self._back

    def _strike(self, what: str) -> None:
        self.struck = what
        if self.fault.kind == "stale list":
            self._stale = set(self._lists)
        self.kill()

    def _list(self, path: str, body: bytes) -> bytes:
        """The true list; after the operator was killed, once, what the list was when it was first asked for."""
        first = self._lists.setdefault(path, body)
        if path in self._stale:
            self._stale.discard(path)
            return first
        return body

    async def _pass(self, request: web.Request) -> tuple[int, dict[str, str], bytes]:
        async with self._session.request(
            request.method,
            f"{self.server}{request.path_qs}",
            headers=kept(request.headers),
            data=await request.read() or None,
        ) as answer:
            return answer.status, kept(answer.headers), await answer.read()

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        self.watches += 1
        if self.fault.kind == "gone watch" and self.watches == self.fault.at:
            self.struck = "watch"
            expired = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            return web.json_response({"type": "ERROR", "object": expired})
        async with self._session.get(
            f"{self.server}{request.path_qs}", headers=kept(request.headers), timeout=aiohttp.ClientTimeout(total=None)
        ) as answer:
            stream = web.StreamResponse(status=answer.status, headers=kept(answer.headers))
            with contextlib.suppress(ConnectionResetError):  # the operator is gone
                await stream.prepare(request)
                async for line in self._seen(lines(answer.content)):
                    await stream.write(line)
        return stream

    async def _seen(self, true: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The events as the operator is shown them."""
        async for line in true:
            if self.away:
                return
            self.events += 1
            kind = self.fault.kind if self.events == self.fault.at else "none"
            if kind in {"drop", "duplicate", "delay", "stall"}:
                self.struck = "event"
            self._stalled = self._stalled or kind == "stall"
            if kind == "delay":
                await asyncio.sleep(DELAY_SECONDS)
            if kind != "drop" and not self._stalled:
                yield line
            if kind == "duplicate":
                yield line


def _cut(request: web.Request) -> web.Response:
    """The connection is gone before an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The lines of a watch, however long."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"


def kept(headers: Any) -> dict[str, str]:
    """The headers that are not of one connection alone."""
    return {name: value for name, value in headers.items() if name.lower() not in _HOP}


def refusal(status: int) -> web.Response:
    """An answer as the API server words it."""
    body = {"kind": "Status", "status": "Failure", "code": status, "reason": _WORDS[status], "message": "made up"}
    headers = {"Retry-After": "1"} if status == 429 else {}
    return web.json_response(body, status=status, headers=headers)
