"""`python -m workers.transcode --order FILE`: see workers.common.worker for the arguments."""

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from narwhal_operator.contract.order import TranscodeOrder
    from workers.common.context import Context, Result


async def _run(order: "TranscodeOrder", context: "Context") -> "Result":
    from workers.transcode.run import run  # late: an order that is not valid needs none of it

    gc.freeze()
    gc.enable()
    return await run(order, context)


if __name__ == "__main__":
    gc.disable()  # what imports make stays: to look through it again and again is a fifth of the start
    from workers.transcode import engine

    engine.ask()
    from workers.common.worker import main

    main("TranscodingJob", _run)
