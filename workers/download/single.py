"""One response's body into the sink, from its first byte to its last: the way where ranges are no help."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.download.client import Answer, shown
from workers.download.health import Mirror
from workers.download.rules import Piece, SourceError, one
from workers.download.sniff import HEAD_BYTES
from workers.download.transfer import BLOCK_BYTES, BLOCK_SECONDS, Transfer


async def stream(transfer: Transfer, mirror: Mirror, answer: Answer, piece: Piece) -> None:
    """Has the sink take the body. Raises SourceError when it ends early, stalls, or is more than announced."""
    transfer.drop_spans()
    body = _Body(transfer, mirror, answer, piece)
    transfer.meter.connections = 1
    try:
        async with aclosing(answer.blocks()) as blocks:
            async for block in blocks:
                pause = transfer.brake.delay(len(block), time.monotonic())
                await body.take(block)
                if pause > 0:
                    await asyncio.sleep(pause)
        await body.end()
    finally:
        transfer.meter.connections = 0
        # A cut, a stall or a stop: what has come is good, and a resume goes on after it.
        await body.flush()
        await transfer.settle()


async def measured(transfer: Transfer, url: str, piece: Piece) -> Piece:
    """The piece with its length, which HEAD must tell: a body that only the end of the connection ends may be cut.

    Raises SourceError(NotSupported) when it does not; no mirror's other try would tell more.
    """
    async with transfer.client.request(url, method="HEAD") as answer:
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

    def __init__(self, transfer: Transfer, mirror: Mirror, answer: Answer, piece: Piece) -> None:
        self._transfer = transfer
        self._mirror = mirror
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
        self._transfer.received(self._mirror, len(block))
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
            await self._hand(self._write, [])

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
            try:
                found = self._transfer.content_type(b"".join(blocks)[:HEAD_BYTES], self._answer)
            except WorkError:
                self._broken = True
                raise
            await self._hand(self._transfer.begin, self._piece.source, found, self._mirror.name)
            self._begun = True
        await self._hand(self._write, blocks)

    async def _write(self, blocks: list[bytes]) -> None:
        """Gives blocks to the sink's thread, and waits only for what it was given before."""
        await self._transfer.settle()
        self._transfer.start(self._transfer.sink.write, blocks)

    async def _hand(self, work: Callable[..., Awaitable[None]], *args: Any) -> None:
        """After a failed or interrupted hand-over nothing more may follow: it would leave a hole."""
        broken, self._broken = self._broken, True
        await work(*args)
        self._broken = broken
