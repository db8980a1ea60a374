"""Mirrors by health and speed, each tried again while there is hope, within one attempt of the operator.

Bytes of several mirrors meet in one file only when a digest is wanted, which then judges the mixture. When it does not
fit, all are fetched again from one mirror alone, and then another: so each is judged by what it sends itself.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.log import log
from workers.download.client import shown
from workers.download.fetch import fetch
from workers.download.health import TRIAL_SECONDS, Mirror, better, choose, untried
from workers.download.ramp import Ramp
from workers.download.retry import (
    PROGRESS_BYTES,
    TRIES,
    TRIES_WITH_MIRRORS,
    WAIT_LIMIT_SECONDS,
    Failure,
    again,
    jittered,
    of_source,
    worst,
)
from workers.download.rules import SourceError
from workers.download.transfer import FAILURES, SWITCHES, Transfer

WATCH_SECONDS: Final = 0.5
_DISTRUSTED: Final = frozenset({Reason.SOURCE_CHANGED, Reason.PROTOCOL_VIOLATION, Reason.CHECKSUM_MISMATCH})
"""After these not one byte of the mirror's may be what a later try goes on from."""


async def fetch_any(transfer: Transfer, urls: Sequence[str]) -> str:
    """Fetches the whole and right file from the mirrors; the URL of the last of them. Raises WorkError.

    An error that is not the source's (the store, the order) ends it at once: another mirror would not help.
    """
    return await _Round(transfer, urls).run()


class _LeftError(Exception):
    """The active mirror is left for a faster one."""


