"""`python -m workers.transcode --order FILE`: see workers.common.worker for the arguments."""

import gc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from narwhal_operator.contract.order import TranscodeOrder
    from workers.common.context import Context, Result

COLLECTING_AFTER: Final = 1.0
"""Seconds from the order on: what the encode needs is loaded by then; where it is not, the rest loads slower, that is all."""


async def _run(order: "TranscodeOrder", context: "Context") -> "Result":
    import asyncio

    from workers.transcode.run import run  # late: an order that is not valid needs none of it

    asyncio.get_running_loop().call_later(COLLECTING_AFTER, _collect)
    return await run(order, context)


def _collect() -> None:
    gc.freeze()
    gc.enable()


if __name__ == "__main__":
    gc.disable()  # what imports make stays: to look through it again and again is a fifth of the start
    from workers.transcode import engine

    engine.ask()
    from narwhal_operator.contract import trust

    trust()
    from workers.common.worker import main

    main("TranscodingJob", _run)
