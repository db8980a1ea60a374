"""One representation from one URL into a sink: request, judge, stream, and again from where it broke."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from narwhal_operator.contract.naming import digest_of
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.metrics import Counter, Metrics
from workers.download.client import Answer, Client, shown
from workers.download.meter import Brake, Meter
from workers.download.rules import Asked, Complete, Piece, Source, SourceError, judge, one
from workers.download.sink import Sink
from workers.download.sniff import HEAD_BYTES, media_type, refuse_page

T = TypeVar("T")

BLOCK_BYTES: Final = 4 * 1024 * 1024
"""Bytes handed to the sink at once: few enough to hold two of, many enough that the hand-over costs nothing."""
BLOCK_SECONDS: Final = 0.25
"""Longest time bytes of a slow source are held back from the sink."""

BYTES: Final = Counter("narwhal_download_received_bytes", "Bytes received from sources.")
REFETCHED: Final = Counter("narwhal_download_refetched_bytes", "Bytes that must be fetched again.")
REQUESTS: Final = Counter("narwhal_download_requests", "Requests to sources by class of status.", ("status",))
FAILURES: Final = Counter("narwhal_download_failures", "Failed tries by reason.", ("reason",))


@dataclass(slots=True)
class Transfer:
    """The state of fetching into one sink; `proven` says that a digest will tell a cut body from a whole one."""

    client: Client
    sink: Sink
    key: str
    max_bytes: int | None
    proven: bool
    brake: Brake
    meter: Meter = field(default_factory=Meter)
    metrics: Metrics = field(default_factory=Metrics)
    _busy: "asyncio.Future[Any] | None" = None

    async def fetch(self, url: str) -> None:
        """Goes on with the URL until the sink has all of it. Raises SourceError when a request fails."""
        self.meter.mirror = shown(url).partition("://")[2].partition("/")[0][:255]
        while not await self._request(url, digest_of(url, 64)):
            pass  # each turn adds at least a byte: an empty part is a violation

    async def call(self, work: Callable[..., T], *args: Any) -> T:
        """Has the sink's thread do something, after all it was given before. Raises what an earlier write raised."""
        future = await self._submit(work, *args)
        await self.settle()
        return future.result()

    async def settle(self) -> None:
        """Waits until the sink's thread is done. Raises what it raised, and goes on raising it.

        A stop does not stop the thread: it is still waited for by the next caller, so that no two are in the sink.
        """
        if self._busy is not None:
            await asyncio.shield(self._busy)
            self._busy = None

    async def _submit(self, work: Callable[..., T], *args: Any) -> "asyncio.Future[T]":
        await self.settle()
        future = asyncio.get_running_loop().run_in_executor(None, work, *args)
        self._busy = future
        return future

    async def give_up(self) -> None:
        """Gives up what the sink holds: it is to be fetched again."""
        self._count_refetched()
        await self.call(self.sink.discard)

    def _count_refetched(self) -> None:
        if self.sink.have:
            self.meter.refetched += self.sink.have
            self.metrics.add(REFETCHED, self.sink.have)

    async def _request(self, url: str, name: str) -> bool:
        """One request and its body; whether the sink has all now."""
        held = self.sink.source
        if held is not None and held.length is not None and held.url == name and self.sink.have == held.length:
            return True
        usable = held if held is not None and held.url == name else None
        asked = Asked(shown(url), self.sink.have if usable else 0, usable)
        async with self.client.request(url, asked.headers()) as answer:
            self.metrics.add(REQUESTS, status=f"{answer.status // 100}xx")
            verdict = judge(asked, name, answer.status, answer.headers)
            if isinstance(verdict, Complete):
                return True
            if not verdict.delimited and not self.proven:
                verdict = await self._measured(url, verdict)
            self.check_size(answer.where, verdict.source.length)
            self.meter.connections = 1
            try:
                await self._stream(answer, verdict)
            finally:
                self.meter.connections = 0
        return verdict.size is None or self.sink.have == verdict.source.length

    def check_size(self, where: str, size: int | None) -> None:
        if size == 0:
            raise SourceError(Reason.SOURCE_EMPTY, f"{where} has 0 bytes; correct the URL.")
        if size is not None and self.max_bytes is not None and size > self.max_bytes:
            raise SourceError(
                Reason.SOURCE_TOO_LARGE,
                f"{where} has {size} bytes or more, over spec.maxBytes ({self.max_bytes}); raise it in a new DownloadJob.",
            )

    async def _stream(self, answer: Answer, piece: Piece) -> None:
        body = _Body(self, answer, piece)
        try:
            async with aclosing(answer.blocks()) as blocks:
                async for block in blocks:
                    pause = self.brake.delay(len(block), time.monotonic())
                    await body.take(block)
                    if pause > 0:
                        await asyncio.sleep(pause)
            await body.end()
        finally:
            # A cut, a stall or a stop: what has come is good, and a resume goes on after it.
            await body.flush()
            await self.settle()

    async def write(self, blocks: list[bytes]) -> None:
        """Hands blocks to the sink's thread, and waits only for what it was given before."""
        await self._submit(self.sink.write, blocks)

    async def begin(self, source: Source, content_type: str) -> None:
        """Starts the sink anew; counts what is given up."""
        await self.settle()
        self._count_refetched()
        await self.call(self.sink.begin, source, content_type)
        self.meter.total = source.length

    async def _measured(self, url: str, piece: Piece) -> Piece:
        """The piece with its length, which HEAD must tell: a body that only the end of the connection ends may be cut.

        Raises SourceError(NotSupported) when it does not; no mirror's other try would tell more.
        """
        async with self.client.request(url, method="HEAD") as answer:
            told = one(answer.headers, "content-length").strip() if answer.status == 200 else ""
        if not told.isascii() or not told.isdigit():
            raise SourceError(
                Reason.NOT_SUPPORTED,
                f"{shown(url)} does not say where the file ends, so a cut would not be seen; "
                "give its digest with spec.checksum.",
            )
        return replace(piece, size=int(told), source=replace(piece.source, length=int(told)))


