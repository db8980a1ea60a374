"""Chunks say exactly what they hold; anything else is no chunk."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.download.torrent import chunks
from workers.download.torrent.chunks import CHUNK_BYTES, batches, decode, encode
from workers.download.torrent.layout import Span


def header(*spans: list[object], number: int = chunks.FORMAT) -> bytes:
    """A header that says these spans."""
    return json.dumps({"format": number, "spans": spans}).encode() + b"\n"


def test_a_chunk_is_read_as_it_was_written() -> None:
    """Spans and bytes come back in order."""
    spans = [Span(0, 5, 3), Span(7, 0, 2)]

    found = decode(encode(spans, [b"abc", b"\n{"]))

    assert [(span, bytes(data)) for span, data in found] == [(spans[0], b"abc"), (spans[1], b"\n{")]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"x" * 50, id="no-header"),
        pytest.param(b"[]\n", id="list"),
        pytest.param(b'{"format": 1}\n', id="no-spans"),
        pytest.param(header(number=2), id="other-format"),
        pytest.param(header([0, 0, 5]) + b"1234", id="cut"),
        pytest.param(header([0, 0, 5]) + b"123456", id="too-long"),
        pytest.param(header([0, -1, 5]) + b"12345", id="negative-offset"),
        pytest.param(header([-1, 0, 5]) + b"12345", id="negative-file"),
        pytest.param(header([0, 0, 0]), id="no-bytes"),
        pytest.param(header([0, 0]) + b"1", id="two-numbers"),
        pytest.param(header([0, 0, True]) + b"1", id="truth-value"),
        pytest.param(header(["0", 0, 1]) + b"1", id="text"),
    ],
)
def test_what_is_no_whole_chunk_is_refused(data: bytes) -> None:
    """A cut, changed or foreign object raises ValueError."""
    with pytest.raises(ValueError, match=r"chunk|Expecting"):
        decode(data)


@given(
    st.lists(st.builds(Span, st.integers(0, 5), st.integers(0, 10**12), st.integers(1, 3 * CHUNK_BYTES)), max_size=8)
)
def test_batches_hold_every_byte_once_and_fit(spans: list[Span]) -> None:
    """Batches are full but for the last, and together they are the spans."""
    found = list(batches(spans))
    sizes = [sum(span.length for span in batch) for batch in found]

    assert all(size == CHUNK_BYTES for size in sizes[:-1])
    assert all(0 < size <= CHUNK_BYTES for size in sizes[-1:])
    assert sum(sizes) == sum(span.length for span in spans)
    joined: list[Span] = []
    left = list(spans)
    for span in (span for batch in found for span in batch):
        whole = left[0]
        assert (span.index, span.offset) == (whole.index, whole.offset)
        rest = Span(whole.index, whole.offset + span.length, whole.length - span.length)
        left[0:1] = [rest] if rest.length else []
        joined.append(span)
    assert not left
