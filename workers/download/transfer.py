"""What all that fetch into one sink share: the hand-over to the sink's thread, the limits, the counts."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from narwhal_operator.contract.outcome import Reason
from workers.common.metrics import Counter, Metrics
from workers.download.client import Answer, Client
from workers.download.health import Mirror
from workers.download.meter import Brake, Meter
from workers.download.rules import Source, SourceError, one
from workers.download.sink import Sink
from workers.download.sniff import media_type, refuse_page
from workers.download.spans import Spans

T = TypeVar("T")

BLOCK_BYTES: Final = 2 * 1024 * 1024
"""Bytes handed to the sink at once: few enough to hold two of, many enough that the hand-over costs nothing."""
BLOCK_SECONDS: Final = 0.25
"""Longest time bytes of a slow source are held back from the sink."""

BYTES: Final = Counter("narwhal_download_received_bytes", "Bytes received from sources.")
REFETCHED: Final = Counter("narwhal_download_refetched_bytes", "Bytes that must be fetched again.")
REQUESTS: Final = Counter("narwhal_download_requests", "Requests to sources by class of status.", ("status",))
FAILURES: Final = Counter("narwhal_download_failures", "Failed tries by reason.", ("reason",))
RETRIES: Final = Counter("narwhal_download_connection_retries", "Connections that failed while others went on.")
SWITCHES: Final = Counter("narwhal_download_mirror_switches", "Changes to another mirror by cause.", ("cause",))


@dataclass(frozen=True, slots=True)
class Demand:
    """What the order asks of the content and of the way to it.

    `proven` says that a digest will tell wrong bytes from right ones; `media` that a page is not what is meant;
    `connections` is the most there may be.
    """

    key: str
    max_bytes: int | None = None
    proven: bool = False
    media: bool = True
    connections: int = 1


@dataclass(slots=True)
class Transfer:
    """The state of fetching into one sink.

    `spans` are bytes that lanes brought and the sink has not, or asked for; `givers` the mirrors (by digest of their
    URL) whose bytes are in either.
    """

    client: Client
    sink: Sink
    demand: Demand
    brake: Brake
    meter: Meter = field(default_factory=Meter)
    metrics: Metrics = field(default_factory=Metrics)
    spans: Spans | None = None
    givers: set[str] = field(default_factory=set)
    worked: float = 0.0
    _busy: "asyncio.Future[Any] | None" = None

    @property
    def reached(self) -> int:
        """Bytes that need not be fetched again, unless what they are bytes of changes."""
        return self.sink.have + (self.spans.held if self.spans else 0)

    async def call(self, work: Callable[..., T], *args: Any) -> T:
        """Has the sink's thread do something, after all it was given before. Raises what an earlier write raised."""
        await self.settle()
        future = self.start(work, *args)
        await self.settle()
        return future.result()

    async def settle(self) -> None:
        """Waits until the sink's thread is done. Raises what it raised, and goes on raising it.

        A stop does not stop the thread: it is still waited for by the next caller, so that no two are in the sink.
        """
        if self._busy is not None:
            await asyncio.shield(self._busy)
            self._busy = None

    def start(self, work: Callable[..., T], *args: Any) -> "asyncio.Future[T]":
        """Gives the sink's thread, which must be settled, something to do; `worked` sums up the seconds it takes."""

        def timed() -> T:
            began = time.monotonic()
            try:
                return work(*args)
            finally:
                self.worked += time.monotonic() - began

        future = asyncio.get_running_loop().run_in_executor(None, timed)
        self._busy = future
        return future

    def received(self, mirror: Mirror, count: int) -> None:
        """Counts bytes that came from a mirror."""
        mirror.bytes += count
        self.givers.add(mirror.name)
        self.metrics.add(BYTES, count)

    def wasted(self, count: int) -> None:
        """Counts bytes that are to be fetched again."""
        if count:
            self.meter.refetched += count
            self.metrics.add(REFETCHED, count)

    def drop_spans(self) -> None:
        """Gives up what the sink does not have yet."""
        if self.spans is not None:
            self.wasted(self.spans.held)
            self.spans = None

    async def give_up(self) -> None:
        """Gives up all that is held: it is to be fetched again."""
        self.drop_spans()
        await self.settle()
        self.wasted(self.sink.have)
        await self.call(self.sink.discard)
        self.givers.clear()

    def check_size(self, where: str, size: int | None) -> None:
        """Raises SourceError when a file of this size, as far as it is known, is none or too large."""
        if size == 0:
            raise SourceError(Reason.SOURCE_EMPTY, f"{where} has 0 bytes; correct the URL.")
        limit = self.demand.max_bytes
        if size is not None and limit is not None and size > limit:
            raise SourceError(
                Reason.SOURCE_TOO_LARGE,
                f"{where} has {size} bytes or more, over spec.maxBytes ({limit}); raise it in a new DownloadJob.",
            )

    def content_type(self, head: bytes, answer: Answer) -> str:
        """The media type by the first bytes. Raises WorkError(SourceNotMedia) when they are a page and media is meant."""
        declared = one(answer.headers, "content-type")
        if self.demand.media:
            refuse_page(head, declared, self.demand.key, answer.where)
        return media_type(head, declared, self.demand.key)

    async def begin(self, source: Source, content_type: str, giver: str) -> None:
        """Starts the sink anew with what a mirror gives; counts what is given up."""
        await self.settle()
        self.wasted(self.sink.have)
        self.givers = {giver}
        await self.call(self.sink.begin, source, content_type)
        self.meter.total = source.length
