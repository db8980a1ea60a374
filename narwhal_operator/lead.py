"""The life of an operator that may have to wait: first the Lease, then the work, as long as the Lease is held."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from narwhal_operator import metrics
from narwhal_operator.kube.lease import Lease


class Lead:
    """Whether this process acts, or waits for its turn."""

    def __init__(self) -> None:
        self.waiting = False

    async def work(self, lease: Lease | None, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Does the work once the lease is ours, until it ends or the lease is lost. Raises LeadLostError.

        Told to stop while it waits, it returns: nothing was begun. Told to stop while it works, the work ends by itself,
        and the lease is given up only then.
        """
        if lease is None:
            metrics.LEADING.set(1)
            await work()
            return
        try:
            if await self._wait(lease.acquire()):
                metrics.LEADING.set(1)
                await until_one_ends([asyncio.create_task(work()), asyncio.create_task(lease.hold())])
        finally:
            metrics.LEADING.set(0)
            await lease.release()

    async def _wait(self, acquired: Coroutine[Any, Any, None]) -> bool:
        """Whether the lease came before the word to stop."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self.waiting = True
        try:
            await until_one_ends([asyncio.create_task(acquired), asyncio.create_task(_set(stop))])
        finally:
            self.waiting = False
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
        return not stop.is_set()


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def until_one_ends(tasks: "Iterable[asyncio.Task[Any]]") -> None:
    """Waits for the first to end, stops the others, and raises what it raised."""
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    for task in done:
        task.result()
