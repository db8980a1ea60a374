"""The work queue: keys, coalesced, delayed and backed off, with client-go's semantics; what only wants telling lets work go first.

A key waits at most once, is worked on by one worker at a time, and one that is added while it is worked on comes again
afterwards. Nothing in it matters for correctness: it says where to look, and a lost key comes back with the resync.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from narwhal_operator.core.observed import Key

FIRST_RETRY: Final = 0.2
RETRY_CAP: Final = 15.0
"""Seconds; a key whose pass failed comes again after FIRST_RETRY, doubled each time up to the cap: so long after an API
server is back nobody may have noticed."""
ALWAYS: Final = ""
"""The cause of a key that must be looked at, whatever it was that changed."""
REPORT: Final = "report"
"""The cause of a key whose workers have said something new of themselves; no resourceVersion is a word."""
WORDS: Final = "words"
"""The cause of a key of which something decided is to be told yet, and nothing else."""
WORDS_WAIT: Final = 2.0
"""Seconds at most that a key which came for WORDS alone lets others go before it."""

Handle = Callable[[Key, frozenset[str]], Awaitable[None]]
_log = structlog.get_logger()


class WorkQueue:
    """Keys to be looked at. Each carries its causes: ALWAYS, REPORT, WORDS, the resourceVersions whose events brought it here."""

    def __init__(self) -> None:
        self._ready = asyncio.Semaphore(0)  # as many as there are keys in these two
        self._work: deque[Key] = deque()
        self._words: deque[tuple[float, Key]] = deque()  # until when they let work go first
        self._causes: dict[Key, set[str]] = {}  # of keys that wait or came again while worked on
        self._working: dict[Key, float] = {}  # since when, by the loop's clock
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._later: dict[Key, str] = {}  # the cause a key's timer brings
        self._meanwhile: dict[Key, dict[str, float]] = {}  # of keys that are worked on: when what came for later is due
        self._failures: dict[Key, int] = {}

    def __len__(self) -> int:
        """How many keys wait to be worked on, without those that only have something to tell."""
        return len(self._work)

    @property
    def longest(self) -> float:
        """Seconds the oldest pass has been going on."""
        now = asyncio.get_running_loop().time()
        return max((now - since for since in self._working.values()), default=0.0)

    def add(self, key: Key, cause: str = ALWAYS) -> None:
        """Look at a key now."""
        waiting = key in self._causes
        self._causes.setdefault(key, set()).add(cause)
        if not waiting and key not in self._working:
            self._put(key)

    def add_after(self, key: Key, delay: float, cause: str = ALWAYS) -> None:
        """Look at a key within `delay` seconds; of one that is worked on that holds whatever its pass will schedule."""
        due = asyncio.get_running_loop().time() + delay
        if key in self._working:
            causes = self._meanwhile.setdefault(key, {})
            causes[cause] = min(due, causes.get(cause, due))
            return
        timer = self._timers.get(key)
        if timer is None or timer.when() > due:
            # A turn for words that takes the place of a later look is that look: it would not come any more.
            self.schedule(key, delay, self._later.get(key, cause) if cause == WORDS else cause)
        elif cause != WORDS:
            self._later[key] = cause

    def schedule(self, key: Key, delay: float | None, cause: str = ALWAYS) -> None:
        """Look at a key after `delay` seconds and not at a time planned before its pass; None: only when something changes."""
        timer = self._timers.pop(key, None)
        self._later.pop(key, None)
        if timer is not None:
            timer.cancel()
        if delay is not None:
            self._timers[key] = asyncio.get_running_loop().call_later(delay, self._due, key)
            self._later[key] = cause

    def retry(self, key: Key) -> None:
        """Look at a key again after a failed pass, later each time."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(RETRY_CAP, FIRST_RETRY * 2.0 ** min(failures, 16)))

    def forgive(self, key: Key) -> None:
        """A pass went well: the next failure counts as the first."""
        self._failures.pop(key, None)

    async def get(self) -> tuple[Key, frozenset[str]]:
        """The next key and its causes; it is the caller's until `done`."""
        await self._ready.acquire()
        key = self._next()
        self._working[key] = asyncio.get_running_loop().time()
        return key, frozenset(self._causes.pop(key, {ALWAYS}))

    def done(self, key: Key) -> None:
        """The pass is over; a key that came again meanwhile waits again."""
        self._working.pop(key, None)
        now = asyncio.get_running_loop().time()
        for cause, due in self._meanwhile.pop(key, {}).items():
            self.add_after(key, max(0.0, due - now), cause)
        if key in self._causes:
            self._put(key)

    def _put(self, key: Key) -> None:
        if self._causes[key] == {WORDS}:
            self._words.append((asyncio.get_running_loop().time() + WORDS_WAIT, key))
        else:
            self._work.append(key)
        self._ready.release()

    def _next(self) -> Key:
        if self._words and (not self._work or self._words[0][0] <= asyncio.get_running_loop().time()):
            return self._words.popleft()[1]
        return self._work.popleft()

    def _due(self, key: Key) -> None:
        del self._timers[key]
        self.add(key, self._later.pop(key))


async def work(queue: WorkQueue, handle: Handle) -> None:
    """One worker: takes keys and handles them, for ever. What breaks for one key must not stop the others."""
    while True:
        key, causes = await queue.get()
        try:
            await handle(key, causes)
        except Exception:  # noqa: BLE001 - the traceback is logged, the key comes again, the others go on
            _log.exception("a pass broke", kind=key.kind, namespace=key.namespace, name=key.name)
            queue.retry(key)
        finally:
            queue.done(key)
