"""What passes saw last of resources whose workers run: enough to show a worker's report beside it, without asking again.

Nothing but words rests on it: the write is refused where the resource has changed since, whatever else changes is told by an
event and makes a pass, and what is older than a while is not used, for an event may be lost.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from narwhal_operator.core.observed import Key, Observed

_GOOD_FOR: Final = 30.0
"""Seconds after a pass for which reports are shown beside what it saw."""
_MOST: Final = 1_000
"""Resources of which it is kept, the latest: each is as large as its spec and status, some 50 kB."""


class Recent:
    """Bounded in number and age."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[Key, tuple[float, Observed]] = OrderedDict()  # until when it is good

    def note(self, key: Key, observed: Observed) -> None:
        """A pass has left the resource as it is here: with its status as written."""
        self.forget(key)
        if any(pod.running for pod in observed.pods):
            self._seen[key] = (self._clock() + _GOOD_FOR, observed)
            if len(self._seen) > _MOST:
                self._seen.popitem(last=False)

    def shown(self, key: Key, observed: Observed) -> None:
        """A report was written to the status; the rest is as old as it was."""
        until, _ = self._seen[key]
        self._seen[key] = (until, observed)

    def forget(self, key: Key) -> None:
        """A pass is made, or ought to be."""
        self._seen.pop(key, None)

    def get(self, key: Key) -> Observed | None:
        """What was seen last; None where it cannot be used any more."""
        until, observed = self._seen.get(key, (0.0, None))
        return observed if self._clock() < until else None
