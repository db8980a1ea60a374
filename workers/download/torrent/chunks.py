"""A chunk: bytes of pieces that have passed their hash, as one object of the store. Pure.

A line of JSON says which bytes of which file follow, in order. Pieces come in any order, so an object of many spans is
what a batch of them needs: the parts of a multipart upload would be whole late (an upload's parts cannot be read back
either, which the SHA-256 of a file would need), and one object a piece would be a hundred thousand of them.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from workers.download.torrent.layout import Span

FORMAT: Final = 1
CHUNK_BYTES: Final = 8 * 1024 * 1024
"""Bytes of pieces in a chunk: they are in memory once while it is written."""
HEADER_LIMIT: Final = 1024 * 1024
OBJECT_LIMIT: Final = CHUNK_BYTES + HEADER_LIMIT


def batches(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Spans in groups of at most CHUNK_BYTES; one that does not fit is cut."""
    batch: list[Span] = []
    room = CHUNK_BYTES
    for span in spans:
        offset, left = span.offset, span.length
        while left:
            part = min(left, room)
            batch.append(Span(span.index, offset, part))
            offset, left, room = offset + part, left - part, room - part
            if not room:
                yield batch
                batch, room = [], CHUNK_BYTES
    if batch:
        yield batch


def encode(spans: Sequence[Span], blocks: Sequence[bytes]) -> bytes:
    """The chunk of spans and their bytes."""
    header = {"format": FORMAT, "spans": [[span.index, span.offset, span.length] for span in spans]}
    return b"".join((json.dumps(header, separators=(",", ":")).encode(), b"\n", *blocks))


def decode(chunk: bytes) -> tuple[tuple[Span, memoryview], ...]:
    """The spans of a chunk with their bytes. Raises ValueError for anything but a whole chunk."""
    end = chunk.find(b"\n", 0, HEADER_LIMIT)
    if end < 0:
        raise ValueError("a chunk without a header")
    header = json.loads(chunk[:end])
    if not isinstance(header, dict) or header.get("format") != FORMAT or not isinstance(header.get("spans"), list):
        raise ValueError("a chunk of another format")
    body = memoryview(chunk)[end + 1 :]
    found = []
    for item in header["spans"]:
        span = _span(item)
        found.append((span, body[: span.length]))
        body = body[span.length :]
    if len(body) or any(len(data) != span.length for span, data in found):
        raise ValueError("a chunk of another length than it says")
    return tuple(found)


def _span(item: Any) -> Span:
    if not isinstance(item, list) or len(item) != 3 or not all(type(number) is int for number in item):
        raise ValueError("a chunk with a span that is none")
    index, offset, length = item
    if index < 0 or offset < 0 or not 0 < length <= CHUNK_BYTES:
        raise ValueError("a chunk with a span that is none")
    return Span(index, offset, length)
