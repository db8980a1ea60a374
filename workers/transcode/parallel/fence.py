"""Keeps a pod of an earlier attempt, such as one on a node that was cut off, from writing beside a later one."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, Final

import msgspec

from narwhal_operator.contract.order import OrderHead
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.transcode.shelf import Shelf
from workers.transcode.tasks import stop

ORDER: Final = "order.json"
SECONDS: Final = 5.0
"""Between two looks: so long may two attempts write at once, each what plays as well."""


async def claim(shelf: Shelf, head: OrderHead) -> None:
    """Says whose this version is, before anything else is in it: a sweep goes by it."""
    await shelf.put(shelf.layout.order, about(head))


def about(head: OrderHead) -> bytes:
    """What a version says of whose it is."""
    found = {"uid": head.uid, "work": head.work_digest, "namespace": head.namespace, "name": head.name}
    return json.dumps({**found, "attempt": str(head.attempt)}).encode()


class Fence(msgspec.Struct, frozen=True):
    """The claim on a version, by which a pod knows that it is not the last any more."""

    shelf: Shelf
    head: OrderHead

    async def check(self) -> None:
        """Raises WorkError(Cancelled) when a later attempt has claimed the version."""
        text = await self.shelf.read(ORDER)
        try:
            found: Any = json.loads(text) if text else {}
            uid, attempt = found.get("uid"), int(found.get("attempt", 0))
        except (ValueError, AttributeError, TypeError):
            return  # cut: whoever wrote it writes it again
        if uid != self.head.uid or attempt <= self.head.attempt:
            return  # another resource of the same work makes the same: both may end
        message = f"Attempt {attempt} has taken over this version; attempt {self.head.attempt} stops."
        raise WorkError(Reason.CANCELLED, message)

    async def around(self, work: Coroutine[Any, Any, None]) -> None:
        """Does the work, and stops it once the version is a later attempt's."""
        working, watching = asyncio.create_task(work), asyncio.create_task(self._watch())
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            await (watching if watching.done() else working)
        finally:
            await stop([working, watching])

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(SECONDS)
            await self.check()
