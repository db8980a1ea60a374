"""The slow look at everything: what a lost event would have told. Also the first look, before any pass is made."""

import asyncio
from dataclasses import dataclass, field

import structlog

from narwhal_operator.admission import Admission
from narwhal_operator.core import labels
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
        told = None if self.ready.is_set() else self.admission
        for namespace in self.namespaces or (None,):
            selector = {"labelSelector": f"{labels.UID},app.kubernetes.io/managed-by={labels.MANAGER}"}
            async for raw in each(self.api, collection("Job", namespace), selector):
                if told is not None:
                    told.recall_job(raw)
                for key in self.hints.job(raw):
                    self.queue.add(key)
            for kind in PLURALS:
                async for raw in each(self.api, collection(kind, namespace), {}):
                    if told is not None:
                        told.recall(raw | {"kind": kind})
                    for key, _ in self.hints.resource(raw | {"kind": kind}, again=True):
                        self.queue.add(key)
        if told is not None:
            told.recalled()
