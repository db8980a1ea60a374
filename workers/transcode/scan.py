"""What a walk over all packets of a video stream tells: frames, first and last time, regularity. Pure and streaming.

A container's declared numbers are hearsay; the packets are what a decoder will get.
"""

import heapq
from collections import Counter
from fractions import Fraction
from typing import Final

import msgspec

REORDER: Final = 64
"""Packets come in decoding order; no codec shows a frame more than this many packets away from there."""
DELTAS: Final = 4096
"""Distinct frame durations that are counted; more of them are irregular in any case."""
IRREGULAR: Final = Fraction(1, 50)
"""A stream whose frames are further apart or closer than a quarter off in more than this part is of variable rate."""


class Scan(msgspec.Struct, frozen=True):
    """The packets of one video stream. Times are in ticks of its time base."""

    packets: int
    """All packets, shown or not."""
    shown: int
    """Packets whose frame is shown (an edit list may hide some)."""
    first: int
    end: int
    """When the last frame's time is over."""
    variable: bool
    """Whether frames are irregularly apart."""

    def average_rate(self, time_base: Fraction) -> Fraction | None:
        """Frames per second; None without a duration."""
        span = (self.end - self.first) * time_base
        return self.shown / span if span > 0 else None

    def frames(self, time_base: Fraction, rate: Fraction) -> int:
        """Frames of constant rate from the first frame's start to the last one's end; at least one."""
        return max(1, round((self.end - self.first) * time_base * rate))


class Scanner:
    """Takes one packet after the other, in bounded memory."""

    def __init__(self) -> None:
        self.packets = 0
        self.shown = 0
        self._heap: list[tuple[int, int]] = []
        self._first: int | None = None
        self._last: tuple[int, int] | None = None
        self._deltas: Counter[int] = Counter()

    def feed(self, time: int | None, duration: int, *, hidden: bool = False) -> None:
        """One packet: its presentation time, or None when unknown; its duration, 0 when unknown; hidden by an edit."""
        self.packets += 1
        if hidden:
            return
        self.shown += 1
        if time is None:
            return
        heapq.heappush(self._heap, (time, duration))
        if len(self._heap) > REORDER:
            self._pop()

    def result(self) -> Scan | None:
        """What was found; None when no packet has a time."""
        while self._heap:
            self._pop()
        if self._first is None or self._last is None:
            return None
        last, duration = self._last
        return Scan(
            packets=self.packets,
            shown=self.shown,
            first=self._first,
            # A last frame of less than half the usual time is how AVI counts, not how long the frame is shown.
            end=last + (duration if 2 * duration > self._usual() else self._usual()),
            variable=self._variable(),
        )

    def _pop(self) -> None:
        time, duration = heapq.heappop(self._heap)
        if self._first is None:
            self._first = time
        if self._last is not None:
            delta = time - self._last[0]
            if delta in self._deltas or len(self._deltas) < DELTAS:
                self._deltas[delta] += 1
        self._last = (time, duration)

    def _usual(self) -> int:
        return self._deltas.most_common(1)[0][0] if self._deltas else 0

    def _variable(self) -> bool:
        total = sum(self._deltas.values())
        usual = self._usual()
        # One tick either way is the rounding of a coarse time base.
        margin = max(usual // 4, 1)
        odd = sum(count for delta, count in self._deltas.items() if abs(delta - usual) > margin)
        return total > 0 and Fraction(odd, total) > IRREGULAR
