"""One representation from one mirror: the first response decides whether several connections can share it."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from workers.download.client import Answer, shown
from workers.download.engine import Engine, Start
from workers.download.health import Mirror
from workers.download.lane import Opened, RangesIgnoredError
from workers.download.rules import Asked, Complete, Piece, Source, judge
from workers.download.single import measured, stream
from workers.download.spans import MIB, Spans, window_bytes
from workers.download.transfer import REQUESTS, Transfer

FIRST_BYTES: Final = 2 * MIB
"""What the first request asks for: a file no larger needs no second."""
_NO_RANGES: Final = frozenset({400, 405, 416, 501})
"""What servers that know no ranges, and those without a byte, answer to a first request for a range."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What of this file is here: a prefix of `source`; `foreign` when another mirror's bytes are in it."""

    source: Source
    have: int
    foreign: bool


async def fetch(transfer: Transfer, mirror: Mirror, *, mixing: bool) -> None:
    """Goes on until the sink has all of the mirror's file. Raises SourceError when it cannot.

    With `mixing` the bytes held may be another mirror's, if the lengths are equal: a digest must judge them later.
    """
    mirror.ramp.most = transfer.demand.connections
    while not await _turn(transfer, mirror, _held(transfer, mirror, mixing=mixing)):
        pass  # each turn adds at least a byte, or asks in a simpler way: an empty part is a violation


def _held(transfer: Transfer, mirror: Mirror, *, mixing: bool) -> _Held | None:
    source = transfer.sink.source
    if source is None:
        return None
    foreign = source.url != mirror.name
    usable = (mixing and source.length is not None and transfer.sink.have > 0) if foreign else True
    return _Held(source, transfer.sink.have, foreign) if usable else None


async def _turn(transfer: Transfer, mirror: Mirror, held: _Held | None) -> bool:
    """One request and what follows from it; whether the sink has all now."""
    if held is not None and held.source.length is not None and held.have == held.source.length:
        return True
    if held is None:
        transfer.drop_spans()
    asked = _asked(transfer, mirror, held)
    async with AsyncExitStack() as stack:
        answer = await stack.enter_async_context(transfer.client.request(mirror.url, asked.headers()))
        transfer.metrics.add(REQUESTS, status=f"{answer.status // 100}xx")
        if asked.last is not None and not asked.have and answer.status in _NO_RANGES:
            mirror.single = True
            return False
        verdict = judge(asked, mirror.name, answer.status, answer.headers)
        if isinstance(verdict, Complete):
            return True
        transfer.check_size(answer.where, verdict.source.length)
        transfer.meter.total = verdict.source.length
        if asked.last is None or answer.status != 206:
            mirror.single = mirror.single or (asked.last is not None and not asked.have)
            return await _alone(transfer, mirror, answer, verdict)
        if not _shareable(asked, verdict):
            mirror.single = True
            whole = verdict.size is not None and verdict.start + verdict.size == verdict.source.length
            return whole and await _alone(transfer, mirror, answer, verdict)
        return await _together(transfer, mirror, held, _Response(answer, verdict, stack.pop_all()))


def _asked(transfer: Transfer, mirror: Mirror, held: _Held | None) -> Asked:
    """For the rest where only one connection may be; else for its first bytes that are missing."""
    where = shown(mirror.url)
    if held is None:
        several = transfer.demand.connections > 1 and not mirror.single
        return Asked(where, last=FIRST_BYTES - 1 if several else None)
    if transfer.demand.connections == 1 or mirror.single or not (held.foreign or held.source.resumable):
        return Asked(where, held.have, held.source, foreign=held.foreign)
    missing = transfer.spans.missing if transfer.spans is not None else None
    start, end = missing or (held.have, held.have + FIRST_BYTES)
    return Asked(where, start, held.source, last=min(end, start + FIRST_BYTES) - 1, foreign=held.foreign)


def _shareable(asked: Asked, piece: Piece) -> bool:
    """Whether other connections can fetch other parts of the same bytes, and this server keeps to what it is asked."""
    end = piece.start + (piece.size or 0)
    kept = asked.last is not None and end <= asked.last + 1
    return kept and piece.source.resumable and piece.source.length is not None


@dataclass(frozen=True, slots=True)
class _Response:
    answer: Answer
    piece: Piece
    stack: AsyncExitStack


async def _together(transfer: Transfer, mirror: Mirror, held: _Held | None, found: _Response) -> bool:
    source, piece = found.piece.source, found.piece
    spans = transfer.spans
    if spans is None:
        length = source.length or 0
        spans = transfer.spans = Spans(piece.start, length, window_bytes(length, transfer.demand.connections))
    span = spans.claim(0, piece.size or 0)
    if span is None or span.at != piece.start:
        raise RuntimeError("the first request was not for the first bytes that are missing")
    engine = Engine(transfer, mirror, spans, Start(source, found.answer, begun=held is not None))
    engine.landed(found.answer)
    try:
        async with found.stack:
            await engine.run(Opened(found.answer, piece, span, found.stack))
    except RangesIgnoredError:
        mirror.single = True
        transfer.drop_spans()
        return False
    transfer.spans = None
    return True


async def _alone(transfer: Transfer, mirror: Mirror, answer: Answer, piece: Piece) -> bool:
    """The rest over this one connection."""
    if not piece.delimited and not transfer.demand.proven:
        piece = await measured(transfer, mirror.url, piece)
        transfer.check_size(answer.where, piece.source.length)
    await stream(transfer, mirror, answer, piece)
    return piece.size is None or transfer.sink.have == piece.source.length
