"""Which bytes of a file are asked for by which lane, which are here, and which come next. Pure.

Lanes are connections, by number. What they bring is handed out in order, so that a digest can stream and what is kept
is always a prefix of the file; bytes that come out of order wait here, and only so far beyond the first missing one as
the window allows. That window is the bound of the memory, and of what a kill loses.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
LEAST_BYTES: Final = 128 * KIB
"""The least that is worth a request of its own: what a lane takes over from another is not smaller."""
CHUNK_LEAST: Final = MIB
CHUNK_MOST: Final = 4 * MIB
CHUNK_SECONDS: Final = 4.0
WINDOW_LEAST: Final = 16 * MIB
WINDOW_MOST: Final = 48 * MIB
WINDOW_SHARE: Final = 64
"""The window is this part of the file within its bounds: a kill then loses some percent of it, whatever its size."""
WINDOW_LANE: Final = 2 * MIB
"""What each lane that there may be adds to the least window: who wants many connections wants them to be of use."""


@dataclass(slots=True, eq=False)
class Span:
    """Bytes `start` to `end`: those before `at` are here, in `blocks`; `lane` fetches the others, None if no one."""

    start: int
    at: int
    end: int
    lane: int | None
    blocks: deque[bytes] = field(default_factory=deque)

    @property
    def left(self) -> int:
        """Bytes that are missing."""
        return self.end - self.at


def window_bytes(length: int, lanes: int) -> int:
    """How far beyond the first missing byte of a file of this length so many lanes may fetch."""
    return max(WINDOW_LEAST, min(WINDOW_MOST, max(length // WINDOW_SHARE, lanes * WINDOW_LANE)))


def chunk_bytes(length: int, window: int, lanes: int, rate: float | None) -> int:
    """Bytes of one request: some seconds of a lane's rate (bytes a second), within what the window has for each lane.

    In a small file each lane gets two at least, so that all have something to do.
    """
    wanted = CHUNK_MOST if rate is None else int(rate * CHUNK_SECONDS)
    share = min(3 * window // (4 * lanes), length // (2 * lanes))
    return max(LEAST_BYTES, min(max(CHUNK_LEAST, min(CHUNK_MOST, wanted)), share))


class Spans:
    """The bytes from `start` to `length`: `frontier` is the first that was not handed out yet, `held` are waiting.

    No byte is asked for that is `window` bytes or more beyond the frontier.
    """

    def __init__(self, start: int, length: int, window: int) -> None:
        self.frontier = start
        self.length = length
        self.held = 0
        self._next = start
        self.window = window
        self._spans: list[Span] = []  # from the frontier to _next, in order and without holes

    @property
    def done(self) -> bool:
        """Whether all was handed out."""
        return self.frontier == self.length

    @property
    def ready(self) -> int:
        """Bytes that can be handed out now."""
        count = 0
        for span in self._spans:
            count += span.at - span.start
            if span.at < span.end:
                break
        return count

    @property
    def missing(self) -> tuple[int, int] | None:
        """The first bytes nobody fetches, as start and end; None when all are here or under way."""
        gap = self._gap()
        if gap is not None:
            return gap.at, gap.end
        return (self._next, self.length) if self._next < self.length else None

    def claim(self, lane: int, size: int) -> Span | None:
        """Gives a lane the first bytes nobody fetches, at most `size`; None when there are none within the window."""
        gap = self._gap()
        if gap is not None:
            if gap.left > size:
                self._insert(gap, Span(gap.at + size, gap.at + size, gap.end, None))
                gap.end = gap.at + size
            gap.lane = lane
            return gap
        end = min(self._next + min(size, self.window), self.length)
        if self._next >= self.length or end - self.frontier > self.window:
            return None
        span = Span(self._next, self._next, end, lane)
        self._spans.append(span)
        self._next = end
        return span

    def split(self, victim: Span, lane: int) -> Span:
        """Gives a lane the second half of what is missing of another's span, which ends earlier from now on.

        Raises ValueError when a half would be smaller than LEAST_BYTES, or nobody fetches the span.
        """
        if victim.lane is None or victim.left < 2 * LEAST_BYTES:
            raise ValueError("too little to share")
        middle = victim.at + victim.left // 2
        taken = Span(middle, middle, victim.end, lane)
        self._insert(victim, taken)
        victim.end = middle
        return taken

    @property
    def under_way(self) -> list[Span]:
        """The spans that lanes fetch and that miss something."""
        return [span for span in self._spans if span.lane is not None and span.left]

    def slowest(self, seconds: Callable[[Span], float]) -> Span | None:
        """Of the spans under way the one that will take longest; None when none is."""
        return max(self.under_way, key=seconds, default=None)

    def receive(self, span: Span, block: bytes) -> int:
        """Takes the bytes that follow in a span; how many of them were its own: the others are someone else's."""
        used = min(len(block), span.left)
        if used and span.lane is not None:
            span.blocks.append(block if used == len(block) else block[:used])
            span.at += used
            self.held += used
            return used
        return 0

    def release(self, span: Span) -> None:
        """The lane goes on elsewhere: what is here stays, what is missing is free again."""
        if span.lane is None:
            return
        span.lane = None
        if span.start < span.at < span.end:
            self._insert(span, Span(span.at, span.at, span.end, None))
            span.end = span.at

    def take(self, limit: int) -> list[bytes]:
        """The next bytes in order: whole blocks until there are `limit` bytes or no more."""
        taken: list[bytes] = []
        count = 0
        while self._spans and count < limit:
            span = self._spans[0]
            while span.blocks and count < limit:
                taken.append(span.blocks.popleft())
                count += len(taken[-1])
                span.start += len(taken[-1])
            if span.start < span.end:
                break
            del self._spans[0]
        self.frontier += count
        self.held -= count
        return taken

    def head(self, count: int) -> bytes:
        """The first bytes that can be handed out, at most `count`; they stay."""
        found = bytearray()
        for span in self._spans:
            for block in span.blocks:
                found += block[: count - len(found)]
                if len(found) >= count:
                    return bytes(found)
            if span.at < span.end:
                break
        return bytes(found)

    def _gap(self) -> Span | None:
        return next((span for span in self._spans if span.lane is None and span.left), None)

    def _insert(self, before: Span, span: Span) -> None:
        self._spans.insert(self._spans.index(before) + 1, span)
