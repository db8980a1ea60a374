"""One representation over several connections, in order into the sink.

Lanes fetch spans within a window; the pump hands to the sink what is complete in order; the supervisor opens lanes
while that can help and closes those that hang. What ends any of them ends the whole, and what came is kept.
"""

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from narwhal_operator.contract.outcome import Reason
from workers.common.log import log
from workers.download.client import Answer, parsed_url, shown
from workers.download.health import Mirror
from workers.download.lane import Lane, Opened, RangesIgnoredError
from workers.download.retry import PROGRESS_BYTES, jittered
from workers.download.rules import Source, SourceError
from workers.download.sniff import HEAD_BYTES
from workers.download.spans import LEAST_BYTES, Span, Spans, chunk_bytes
from workers.download.transfer import BLOCK_BYTES, BLOCK_SECONDS, REQUESTS, RETRIES, Transfer

FIRST_TICK_SECONDS: Final = 0.015
TICK_SECONDS: Final = 0.25
SHARE_SECONDS: Final = 0.1
"""A lane that needs less than this is not helped by another: a request costs as much."""
HANG_SECONDS: Final = 5.0
"""A lane that would keep idle ones waiting longer is closed; each time the patience doubles."""
SLOW_SHARE: Final = 0.25
RECENT_SECONDS: Final = 5.0
STRIKES: Final = 3
"""Failures of lanes without PROGRESS_BYTES between them, times the lanes there may be, that end the try."""

_FINAL: Final = frozenset(
    {
        Reason.SOURCE_CHANGED, Reason.PROTOCOL_VIOLATION, Reason.SOURCE_TLS_INVALID, Reason.ADDRESS_FORBIDDEN,
        Reason.REDIRECT_REFUSED, Reason.SOURCE_TOO_LARGE, Reason.SOURCE_NOT_MEDIA, Reason.SOURCE_EMPTY,
    }
)  # fmt: skip
"""What no other lane's progress excuses."""
_LOST: Final = frozenset({Reason.SOURCE_NOT_FOUND, Reason.SOURCE_ACCESS_DENIED})


@dataclass(frozen=True, slots=True)
class Start:
    """Where a mirror's first response leads: its source, and whether the sink has its first bytes already."""

    source: Source
    answer: Answer
    begun: bool


