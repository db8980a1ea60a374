"""Parts of an upload on their way to the store, and which of them it has acknowledged in order."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from typing import Final

from workers.common.store import PartInfo
from workers.download.note import Chain

IN_FLIGHT: Final = 3
"""Parts on their way at once; with the one being filled they bound the memory."""
IN_FLIGHT_BYTES: Final = 24 * 1024 * 1024
"""Bytes of them: of the large parts of a very large file there are fewer."""

States = dict[str, str]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The parts that the store has, without a gap from the first: how many, their digest, where they end."""

    parts: int
    chain: str
    count: int
    states: States


@dataclass(frozen=True, slots=True)
class _Sent:
    part: Future[PartInfo]
    count: int
    states: States | None


class Flight:
    """The parts of one upload. `tell` is called, in a thread of the flight, when more is acknowledged."""

    def __init__(self, tell: Callable[[Acknowledged], None], parts: tuple[PartInfo, ...] = ()) -> None:
        self._tell = tell
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="part")
        self._lock = threading.Lock()
        self._sent: deque[_Sent] = deque()
        self._parts = list(parts)
        self._chain = Chain(parts)
        self.next = len(parts) + 1
        """Number of the part that follows."""

    def room(self, size: int) -> None:
        """Waits until another part of that size may be on its way. Raises what one failed with."""
        while (oldest := self._oldest(max(1, min(IN_FLIGHT, IN_FLIGHT_BYTES // size)))) is not None:
            oldest.part.result()
            self._advance()

    def send(self, store: Callable[[], PartInfo], count: int, states: States | None) -> None:
        """Has a thread store the next part, for which there is room.

        `count` is where it ends, in bytes from the first part's begin; `states` are those of the digests there.
        """
        sent = _Sent(self._pool.submit(store), count, states)
        with self._lock:
            self._sent.append(sent)
        self.next += 1
        sent.part.add_done_callback(lambda _: self._advance())

    def all(self) -> tuple[PartInfo, ...]:
        """All parts, once they are stored. Raises what one failed with."""
        while (oldest := self._oldest(1)) is not None:
            oldest.part.result()
            self._advance()
        return tuple(self._parts)

    def settle(self, seconds: float | None = None) -> None:
        """Waits until nothing is on its way, or so long; how it ended does not matter."""
        with self._lock:
            parts = [sent.part for sent in self._sent]
        wait_for(parts, seconds)
        self._advance()

    def stop(self) -> None:
        """Cancels what has not begun and waits for the rest; the flight is over."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _oldest(self, least: int) -> _Sent | None:
        with self._lock:
            return self._sent[0] if len(self._sent) >= least else None

    def _advance(self) -> None:
        """Counts what is stored without a gap; a part that failed stays the oldest, and nothing after it counts."""
        news: Acknowledged | None = None
        with self._lock:
            while self._sent and _stored(self._sent[0].part):
                sent = self._sent.popleft()
                part = sent.part.result()
                self._parts.append(part)
                self._chain.add(part)
                if sent.states is not None:
                    news = Acknowledged(len(self._parts), self._chain.value(), sent.count, sent.states)
            if news is not None:
                self._tell(news)


def _stored(part: Future[PartInfo]) -> bool:
    return part.done() and not part.cancelled() and part.exception() is None
