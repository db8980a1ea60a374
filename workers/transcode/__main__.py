"""`python -m workers.transcode --order FILE`: see workers.common.worker for the arguments."""

from narwhal_operator.contract.order import TranscodeOrder
from workers.common.context import Context, Result
from workers.common.worker import main


async def _run(order: TranscodeOrder, context: Context) -> Result:
    from workers.transcode.run import run  # late: an order that is not valid needs none of it

    return await run(order, context)


if __name__ == "__main__":
    main("TranscodingJob", _run)
