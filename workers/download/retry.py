"""When to try again within one attempt of the operator, and how long to wait before."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from narwhal_operator.contract.outcome import TABLE, Class, Reason, WorkError
from workers.download.rules import SourceError

T = TypeVar("T")

TRIES: Final = 5
"""Tries in a row without progress, of the only mirror."""
TRIES_WITH_MIRRORS: Final = 3
"""The same where another mirror waits."""
PROGRESS_BYTES: Final = 1024 * 1024
"""New bytes that make a broken connection count as progress; fewer would let a trickle go on for ever."""
FIRST_SECONDS: Final = 0.5
MOST_SECONDS: Final = 15.0
WAIT_LIMIT_SECONDS: Final = 300.0
"""Longest wait that is worth a pod; a server that asks for more is left to the operator's backoff."""

_HOPE: Final = {Class.RETRY: 0, Class.USER: 1, Class.TERMINAL: 2}


@dataclass(frozen=True, slots=True)
class Failure:
    """How a mirror failed."""

    mirror: str
    error: WorkError


def of_source(reason: Reason) -> bool:
    """Whether the reason is the source's: then another mirror may do better."""
    return TABLE[reason].code in range(30, 50)


def again(reason: Reason) -> bool:
    """Whether the same mirror may do better in a moment."""
    return of_source(reason) and TABLE[reason].cls is Class.RETRY


def pause(tries: int, chance: float, asked: float | None) -> float:
    """Seconds before try number `tries` + 1: doubling with jitter (`chance` in 0 to 1), at least what was asked."""
    most = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** max(0, tries - 1))
    return max(most * (0.5 + chance / 2), asked or 0.0)


def jittered(tries: int, asked: float | None = None) -> float:
    """`pause` with chance thrown for it."""
    return pause(tries, random.random(), asked)  # noqa: S311 - spreads retries in time; nobody gains from guessing it


async def insist(work: Callable[[], Awaitable[T]]) -> T:
    """Does the work again after a failure of the source that may pass, TRIES times at most. Raises what it raised last."""
    tried = 0
    while True:
        try:
            return await work()
        except SourceError as error:
            tried += 1
            if not again(error.reason) or tried >= TRIES:
                raise
            await asyncio.sleep(jittered(tried, error.retry_after))


def worst(failures: Sequence[Failure]) -> WorkError:
    """The error to end with when every mirror failed: the one with the most hope, the others as evidence."""
    chosen = min(failures, key=lambda failure: _HOPE.get(TABLE[failure.error.reason].cls, 3)).error
    if len(failures) == 1:
        return chosen
    lines = [f"{failure.mirror}: {failure.error}" for failure in failures]
    message = f"None of {len(failures)} mirrors served the file. {chosen.message}"
    return WorkError(chosen.reason, message, evidence="\n".join(lines))
