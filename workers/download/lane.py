"""One connection of several: it asks for a span, brings its bytes, and goes on with the next."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from narwhal_operator.contract.outcome import Reason
from workers.download.client import Answer
from workers.download.rules import Asked, Piece, Source, SourceError, judge
from workers.download.spans import Span

if TYPE_CHECKING:
    from workers.download.engine import Engine

SPEED_SECONDS: Final = 1.0
"""How long a request must last before its speed says something."""


class RangesIgnoredError(SourceError):
    """The same file, whole, in answer to a request for a part."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A response that is under way already, the span it is for, and what ends it."""

    answer: Answer
    piece: Piece
    span: Span
    stack: AsyncExitStack


class Lane:
    """A connection by its number. `heard_at` is when its last byte came; `pausing` while it waits after a failure.

    `last` is the speed of the request before, in bytes a second. Of the request under way `asked_at` says since when it
    is, `heard` whether it brought a byte, `target` where it goes; `close` ends it.
    """

    def __init__(self, engine: "Engine", number: int) -> None:
        self.number = number
        self.failures = 0
        self.heard = False
        self.heard_at: float | None = None
        self.pausing = False
        self.target = engine.mirror.url
        self.close: Callable[[], object] = bool  # nothing, until it has a task
        self._engine = engine
        self.asked_at = 0.0
        self._count = 0
        self.last: float | None = None

    async def run(self, opened: Opened | None) -> None:
        """Fetches spans until there is none for it. Raises SourceError when that ends the whole."""
        engine = self._engine
        while True:
            span = await engine.next(self) if opened is None else opened.span
            if span is None:
                return
            self.asked_at, self._count, self.heard = time.monotonic(), 0, False
            try:
                await (self._ask(span) if opened is None else self._go_on(opened))
                self._note()
                self.failures = 0
            except SourceError as error:
                engine.free(span)
                if not await engine.tolerates(self, error):
                    return
            finally:
                engine.free(span)
                opened = None

    def speed(self, now: float) -> float | None:
        """Bytes a second: of this request if it lasts long enough to tell, else of the one before; None if unknown."""
        passed = now - self.asked_at
        return self.last if passed < SPEED_SECONDS else self._count / passed

    def _note(self) -> None:
        passed = time.monotonic() - self.asked_at
        if self._count >= 64 * 1024 and passed > 0:
            self.last = self._count / passed

    async def _go_on(self, opened: Opened) -> None:
        async with opened.stack:
            await self._receive(opened.answer, opened.piece, opened.span)

    async def _ask(self, span: Span) -> None:
        engine = self._engine
        asked = Asked(engine.where, span.at, engine.source, last=span.end - 1)
        async with engine.request(self, asked.headers()) as answer:
            engine.answered(answer)
            piece = judge(asked, engine.mirror.name, answer.status, answer.headers)
            if not isinstance(piece, Piece) or answer.status != 206:
                raise _ignored(asked, engine.source, piece)
            await self._receive(answer, piece, span)

    async def _receive(self, answer: Answer, piece: Piece, span: Span) -> None:
        """The bytes of a part, until it ends or its rest is another lane's. Raises SourceError when it ends early."""
        engine, left = self._engine, piece.size or 0
        with engine.receiving():
            async with aclosing(answer.blocks()) as blocks:
                async for block in blocks:
                    if len(block) > left:
                        what = "sends more bytes than it announced"
                        raise SourceError(Reason.PROTOCOL_VIOLATION, f"{answer.where} {what}.")
                    left -= len(block)
                    await self._take(span, block)
                    if left and not span.left:
                        return  # the rest is another's: closing the connection is cheaper than reading on
        if left:
            said = f"{answer.where} sent {(piece.size or 0) - left} of {piece.size} bytes; it is tried again."
            raise SourceError(Reason.SOURCE_INCOMPLETE, said)

    async def _take(self, span: Span, block: bytes) -> None:
        if not block:
            return
        now = time.monotonic()
        self.heard, self.heard_at = True, now
        self._count += len(block)
        pause = self._engine.received(span, block, now)
        if pause > 0:
            await asyncio.sleep(pause)


def _ignored(asked: Asked, source: Source, found: object) -> SourceError:
    """The error of a server that answers a request for a part with the whole, or with nothing: the same file or not?"""
    if isinstance(found, Piece) and found.source == source:
        return RangesIgnoredError(Reason.PROTOCOL_VIOLATION, f"{asked.where} sends the whole instead of a part.")
    return SourceError(Reason.SOURCE_CHANGED, f"{asked.where} changed while it was fetched: it does not go on.")