class _Body:
    """The body of one response on its way into the sink."""

    def __init__(self, transfer: Transfer, answer: Answer, piece: Piece) -> None:
        self._transfer = transfer
        self._answer = answer
        self._piece = piece
        self._blocks: list[bytes] = []
        self._held = 0
        self._received = 0
        self._begun = piece.start > 0
        self._broken = False
        self._flushed_at = time.monotonic()

    async def take(self, block: bytes) -> None:
        """Takes a block as it came; an empty one says that none came for a while, so what is held need not wait.

        Raises SourceError when it is more than announced or allowed.
        """
        if not block:
            await self._rest()
            return
        self._received += len(block)
        self._transfer.metrics.add(BYTES, len(block))
        if self._piece.size is not None and self._received > self._piece.size:
            self._broken = True
            raise SourceError(Reason.PROTOCOL_VIOLATION, f"{self._answer.where} sends more bytes than it announced.")
        try:
            self._transfer.check_size(self._answer.where, self._piece.start + self._received)
        except SourceError:
            self._broken = True
            raise
        self._blocks.append(block)
        self._held += len(block)
        late = time.monotonic() - self._flushed_at >= BLOCK_SECONDS
        if self._held >= BLOCK_BYTES or (late and (self._begun or self._held >= HEAD_BYTES)):
            await self.flush()

    async def _rest(self) -> None:
        await self.flush()
        if self._begun and not self._broken:
            await self._hand(self._transfer.write, [])

    async def end(self) -> None:
        """The body ended as it should. Raises SourceError when it has fewer bytes than announced, or none."""
        self._transfer.check_size(self._answer.where, self._piece.start + self._received)
        await self.flush()
        if self._piece.size is not None and self._received < self._piece.size:
            raise SourceError(
                Reason.SOURCE_INCOMPLETE,
                f"{self._answer.where} sent {self._received} of {self._piece.size} bytes; it is tried again.",
            )

    async def flush(self) -> None:
        """Hands what is held to the sink; before the first bytes of a file, looks at what they are."""
        if not self._blocks or self._broken:
            return
        blocks, self._blocks, self._held = self._blocks, [], 0
        self._flushed_at = time.monotonic()
        if not self._begun:
            head = b"".join(blocks)[:HEAD_BYTES]
            declared = one(self._answer.headers, "content-type")
            try:
                refuse_page(head, declared, self._transfer.key, self._answer.where)
            except WorkError:
                self._broken = True
                raise
            await self._hand(self._transfer.begin, self._piece.source, media_type(head, declared, self._transfer.key))
            self._begun = True
        await self._hand(self._transfer.write, blocks)

    async def _hand(self, work: Callable[..., Awaitable[None]], *args: Any) -> None:
        """After a failed or interrupted hand-over nothing more may follow: it would leave a hole."""
        broken, self._broken = self._broken, True
        await work(*args)
        self._broken = broken
