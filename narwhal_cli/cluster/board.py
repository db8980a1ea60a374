"""What is shown of a cluster: a table for a terminal, lines where there is none, JSON for programs."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from narwhal_cli.cluster.rows import Row, summary

SHOWN: Final = 200
"""Rows of a table at most; what has ended is left out first, for it stands last."""
_STYLES: Final = {"Running": "green", "Waiting": "yellow", "Suspended": "dim", "Failed": "red", "Complete": "cyan"}


def table_of(rows: Sequence[Row], now: datetime, *, everywhere: bool) -> Table:
    """The rows with bars."""
    table = Table(box=None, pad_edge=False, title=Text(summary(rows)), title_justify="left", title_style="bold")
    names = ("Namespace",) if everywhere else ()
    for name in (*names, "Resource", "Phase", "", "", "Speed", "Left", "Age", "Node", "Message"):
        table.add_column(name, no_wrap=True, overflow="ellipsis", ratio=1 if name == "Message" else None)
    for row in rows[:SHOWN]:
        place = (Text(row.namespace),) if everywhere else ()
        bar = ProgressBar(total=100, completed=row.percent, width=16) if row.percent is not None else ""
        table.add_row(
            *place,
            Text(str(row.target)),
            Text(row.phase, style=_STYLES[row.state]),
            bar,
            "" if row.percent is None else f"{row.percent}%",
            Text(row.speed),
            Text(row.eta),
            row.age(now),
            Text(row.node),
            Text(row.message),
        )
    if len(rows) > SHOWN:
        table.caption = f"and {len(rows) - SHOWN} more"
    return table


def lines_of(rows: Sequence[Row], now: datetime, *, everywhere: bool) -> str:
    """The rows as text for a pipe: a summary and a line each."""
    return "\n".join([summary(rows), *(row.line(now, everywhere=everywhere) for row in rows)])


def show(rows: Sequence[Row], now: datetime, *, everywhere: bool, as_json: bool) -> None:
    """Writes the rows once."""
    if as_json:
        sys.stdout.write(json.dumps({"resources": [row.wire() for row in rows]}, ensure_ascii=False) + "\n")
    elif sys.stdout.isatty():
        Console().print(table_of(rows, now, everywhere=everywhere))
    else:
        sys.stdout.write(lines_of(rows, now, everywhere=everywhere) + "\n")
    sys.stdout.flush()
