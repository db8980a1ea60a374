"""Bytes of several connections in order: whatever comes when, each byte is handed out exactly once."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from workers.download import spans as module
from workers.download.spans import (
    CHUNK_LEAST,
    CHUNK_MOST,
    LEAST_BYTES,
    MIB,
    WINDOW_LEAST,
    WINDOW_MOST,
    Span,
    Spans,
    chunk_bytes,
    window_bytes,
)

LANES = 5


class Fetching(RuleBasedStateMachine):
    """Lanes that claim, bring, share and give up in any order; the consumer takes when it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: Spans | None = None
        self.owned: dict[int, Span] = {}
        self.out = b""

    @initialize(start=st.integers(0, 50), length=st.integers(1, 2000), window=st.integers(1, 600))
    def begin(self, start: int, length: int, window: int) -> None:
        self.content = bytes(number % 251 for number in range(start + length))
        self.first = start
        self.window = window
        self.out = self.content[:start]
        self.spans = Spans(start, start + length, window)

    @rule(lane=st.integers(0, LANES - 1), size=st.integers(1, 300))
    def claim(self, lane: int, size: int) -> None:
        assert self.spans is not None
        if lane in self.owned:
            return
        span = self.spans.claim(lane, size)
        if span is not None:
            assert 0 < span.left <= size
            self.owned[lane] = span

    @precondition(lambda self: self.owned)
    @rule(data=st.data(), count=st.integers(1, 400))
    def bring(self, data: Any, count: int) -> None:
        assert self.spans is not None
        span = self.owned[data.draw(st.sampled_from(sorted(self.owned)))]
        block = self.content[span.at : span.at + count]
        if block:
            left = span.left
            assert self.spans.receive(span, block) == min(len(block), left)

    @precondition(lambda self: self.owned)
    @rule(data=st.data())
    def give_up(self, data: Any) -> None:
        assert self.spans is not None
        lane = data.draw(st.sampled_from(sorted(self.owned)))
        self.spans.release(self.owned.pop(lane))

    @precondition(lambda self: self.owned)
    @rule(lane=st.integers(0, LANES - 1))
    def share(self, lane: int) -> None:
        assert self.spans is not None
        victim = self.spans.slowest(lambda span: span.left)
        if lane in self.owned or victim is None:
            return
        left = victim.left
        if left < 2 * module.LEAST_BYTES:
            with pytest.raises(ValueError, match="too little"):
                self.spans.split(victim, lane)
            return
        taken = self.spans.split(victim, lane)
        assert min(taken.left, victim.left) >= module.LEAST_BYTES
        assert taken.left + victim.left == left
        self.owned[lane] = taken

    @rule(limit=st.integers(1, 500))
    def take(self, limit: int) -> None:
        assert self.spans is not None
        ready, head = self.spans.ready, self.spans.head(64)
        blocks = self.spans.take(limit)
        found = b"".join(blocks)
        assert min(ready, limit) <= len(found) <= ready
        assert found[:64].startswith(head[: len(found)])
        self.out += found

    @invariant()
    def what_is_out_is_a_prefix(self) -> None:
        if self.spans is not None:
            assert self.out == self.content[: self.spans.frontier]
            assert self.spans.held <= self.window

    def teardown(self) -> None:
        """From any state the rest can be fetched, with one lane after all others gave up."""
        if self.spans is None:
            return
        for span in self.owned.values():
            self.spans.release(span)
        self.out += b"".join(self.spans.take(10**9))
        while (found := self.spans.claim(0, 97)) is not None:
            self.spans.receive(found, self.content[found.at : found.end])
            self.spans.release(found)
            self.out += b"".join(self.spans.take(10**9))
        assert self.spans.done
        assert self.out == self.content
        assert self.spans.held == 0
        assert self.spans.missing is None


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_BYTES", 20)


Fetching.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


TestFetching = Fetching.TestCase


def test_the_window_is_a_bound() -> None:
    """No byte beyond the window is given to any lane until the first ones are handed out."""
    spans = Spans(0, 1000, 100)
    first, second = spans.claim(0, 60), spans.claim(1, 40)
    assert first is not None
    assert second is not None
    assert spans.claim(2, 1) is None
    spans.receive(second, bytes(40))
    assert (spans.ready, spans.take(100)) == (0, [])
    spans.receive(first, bytes(60))
    assert spans.ready == 100
    assert sum(map(len, spans.take(1000))) == 100
    assert spans.claim(2, 100) is not None


def test_what_was_taken_over_is_not_taken_twice() -> None:
    """After half of a span went to another lane, the first lane's bytes beyond its new end count for nothing."""
    spans = Spans(0, 100, 100)
    slow = spans.claim(0, 100)
    assert slow is not None
    spans.receive(slow, bytes(10))
    taken = spans.split(slow, 1)
    assert (slow.end, taken.start, taken.end) == (55, 55, 100)
    assert spans.receive(slow, bytes(90)) == 45
    assert spans.receive(slow, bytes(1)) == 0
    spans.release(slow)
    assert spans.receive(slow, bytes(1)) == 0
    assert sum(map(len, spans.take(1000))) == 55


@pytest.mark.parametrize("length", [1, 10**6, 10**8, 10**9, 10**12])
@pytest.mark.parametrize("lanes", [1, 8, 64])
@pytest.mark.parametrize("rate", [None, 0.0, 10**5, 10**9])
def test_chunks_fit_the_window(length: int, lanes: int, rate: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of all lanes fit into the window, the window into its bounds."""
    monkeypatch.setattr(module, "LEAST_BYTES", LEAST_BYTES)
    window = window_bytes(length, lanes)
    size = chunk_bytes(length, window, lanes, rate)
    assert LEAST_BYTES <= size <= CHUNK_MOST
    assert size * lanes <= window
    assert WINDOW_LEAST <= window <= WINDOW_MOST


def test_chunks_follow_the_rate() -> None:
    """Four seconds of a lane within 1 to 4 MiB; a small file has two chunks for each lane."""
    assert chunk_bytes(10**12, WINDOW_MOST, 8, 2.0 * MIB) == CHUNK_MOST
    assert chunk_bytes(10**12, WINDOW_MOST, 8, 0.5 * MIB) == 2 * MIB
    assert chunk_bytes(10**12, WINDOW_MOST, 8, 1000.0) == CHUNK_LEAST
    assert chunk_bytes(16 * MIB, WINDOW_LEAST, 8, None) == MIB
