"""Work side by side, and an end to it that leaves nothing running."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def together(*work: Coroutine[Any, Any, Any]) -> None:
    """Runs all at once; the first that fails stops the others and is raised as it is."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        await stop(tasks)


async def stop(tasks: "Iterable[asyncio.Task[Any]]") -> None:
    """Cancels what runs and waits until all of it has tidied up."""
    tasks = list(tasks)
    for task in tasks:
        if not task.cancelling():  # asked twice, a task would be torn out of its own tidying up
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
