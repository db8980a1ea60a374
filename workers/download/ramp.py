"""How many connections a mirror is asked for at once: more while that can help, fewer where it refuses. Pure."""

from dataclasses import dataclass
from typing import Final

GROWTH: Final = 8
BUSY: Final = 0.75
"""Share of the time this process or the store is at work from which on more connections bring no more bytes."""
AGAIN_SECONDS: Final = 30.0
"""After a refusal, how long until one connection more is tried."""


@dataclass(slots=True)
class Ramp:
    """The number of connections allowed now, from one up to `most`."""

    most: int = 1
    limit: int = 1
    _again_at: float = 0.0
    _refused: bool = False

    @property
    def growing(self) -> bool:
        """Whether there may soon be more, unless something else is the bottleneck."""
        return self.limit < self.most and not self._refused

    def grow(self, now: float, busy: float) -> None:
        """Allows more when neither this process nor the store is the bottleneck: quickly, after a refusal one by one."""
        if self.limit >= self.most or now < self._again_at or busy >= BUSY:
            return
        self.limit = min(self.most, self.limit + 1 if self._refused else self.limit * GROWTH)
        if self._refused:
            self._again_at = now + AGAIN_SECONDS

    def refuse(self, working: int, now: float, asked: float | None) -> None:
        """A connection was refused while `working` others were served; `asked` are seconds of a Retry-After."""
        self.limit = max(1, min(self.limit, working))
        self._refused = True
        self._again_at = max(self._again_at, now + max(AGAIN_SECONDS, asked or 0.0))
