"""`python -m workers.download --order FILE`: see workers.common.worker for the arguments."""

from typing import TYPE_CHECKING

from narwhal_operator.contract import trust

if TYPE_CHECKING:
    from narwhal_operator.contract.order import DownloadOrder
    from workers.common.context import Context, Result


async def _run(order: "DownloadOrder", context: "Context") -> "Result":
    from workers.download.run import run  # late: an order that is not valid needs none of it

    return await run(order, context)


if __name__ == "__main__":
    trust()
    from workers.common.worker import main

    main("DownloadJob", _run)
