"""`narwhal watch`: looks again and again, and shows what has changed, until all it is about has ended."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.live import Live

from narwhal_cli.cluster.board import table_of
from narwhal_cli.cluster.link import Link
from narwhal_cli.cluster.names import ClusterError, Target
from narwhal_cli.cluster.rows import Row, ordered, row_of
from narwhal_operator.contract.reasons import Reason
from narwhal_operator.kube.paths import PLURALS

PERIOD: Final = 2.0
"""Seconds between two looks: statuses are written no oftener."""
_SHARE: Final = 10
"""A look that took long is followed by a pause this many times longer: the API server has others to serve."""
_PATIENCE: Final = 120.0
"""Seconds an API server may be away before watching ends."""

Key = tuple[str, Target]


async def rows_of(link: Link, target: Target | None) -> list[Row]:
    """The rows of one resource, or of all."""
    if target is not None:
        return [row_of(await link.get(target))]
    return ordered([row_of(raw) for kind in PLURALS for raw in await link.list(kind, {})])


async def watch(link: Link, target: Target | None, *, as_json: bool) -> int:
    """The exit code: of one resource that of its end; of all 0, once nothing of them runs or waits."""
    told: dict[Key, Row] = {}
    show, screen = _shower(link, as_json=as_json)
    since = time.monotonic()
    with screen:
        while True:
            began = time.monotonic()
            try:
                rows = await rows_of(link, target)
                since = time.monotonic()
            except ClusterError as error:
                if error.reason is not Reason.CLUSTER_UNREACHABLE or not told or began - since > _PATIENCE:
                    raise
                rows = list(told.values())
            show(rows, told)
            told = {(row.namespace, row.target): row for row in rows}
            codes = [row.exit_code for row in rows]
            if None not in codes:
                return max((code or 0 for code in codes), default=0) if target is not None else 0
            await asyncio.sleep(max(PERIOD, (time.monotonic() - began) * _SHARE))


def _shower(
    link: Link, *, as_json: bool
) -> tuple[Callable[[list[Row], dict[Key, Row]], None], AbstractContextManager[object]]:
    """How rows are shown, and what must be open meanwhile."""
    if as_json or not sys.stdout.isatty():
        return (lambda rows, told: _lines(rows, told, link, as_json=as_json)), nullcontext()
    live = Live(console=Console(), auto_refresh=False)

    def draw(rows: list[Row], _told: dict[Key, Row]) -> None:
        live.update(table_of(rows, datetime.now(UTC), everywhere=link.everywhere), refresh=True)

    return draw, live


def _lines(rows: list[Row], told: dict[Key, Row], link: Link, *, as_json: bool) -> None:
    """A line for each row that is new or has changed."""
    now = datetime.now(UTC)
    for row in rows:
        if told.get((row.namespace, row.target)) == row:
            continue
        text = json.dumps(row.wire(), ensure_ascii=False) if as_json else row.line(now, everywhere=link.everywhere)
        sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
