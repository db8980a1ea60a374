"""`python -m workers.download --order FILE`: see workers.common.worker for the arguments."""

from narwhal_operator.contract.order import DownloadOrder
from workers.common.context import Context, Result
from workers.common.worker import main


async def _run(order: DownloadOrder, context: Context) -> Result:
    from workers.download.run import run  # late: an order that is not valid needs none of it

    return await run(order, context)


if __name__ == "__main__":
    main("DownloadJob", _run)
