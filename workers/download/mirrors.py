"""Mirrors in order, each tried again while there is hope, within one attempt of the operator."""

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.log import log
from workers.download.client import shown
from workers.download.retry import (
    PROGRESS_BYTES,
    TRIES,
    TRIES_WITH_MIRRORS,
    WAIT_LIMIT_SECONDS,
    Failure,
    again,
    of_source,
    pause,
    worst,
)
from workers.download.rules import SourceError
from workers.download.transfer import FAILURES, Transfer

_DISTRUSTED: Final = frozenset({Reason.SOURCE_CHANGED, Reason.PROTOCOL_VIOLATION, Reason.CHECKSUM_MISMATCH})
"""After these not one byte of what is held may be what a later try goes on from."""


async def fetch_any(transfer: Transfer, urls: Sequence[str]) -> str:
    """Fetches from the first mirror that serves the whole and right file; its URL. Raises WorkError.

    An error that is not the source's (the store, the order) ends it at once: another mirror would not help.
    """
    failures: list[Failure] = []
    tries = TRIES if len(urls) == 1 else TRIES_WITH_MIRRORS
    for url in urls:
        try:
            await _fetch(transfer, url, tries)
        except WorkError as error:
            if not of_source(error.reason) and not isinstance(error, SourceError):
                raise
            failures.append(Failure(shown(url), error))
            log("warning", "a mirror failed", mirror=shown(url), reason=error.reason.value)
        else:
            return url
    raise worst(failures)


async def _fetch(transfer: Transfer, url: str, tries: int) -> None:
    tried = 0
    most = transfer.sink.have
    while True:
        try:
            await transfer.fetch(url)
            transfer.sink.digests.check(shown(url))
        except WorkError as error:
            if of_source(error.reason):
                transfer.metrics.add(FAILURES, reason=error.reason.value)
            reached = transfer.sink.have
            if error.reason in _DISTRUSTED:
                await transfer.give_up()
            # Progress is what is beyond all tries before: starting anew over and over would be endless.
            tried = 1 if reached - most >= PROGRESS_BYTES else tried + 1
            most = max(most, reached)
            if not again(error.reason) or tried >= tries:
                raise
            await _wait(error, tried)
        else:
            return


async def _wait(error: WorkError, tried: int) -> None:
    asked = error.retry_after if isinstance(error, SourceError) else None
    if asked is not None and asked > WAIT_LIMIT_SECONDS:
        raise SourceError(error.reason, f"{error.message} It asks to wait {asked:.0f} s (Retry-After).")
    seconds = pause(tried, random.random(), asked)  # noqa: S311 - jitter, no secret
    log("info", "trying again", reason=error.reason.value, tried=tried, wait=round(seconds, 1))
    await asyncio.sleep(seconds)
