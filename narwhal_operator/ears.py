"""Whether the watches still tell what happens: a change that a slow look finds must be told by an event too, sooner or later.

A quiet cluster has no events, so the age of the last one says nothing; the age of the first change that none has told does. A watch
that is silent for a while is ended by its client (`handlers.configure`) and told all it missed; one that stays silent makes
the process unhealthy, and Kubernetes starts it again. Pods are not listed, so theirs is judged by nothing but that end.
"""

import time
from collections.abc import Callable

from narwhal_operator import metrics


class Ears:
    """When each kind's watch was first found to have missed something, since it last told anything."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience  # seconds
        self._clock = clock
        self._missed: dict[str, float] = {}

    def heard(self, kind: str) -> None:
        """A watch told something."""
        self._missed.pop(kind, None)

    def missed(self, kind: str) -> None:
        """A list has what the kind's watch did not tell yet."""
        if kind not in self._missed:
            metrics.MISSED.labels(kind).inc()
            self._missed[kind] = self._clock()

    @property
    def trouble(self) -> str:
        """What is wrong for longer than the patience; empty: nothing."""
        now = self._clock()
        for kind, since in sorted(self._missed.items()):
            if now - since > self._patience:
                return f"the watch of {kind} has told nothing for {now - since:.0f} s though something has changed"
        return ""
