"""Who may start: limits on how many resources run, fair between namespaces, by priority within one.

A resource holds a place while a Job of its work may run. One that wants to start waits in its namespace's line; places that are
free go to the namespace that runs the fewest, of equals to the one that was served longest ago, and in it to the highest
priority, of equals to the oldest. Nothing here is state that matters: it is made anew from the Jobs and resources there are.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from narwhal_operator.core.key import Key

SOONEST: Final = 15.0
"""Seconds between looks at a resource that waits: its place in the line is shown, and others start by themselves."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Resources that may run at once; 0: without limit."""

    total: int = 0
    per_namespace: int = 0

    @property
    def any(self) -> bool:
        """Whether anything is limited."""
        return bool(self.total or self.per_namespace)


@dataclass(frozen=True, slots=True)
class Claim:
    """A wish to start."""

    priority: int
    since: float  # when its resource was made, as a timestamp

    def rank(self, key: Key) -> "Rank":
        """Where it stands in its namespace's line: lower is earlier."""
        return (-self.priority, self.since, key.name, key.kind)


Rank = tuple[int, float, str, str]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a resource is told of the line."""

    granted: bool
    message: str = ""
    look_again: float = SOONEST  # seconds


@dataclass(slots=True)
class _Line:
    """One namespace."""

    ranks: list[tuple[Rank, Key]] = field(default_factory=list)  # in their order
    running: int = 0
    served: int = 0  # when last, by the count of all grants


class Line:
    """Places and those who wait for them."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lines: dict[str, _Line] = {}
        self._places: set[Key] = set()
        self._claims: dict[Key, Claim] = {}
        self._grants = 0

    def holds(self, key: Key) -> bool:
        """Whether a resource has a place."""
        return key in self._places

    def hold(self, key: Key) -> None:
        """A resource runs, whoever let it: found so, it is counted even above the limits."""
        self._leave(key)
        if key not in self._places:
            self._places.add(key)
            self._of(key).running += 1

    def let_go(self, key: Key) -> list[Key]:
        """A resource neither runs nor waits any more; those whose turn has come by that."""
        self._leave(key)
        if key in self._places:
            self._places.discard(key)
            self._of(key).running -= 1
        self._forget(key.namespace)
        return self._grant()

    def want(self, key: Key, claim: Claim) -> list[Key]:
        """A resource wants to start; those whose turn has come, itself maybe among them."""
        if key not in self._places and self._claims.get(key) != claim:
            self._leave(key)
            self._claims[key] = claim
            insort(self._of(key).ranks, (claim.rank(key), key))
        return self._grant()

    def enter(self, claims: Mapping[Key, Claim]) -> list[Key]:
        """All these want to start, none before the others; those whose turn has come."""
        for key, claim in claims.items():
            if key not in self._places and key not in self._claims:
                self._claims[key] = claim
                insort(self._of(key).ranks, (claim.rank(key), key))
        return self._grant()

    @property
    def running(self) -> int:
        """Resources that have a place."""
        return len(self._places)

    @property
    def waiting(self) -> int:
        """Resources that wait for one."""
        return len(self._claims)

    def turn(self, key: Key) -> Turn:
        """What a resource is told."""
        if key in self._places:
            return Turn(granted=True)
        claim, line = self._claims.get(key), self._lines.get(key.namespace)
        if claim is None or line is None:
            return Turn(granted=False)
        ahead = bisect_left(line.ranks, (claim.rank(key), key))
        runs = f"{line.running} of {self.limits.per_namespace}" if self.limits.per_namespace else str(line.running)
        cluster = f"; the cluster runs {len(self._places)} of {self.limits.total}" if self.limits.total else ""
        message = f"Queued: position {ahead + 1} of {len(line.ranks)}; namespace {key.namespace} runs {runs}{cluster}."
        return Turn(granted=False, message=message, look_again=max(SOONEST, 2.0 * ahead))

    def _grant(self) -> list[Key]:
        """Gives away the places that are free."""
        granted: list[Key] = []
        while not self.limits.total or len(self._places) < self.limits.total:
            line = min(filter(self._may, self._lines.values()), key=lambda one: (one.running, one.served), default=None)
            if line is None:
                break
            _, key = line.ranks.pop(0)
            del self._claims[key]
            self._grants += 1
            line.served = self._grants
            line.running += 1
            self._places.add(key)
            granted.append(key)
        return granted

    def _may(self, line: _Line) -> bool:
        most = self.limits.per_namespace
        return bool(line.ranks) and (not most or line.running < most)

    def _leave(self, key: Key) -> None:
        claim = self._claims.pop(key, None)
        if claim is not None:
            ranks = self._lines[key.namespace].ranks
            del ranks[bisect_left(ranks, (claim.rank(key), key))]

    def _of(self, key: Key) -> _Line:
        return self._lines.setdefault(key.namespace, _Line())

    def _forget(self, namespace: str) -> None:
        line = self._lines.get(namespace)
        if line is not None and not line.ranks and not line.running:
            del self._lines[namespace]
