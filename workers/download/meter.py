"""Bytes, rate and remaining time of a download; and the brake of a bandwidth limit. Pure: `now` is an argument."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from narwhal_operator.contract.download import DownloadProgress, MirrorFacts

SMOOTH_SECONDS: Final = 4.0
"""Time constant of the rate: after it, two thirds of what is shown are newer."""
LOOK_SECONDS: Final = 0.1
BURST_SECONDS: Final = 0.1
"""How far ahead of the limit a transfer may be before it is slowed."""
MIRRORS_SHOWN: Final = 12


class Watched(Protocol):
    """Something whose facts a status shows."""

    def facts(self) -> MirrorFacts:
        """The facts now."""


@dataclass(slots=True)
class Rate:
    """Bytes a second, smoothed, of a count that is looked at now and then; None until it was looked at twice."""

    value: float | None = None
    _at: float | None = None
    _count: int = 0

    def begin(self, count: int, now: float) -> None:
        """What comes from now on counts; the time since the last look does not."""
        self._at, self._count = now, count

    def look(self, count: int, now: float) -> None:
        """Takes the count at `now`; a look that follows too soon changes nothing."""
        if self._at is None:
            self.begin(count, now)
            return
        passed = now - self._at
        if passed < LOOK_SECONDS:
            return
        # Bytes given up for a restart make the difference negative: no rate is below 0.
        momentary = max(0, count - self._count) / passed
        weight = 1.0 if self.value is None else min(1.0, passed / SMOOTH_SECONDS)
        self.value = momentary * weight + (self.value or 0.0) * (1 - weight)
        self.begin(count, now)


@dataclass(slots=True)
class Meter:
    """Counts; the caller adds and asks, from one thread."""

    done: int = 0
    total: int | None = None
    refetched: int = 0
    mirror: str | None = None
    connections: int = 0
    mirrors: Sequence[Watched] = ()
    _rate: Rate = field(default_factory=Rate)

    def progress(self, now: float) -> DownloadProgress:
        """The progress at `now` (seconds of a monotonic clock); each call also advances the smoothed rate."""
        self._rate.look(self.done, now)
        rate = None if self._rate.value is None else int(self._rate.value)
        left = None if self.total is None else max(0, self.total - self.done)
        return DownloadProgress(
            percent=None if not self.total else min(100, 100 * self.done // self.total),
            bytes_done=self.done,
            bytes_total=self.total,
            bytes_per_second=rate,
            eta_seconds=None if left is None or not rate else min(left // rate, 10**9),
            bytes_refetched=self.refetched,
            connections=self.connections,
            mirror=self.mirror,
            mirrors=[mirror.facts() for mirror in self.mirrors[:MIRRORS_SHOWN]] or None,
        )


@dataclass(slots=True)
class Brake:
    """Keeps a mean rate: tells after each block how long to wait."""

    bytes_per_second: float | None
    _free_at: float = 0.0

    def delay(self, count: int, now: float) -> float:
        """Seconds to wait after `count` bytes that arrived by `now`."""
        if self.bytes_per_second is None:
            return 0.0
        # Time that passed unused is not saved up: a burst after a pause would break the limit for others.
        self._free_at = max(self._free_at, now - BURST_SECONDS) + count / self.bytes_per_second
        return max(0.0, self._free_at - now)
