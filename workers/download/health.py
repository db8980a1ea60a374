"""What is known of each mirror, and which to ask next. Pure: `now` is an argument, seconds of a monotonic clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from narwhal_operator.contract.download import MirrorFacts, MirrorState
from narwhal_operator.contract.naming import digest_of
from narwhal_operator.contract.outcome import WorkError
from workers.download.client import parsed_url
from workers.download.meter import Rate
from workers.download.ramp import Ramp
from workers.download.retry import MOST_SECONDS

SHOWN_SECONDS: Final = 3.0
"""How long a mirror must have sent before its rate counts as shown."""
SLOW_SECONDS: Final = 10.0
"""How long a mirror must be slower than another was before it is left."""
SLOW_SHARE: Final = 0.25
TRIAL_AFTER_SECONDS: Final = 20.0
"""How long the active mirror is measured before one that nobody has tried yet gets a turn."""
TRIAL_SECONDS: Final = 6.0
TRIAL_LEFT_SECONDS: Final = 120.0
"""A download that will end sooner tries no other mirror without need."""


@dataclass(slots=True)
class Mirror:
    """One URL of the source: what it sent, how it failed, what it cannot do.

    `name` is the digest of the URL, which may hold a token; `tried` counts failures in a row without progress;
    `single` says that ranges of it are not to be trusted; `landing` is where its redirects led.
    """

    url: str
    place: int
    name: str = field(init=False)
    host: str = field(init=False)
    ramp: Ramp = field(default_factory=Ramp)
    state: MirrorState = "Standby"
    bytes: int = 0
    failures: int = 0
    tried: int = 0
    ready_at: float = 0.0
    error: WorkError | None = None
    single: bool = False
    landing: str | None = None
    shown: float | None = None
    _since: float | None = None
    _rate: Rate = field(default_factory=Rate)
    _slow_since: float | None = None

    def __post_init__(self) -> None:
        parsed = parsed_url(self.url)
        self.name = digest_of(self.url, 64)
        self.host = str(parsed.authority).rpartition("@")[2][:255]

    @property
    def rate(self) -> float | None:
        """Bytes a second, smoothed, while it was asked."""
        return self._rate.value

    @property
    def hopeful(self) -> bool:
        """Whether it may be asked again."""
        return self.state in {"Active", "Standby"}

    def enter(self, now: float) -> None:
        """It is asked from now on."""
        self.state, self._since, self._slow_since = "Active", now, None
        self._rate.begin(self.bytes, now)

    def entered(self, now: float) -> float:
        """Seconds since it is asked."""
        return 0.0 if self._since is None else now - self._since

    def leave(self, state: MirrorState) -> None:
        """It is not asked any more, for now or for good."""
        self.state = state

    def note(self, now: float) -> None:
        """Looks at what has come: its smoothed rate, and after a while the best rate it has shown."""
        self._rate.look(self.bytes, now)
        if self.rate is not None and self._since is not None and now - self._since >= SHOWN_SECONDS:
            self.shown = max(self.shown or 0.0, self.rate)

    def slower(self, other: float, now: float) -> bool:
        """Whether it has for a while been clearly slower than another once was."""
        if self.rate is None or self.rate >= other * SLOW_SHARE:
            self._slow_since = None
            return False
        self._slow_since = now if self._slow_since is None else self._slow_since
        return now - self._slow_since >= SLOW_SECONDS

    def facts(self) -> MirrorFacts:
        """What a status shows of it."""
        return MirrorFacts(
            host=self.host,
            bytes=self.bytes,
            bytes_per_second=None if self.rate is None or self.state != "Active" else int(self.rate),
            failures=self.failures,
            state=self.state,
            reason=None if self.error is None else self.error.reason.value,
        )


def choose(mirrors: Sequence[Mirror], now: float, held: Mirror | None, *, mixing: bool) -> Mirror | None:
    """The mirror to ask next; None when none is left.

    `held` is the one the bytes at hand are of. Where they cannot be mixed with another's it is stayed with, unless it
    asks for a long wait. Otherwise: those that need not be waited for, then the healthy, the fast, the first.
    """
    hopeful = [mirror for mirror in mirrors if mirror.hopeful]
    if held is not None and held in hopeful and not mixing and held.ready_at <= now + MOST_SECONDS:
        return held
    return min(hopeful, key=lambda mirror: _rank(mirror, now, held), default=None)


def _rank(mirror: Mirror, now: float, held: Mirror | None) -> tuple[float, ...]:
    wait = max(0.0, mirror.ready_at - now)
    return (wait > 0, mirror.tried, wait, -(mirror.shown or 0.0), mirror is not held, mirror.place)


def better(mirrors: Sequence[Mirror], active: Mirror, now: float, left: int | None, size: int | None) -> Mirror | None:
    """A mirror that has shown to be so much faster than the active one is that a change pays; None to stay.

    `left` bytes are to be fetched from the active one, `size` from the other: all, if bytes must not be mixed.
    """
    others = [
        mirror
        for mirror in mirrors
        if mirror is not active and mirror.hopeful and mirror.ready_at <= now and mirror.shown
    ]
    best = max(others, key=lambda mirror: mirror.shown or 0.0, default=None)
    if best is None or best.shown is None or not active.slower(best.shown, now):
        return None
    if left is not None and size is not None and active.rate and size / best.shown >= left / active.rate:
        return None
    return best


def untried(mirrors: Sequence[Mirror], active: Mirror, now: float, left: int) -> Mirror | None:
    """A mirror nobody has tried, where a look at it may pay: the active one is measured, and much is left."""
    if not active.shown or active.entered(now) < TRIAL_AFTER_SECONDS or left / active.shown < TRIAL_LEFT_SECONDS:
        return None
    return next((mirror for mirror in mirrors if mirror.hopeful and mirror.shown is None and not mirror.failures), None)
