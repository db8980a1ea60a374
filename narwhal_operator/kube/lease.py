"""Leadership: of the operators that run, one acts. The others wait for its Lease and do nothing else."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from narwhal_operator.core.lease import Json, Sight, Terms, may_take, released, seen, taken
from narwhal_operator.kube.client import Api
from narwhal_operator.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from narwhal_operator.kube.paths import collection, named

_log = structlog.get_logger()
KIND: Final = "Lease"


class LeadLostError(Exception):
    """The lead could not be renewed in time, or another has it: this process must not write any more."""


class Lease:
    """One candidate for one Lease."""

    def __init__(self, api: Api, namespace: str, name: str, terms: Terms, clock: Callable[[], datetime]) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._terms = terms
        self._clock = clock
        self._held: Json | None = None
        self._renewed = 0.0

    async def acquire(self) -> None:
        """Waits until the lead is ours. An API server that does not answer, or refuses, is asked again and again."""
        sight: Sight | None = None
        while self._held is None:
            try:
                record = await self._record()
                sight = seen(record, time.monotonic(), sight)
                if may_take(sight, self._terms, time.monotonic()):
                    await self._take(record)
                    continue
            except Conflict:
                continue  # another was quicker, or renewed: look again
            except ApiError as error:
                _log.warning("the lease cannot be had", lease=self._name, code=error.code, error=str(error))
            await asyncio.sleep(self._terms.period)
        _log.info("leading", lease=self._name, identity=self._terms.identity)

    async def hold(self) -> None:
        """Renews the lead for ever. Raises LeadLostError."""
        while True:
            await asyncio.sleep(self._terms.period)
            try:
                left = self._renewed + self._terms.deadline - time.monotonic()
                await asyncio.wait_for(self._renew(), max(0.0, left))
            except (ApiError, TimeoutError) as error:
                _log.warning("the lease was not renewed", lease=self._name, error=f"{type(error).__name__}: {error}")
            if time.monotonic() - self._renewed >= self._terms.deadline:
                raise LeadLostError(f"lease {self._name} was not renewed for {self._terms.deadline:.0f} s")

    async def release(self) -> None:
        """Gives the lead up, so that nobody has to wait for it to run out. Whatever stands against it is no matter."""
        if self._held is None:
            return
        try:
            await asyncio.wait_for(self._release(self._held), self._terms.period)
        except (ApiError, TimeoutError) as error:
            _log.info("the lease was not released; it runs out", error=f"{type(error).__name__}: {error}")

    async def _release(self, held: Json) -> None:
        self._held = None
        try:
            await self._api.replace(self._path, released(held))
        except Conflict:  # a renewal was under way when the work ended
            record = await self._record()
            if (record.get("spec") or {}).get("holderIdentity") == self._terms.identity:
                await self._api.replace(self._path, released(record))

    async def _renew(self) -> None:
        try:
            await self._take(self._held or {})
        except Conflict:
            record = await self._record()
            holder = (record.get("spec") or {}).get("holderIdentity")
            if holder != self._terms.identity:
                self._held = None
                raise LeadLostError(f"lease {self._name} is held by {holder or 'nobody'}") from None
            await self._take(record)

    async def _take(self, record: Json) -> None:
        began = time.monotonic()
        wanted = taken(record, self._terms, self._clock())
        answer = await self._api.replace(self._path, wanted)
        version = answer["metadata"]["resourceVersion"]
        self._held = {**wanted, "metadata": {**wanted["metadata"], "resourceVersion": version}}
        self._renewed = began

    async def _record(self) -> Json:
        """The record; made where there is none."""
        try:
            return await self._api.get(self._path)
        except NotFound:
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": KIND, "metadata": {"name": self._name}}
            try:
                await self._api.create(collection(KIND, self._namespace), body)
            except AlreadyExists:
                _log.info("another made the lease first", lease=self._name)
            return await self._api.get(self._path)

    @property
    def _path(self) -> str:
        return named(KIND, self._namespace, self._name)
