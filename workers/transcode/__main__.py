"""`python -m workers.transcode --order FILE`: see workers.common.worker for the arguments."""

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from narwhal_operator.contract.order import TranscodeOrder
    from workers.common.context import Context, Result

LOADING_SECONDS = 1.0
"""From the order to when all is loaded that the encode needs."""


async def _run(order: "TranscodeOrder", context: "Context") -> "Result":
    import asyncio

    from workers.transcode.run import run  # late: an order that is not valid needs none of it

    asyncio.get_running_loop().call_later(LOADING_SECONDS, _loaded)
    return await run(order, context)


def _loaded() -> None:
    gc.freeze()
    gc.enable()


if __name__ == "__main__":
    gc.disable()  # what imports make stays: to look through it again and again is a fifth of the start
    from workers.transcode import engine

    engine.ask()
    from workers.common.worker import main

    main("TranscodingJob", _run)