class _Round:
    """The mirrors of one attempt: `mixing` while bytes of several may meet."""

    def __init__(self, transfer: Transfer, urls: Sequence[str]) -> None:
        self._transfer = transfer
        self._mirrors = [Mirror(url, place) for place, url in enumerate(dict.fromkeys(urls))]
        self._mixing = transfer.demand.proven and len(self._mirrors) > 1
        self._tries = TRIES if len(self._mirrors) == 1 else TRIES_WITH_MIRRORS
        self._most = transfer.sink.have
        self._faster: Mirror | None = None
        self._known: Mirror | None = None  # while another is on trial
        transfer.meter.mirrors = self._mirrors
        source = transfer.sink.source
        if source is not None:
            # What an earlier process left may be of several mirrors: only a single one can be blamed for it.
            transfer.givers = {source.url} if len(self._mirrors) == 1 else {source.url, ""}

    async def run(self) -> str:
        """The whole and right file; the URL it came from last."""
        active: Mirror | None = None
        cause = ""
        while True:
            active = await self._turn_to(self._next(active), active, cause)
            try:
                await self._fetch(active)
                self._transfer.sink.digests.check(shown(active.url))
            except _LeftError:
                cause = "speed"
            except WorkError as error:
                cause = "checksum" if error.reason is Reason.CHECKSUM_MISMATCH else "failure"
                await self._failed(active, error)
            else:
                return active.url

    def _next(self, active: Mirror | None) -> Mirror:
        faster, self._faster = self._faster, None
        if faster is not None:
            return faster
        source = self._transfer.sink.source
        held = next((mirror for mirror in self._mirrors if source and mirror.name == source.url), active)
        found = choose(self._mirrors, time.monotonic(), held, mixing=self._mixing)
        if found is None:
            raise worst([Failure(shown(mirror.url), mirror.error) for mirror in self._mirrors if mirror.error])
        return found

    async def _turn_to(self, mirror: Mirror, before: Mirror | None, cause: str) -> Mirror:
        if before is not None and before is not mirror:
            self._transfer.metrics.add(SWITCHES, cause=cause)
            log("warning", "another mirror", mirror=shown(mirror.url), before=shown(before.url), cause=cause)
            if before.state == "Active":
                before.leave("Standby")
        await asyncio.sleep(max(0.0, mirror.ready_at - time.monotonic()))
        mirror.enter(time.monotonic())
        self._transfer.meter.mirror = mirror.host
        return mirror

    async def _fetch(self, mirror: Mirror) -> None:
        """Fetches from a mirror for as long as no other is known to be clearly better."""
        task = asyncio.create_task(fetch(self._transfer, mirror, mixing=self._mixing))
        try:
            while not (await asyncio.wait({task}, timeout=WATCH_SECONDS))[0]:
                now = time.monotonic()
                mirror.note(now)
                self._faster = self._better(mirror, now)
                if self._faster is not None:
                    raise _LeftError
            mirror.note(time.monotonic())
            task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _better(self, mirror: Mirror, now: float) -> Mirror | None:
        """The mirror to go on with instead, if there is one; where bytes may meet, each has its turn to show its rate."""
        known, source = self._known, self._transfer.sink.source
        if known is not None and mirror.entered(now) >= TRIAL_SECONDS:
            self._known = None
            if known.hopeful and (mirror.shown or 0.0) < (known.shown or 0.0):
                return known
        if known is None and self._mixing and source is not None and source.length is not None:
            found = untried(self._mirrors, mirror, now, source.length - self._transfer.sink.have)
            if found is not None:
                self._known = mirror
                return found
        length = None if self._mixing or source is None else source.length
        left = None if length is None else length - self._transfer.sink.have
        return better(self._mirrors, mirror, now, left, length)

    async def _failed(self, mirror: Mirror, error: WorkError) -> None:
        """Judges a failure: what is given up, whether the mirror is asked again, and when. Raises what is not its own."""
        if not of_source(error.reason) and not isinstance(error, SourceError):
            raise error
        self._known = None
        if error.reason is not Reason.SOURCE_RATE_LIMITED:
            mirror.ramp = Ramp()  # it was more than one connection too many
        reached = self._transfer.reached
        mirror.failures += 1
        mirror.error = error
        if of_source(error.reason):
            self._transfer.metrics.add(FAILURES, reason=error.reason.value)
        # Progress is what is beyond all tries before: starting anew over and over would be endless.
        mirror.tried = 1 if reached - self._most >= PROGRESS_BYTES else mirror.tried + 1
        self._most = max(self._most, reached)
        if error.reason in _DISTRUSTED:
            await self._distrust(mirror, error.reason)
        elif not again(error.reason):
            mirror.leave("Failed")
        if mirror.hopeful and mirror.tried >= self._tries:
            mirror.leave("Failed")
        if mirror.hopeful:
            self._put_off(mirror, error)
        else:
            log("warning", "a mirror failed", mirror=shown(mirror.url), reason=error.reason.value)

    async def _distrust(self, mirror: Mirror, reason: Reason) -> None:
        """Gives up the bytes a mirror may have spoilt; the mirror too, when the wrong digest is its own alone."""
        givers = set(self._transfer.givers)
        if reason is Reason.CHECKSUM_MISMATCH:
            if givers <= {mirror.name}:
                mirror.leave("Banned")
            self._mixing = False
        elif reason is Reason.SOURCE_CHANGED and mirror.name not in givers:
            self._mixing = False  # it has another file than the bytes held are of: one of the two is wrong
        elif reason is Reason.PROTOCOL_VIOLATION or mirror.tried > 1:
            mirror.single = True  # one response is of one version, whatever stands behind the address
        if mirror.name in givers or reason is Reason.CHECKSUM_MISMATCH:
            await self._transfer.give_up()

    def _put_off(self, mirror: Mirror, error: WorkError) -> None:
        """Notes when the mirror may be asked again; gives it up when it asks for too long a wait."""
        asked = error.retry_after if isinstance(error, SourceError) else None
        if asked is not None and asked > WAIT_LIMIT_SECONDS:
            mirror.error = SourceError(error.reason, f"{error.message} It asks to wait {asked:.0f} s (Retry-After).")
            mirror.leave("Failed")
            return
        seconds = jittered(mirror.tried, asked)
        mirror.ready_at = time.monotonic() + seconds
        log("info", "trying again", reason=error.reason.value, tried=mirror.tried, wait=round(seconds, 1))
