"""The slow look at everything: what a lost event would have told. Also the first look, before any pass is made."""

import asyncio
from dataclasses import dataclass, field

import structlog

from narwhal_operator.admission import Admission
from narwhal_operator.core import labels
from narwhal_operator.ears import Ears
from narwhal_operator.hints import Hints
from narwhal_operator.kube.client import Api, each
from narwhal_operator.kube.errors import ApiError
from narwhal_operator.kube.paths import PLURALS, collection
from narwhal_operator.queue import WorkQueue

_FIRST_RETRY = 1.0
"""Seconds between tries of the first look: the CRDs may not be there yet, or the API server."""
_log = structlog.get_logger()


@dataclass(slots=True)
class Resync:
    """Lists what is ours and queues what is not settled."""

    api: Api
    queue: WorkQueue
    hints: Hints
    namespaces: tuple[str, ...]  # empty: all
    period: float  # seconds
    admission: Admission | None = None  # told of the first look
    ears: Ears = field(default_factory=lambda: Ears(420))  # told of what later looks find that no event has told
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def first(self) -> None:
        """Look until it works. Jobs first: a pass must know those whose creation was not written down any more."""
        while not self.ready.is_set():
            try:
                await self.once()
                self.ready.set()
            except ApiError as error:
                _log.warning("the first look failed", code=error.code, error=str(error))
                await asyncio.sleep(_FIRST_RETRY)

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(self.period)
            try:
                await self.once()
            except ApiError as error:
                _log.warning("the slow look failed; the next one comes", code=error.code, error=str(error))

    async def once(self) -> None:
        """One look at everything."""
        first = not self.ready.is_set()
        for namespace in self.namespaces or (None,):
            await self._jobs(namespace, first=first)
            for kind in PLURALS:
                await self._resources(kind, namespace, first=first)
        if first and self.admission is not None:
            self.admission.recalled()

    async def _jobs(self, namespace: str | None, *, first: bool) -> None:
        selector = {"labelSelector": f"{labels.UID},app.kubernetes.io/managed-by={labels.MANAGER}"}
        async for raw in each(self.api, collection("Job", namespace), selector):
            if first and self.admission is not None:
                self.admission.recall_job(raw)
            for key in self.hints.job(raw):
                self.queue.add(key)
                if not first:
                    self.ears.missed("Job")

    async def _resources(self, kind: str, namespace: str | None, *, first: bool) -> None:
        async for raw in each(self.api, collection(kind, namespace), {}):
            found = raw | {"kind": kind}
            if first and self.admission is not None:
                self.admission.recall(found)
            if not first and not self.hints.knows(found):
                self.ears.missed(kind)
            for key, _ in self.hints.resource(found, again=True):
                self.queue.add(key)