class Engine:
    """Fetches the rest of one representation from one mirror; `spans` outlive it in the transfer."""

    def __init__(self, transfer: Transfer, mirror: Mirror, spans: Spans, start: Start) -> None:
        self.transfer = transfer
        self.mirror = mirror
        self.source = start.source
        self.where = shown(mirror.url)
        self._spans = spans
        self._start = start
        self._begun = start.begun
        self._wrong = False
        self._lanes: dict[int, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = 0
        self._idle = 0
        self._strikes = 0
        self._progress = 0
        self._gained = False
        self._patience = HANG_SECONDS
        self._handed_at = self._heard_at = time.monotonic()
        loop = asyncio.get_running_loop()
        self._news: asyncio.Future[None] = loop.create_future()
        self._end: asyncio.Future[None] = loop.create_future()

    async def run(self, opened: Opened) -> None:
        """Fetches until the sink has all. Raises SourceError when no lane gets on, WorkError when the sink fails."""
        try:
            self._open_lane(opened)
            self._guard(self._supervise())
            self._guard(self._pump(), last=True)
            await self._end
            # The last bytes of each lane have not been waited for yet.
            await asyncio.sleep(self.transfer.brake.delay(0, time.monotonic()))
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._end.done() and not self._end.cancelled():
                self._end.exception()  # looked at: what ended the whole may be a stop that came first
            await self._flush()

    # What lanes ask for and tell.

    def request(self, lane: Lane, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Answer]:
        """A request to where the mirror's redirects led; its secrets go to its own origin only."""
        url = lane.target = self.mirror.landing or self.mirror.url
        own = url == self.mirror.url or parsed_url(url).origin() == parsed_url(self.mirror.url).origin()
        return self.transfer.client.request(url, headers, authorized=own)

    def answered(self, answer: Answer) -> None:
        """Counts a response, and notes where the redirects led."""
        self.transfer.metrics.add(REQUESTS, status=f"{answer.status // 100}xx")
        self.landed(answer)

    def landed(self, answer: Answer) -> None:
        """Notes where the redirects led: the next requests spare them, and meet the same server."""
        if answer.status == 206 and str(answer.url) != self.mirror.url:
            self.mirror.landing = str(answer.url)

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """While a body comes in, its connection counts."""
        self.transfer.meter.connections += 1
        try:
            yield
        finally:
            self.transfer.meter.connections -= 1

    def received(self, span: Span, block: bytes, now: float) -> float:
        """Takes bytes of a span; seconds to wait for the sake of the bandwidth limit."""
        used = self._spans.receive(span, block)
        self.transfer.received(self.mirror, len(block))
        self.transfer.wasted(len(block) - used)
        self._heard_at = now
        self._progress += used
        self._gained = True
        if self._progress >= PROGRESS_BYTES:
            self._strikes = self._progress = 0
        self._tell()
        return self.transfer.brake.delay(len(block), now)

    def free(self, span: Span) -> None:
        """A lane is done with a span: what is missing of it is anybody's."""
        self._spans.release(span)
        self._tell()

    async def next(self, lane: Lane) -> Span | None:
        """The next span for a lane, once there is one; None when there are more lanes than allowed."""
        while len(self._lanes) <= self.mirror.ramp.limit:
            span = self._assign(lane)
            if span is not None:
                return span
            self._idle += 1
            try:
                await self._wait(TICK_SECONDS)
            finally:
                self._idle -= 1
        return None

    async def tolerates(self, lane: Lane, error: SourceError) -> bool:
        """Whether the lane may go on, after a pause; otherwise it is one too many. Raises the error if it ends all."""
        now = time.monotonic()
        if error.reason in _FINAL and not isinstance(error, RangesIgnoredError):
            raise error
        if lane.target != self.mirror.url and error.reason in _LOST:
            if self.mirror.landing == lane.target:
                self.mirror.landing = None  # an address that was given for a while: ask for a new one
            return True
        working = sum(_works(other, now) for other in self._lanes.values() if other is not lane)
        if error.reason in _LOST and self._gained:
            working, self._gained = max(1, working), False  # it had the file a moment ago: one of several servers
        self._strikes += 1
        if not working or self._strikes > STRIKES * self.mirror.ramp.most:
            raise error
        self.transfer.metrics.add(RETRIES)
        log("debug", "a connection failed", reason=error.reason.value, others=working)
        if not lane.heard:
            self.mirror.ramp.refuse(working, now, error.retry_after)
            return False
        lane.failures += 1
        lane.pausing = True
        await asyncio.sleep(jittered(lane.failures))
        lane.pausing = False
        return True

    # Lanes.

    def _assign(self, lane: Lane) -> Span | None:
        now, spans = time.monotonic(), self._spans
        size = chunk_bytes(self._length, spans.window, self.mirror.ramp.limit, lane.speed(now))
        span = spans.claim(lane.number, size)
        if span is not None or spans.ready >= BLOCK_BYTES:
            return span  # without one: it is the sink that is behind, not another lane
        victim = spans.slowest(lambda item: self._seconds(item, now))
        if victim is None or victim.left < 2 * LEAST_BYTES or self._seconds(victim, now) < SHARE_SECONDS:
            return None
        return spans.split(victim, lane.number)

    @property
    def _length(self) -> int:
        return self._spans.length

    def _seconds(self, span: Span, now: float) -> float:
        """How long a span will take; 0 when that cannot be said yet."""
        lane = None if span.lane is None else self._lanes.get(span.lane)
        speed = None if lane is None or lane.pausing else lane.speed(now)
        if speed is None:
            return 0.0
        return span.left / speed if speed > 0 else float("inf")

    def _open_lane(self, opened: Opened | None) -> None:
        lane = Lane(self, self._numbers)  # the first is number 0, as its span says already
        self._numbers += 1
        self._lanes[lane.number] = lane
        task = self._guard(lane.run(opened))
        task.add_done_callback(lambda _: self._lanes.pop(lane.number, None))
        lane.close = task.cancel

    def _guard(self, work: Coroutine[Any, Any, None], *, last: bool = False) -> asyncio.Task[None]:
        """A task whose failure ends the whole, and whose success does so if it is the `last`."""

        async def guarded() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001 - whoever waits for the end raises it
                if not self._end.done():
                    self._end.set_exception(error)
            else:
                if last and not self._end.done():
                    self._end.set_result(None)

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # stopped before it began, it was never awaited
        return task

    # The supervisor.

    async def _supervise(self) -> None:
        tick, worked, cpu, at = FIRST_TICK_SECONDS, self.transfer.worked, time.thread_time(), time.monotonic()
        ramp = self.mirror.ramp
        while True:
            await asyncio.sleep(tick)
            now = time.monotonic()
            spent = max(time.thread_time() - cpu, self.transfer.worked - worked)
            ramp.grow(now, spent / max(now - at, 0.001))
            worked, cpu, at = self.transfer.worked, time.thread_time(), now
            if self._spans.missing is not None or self._helpable(now):
                while len(self._lanes) < ramp.limit:
                    self._open_lane(None)
            self._close_hanging(now)
            tick = FIRST_TICK_SECONDS if ramp.growing else TICK_SECONDS

    def _helpable(self, now: float) -> bool:
        victim = self._spans.slowest(lambda item: self._seconds(item, now))
        return victim is not None and victim.left >= 2 * LEAST_BYTES and self._seconds(victim, now) >= SHARE_SECONDS

    def _close_hanging(self, now: float) -> None:
        """Closes lanes that keep idle ones waiting for long; others take what is left of their spans.

        Only those that asked while bytes came, and are far slower than another was: where all are slow or silent nothing
        is won, and the silence is the stall timeout's to judge.
        """
        if not self._idle:
            return
        slow = (span for span in self._spans.under_way if self._seconds(span, now) >= self._patience)
        lanes = [lane for lane in (self._lanes.get(span.lane or 0) for span in slow) if lane is not None]
        fastest = max((lane.last or 0.0 for lane in self._lanes.values()), default=0.0)
        hanging = [
            lane
            for lane in lanes
            if now - lane.asked_at >= self._patience
            and lane.asked_at - self._heard_at < RECENT_SECONDS
            and (lane.speed(now) or 0.0) < fastest * SLOW_SHARE
        ]
        if not hanging:
            return
        self._patience *= 2
        if not all(lane.heard for lane in hanging):
            self.mirror.ramp.refuse(len(self._lanes) - len(hanging), now, None)
        log("debug", "connections hang", count=len(hanging))
        for lane in hanging:
            self.transfer.metrics.add(RETRIES)
            lane.close()

    # The pump.

    async def _pump(self) -> None:
        while not self._spans.done:
            if self._due():
                await self._hand_over()
            elif not await self._wait(BLOCK_SECONDS) and self._begun:
                await self.transfer.settle()
                self.transfer.start(self.transfer.sink.write, [])  # nothing comes: what is held may be noted
        await self.transfer.settle()

    def _due(self) -> bool:
        ready = self._spans.ready
        if ready == self._length - self._spans.frontier:
            return True
        if not self._begun:
            return ready >= HEAD_BYTES
        return ready >= BLOCK_BYTES or (ready > 0 and time.monotonic() - self._handed_at >= BLOCK_SECONDS)

    async def _hand_over(self) -> None:
        if not self._begun:
            self._wrong = True  # until it is known what it is: then nothing of it may be handed over
            found = self.transfer.content_type(self._spans.head(HEAD_BYTES), self._start.answer)
            self._wrong = False
            await self.transfer.begin(self.source, found, self.mirror.name)
            self._begun = True
        await self.transfer.settle()
        self.transfer.start(self.transfer.sink.write, self._spans.take(BLOCK_BYTES))
        self._handed_at = time.monotonic()
        self._tell()

    async def _flush(self) -> None:
        """However it ended: what has come in order is good, and a resume goes on after it."""
        while not self._wrong and self._spans.ready and (self._begun or self._due()):
            await self._hand_over()
        await self.transfer.settle()

    # News: bytes that came or went, spans that became free.

    def _tell(self) -> None:
        if not self._news.done():
            self._news.set_result(None)

    async def _wait(self, seconds: float) -> bool:
        """Waits for news; whether there were any in time."""
        if self._news.done():
            self._news = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait({self._news}, timeout=seconds)
        return bool(done)


def _works(lane: Lane, now: float) -> bool:
    return lane.heard_at is not None and now - lane.heard_at < RECENT_SECONDS and not lane.pausing
