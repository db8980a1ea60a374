"""JSON lines on standard error, as structlog writes those of the operator: here its import costs more than all the lines."""

import json
import os
import sys
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, Literal

Level = Literal["debug", "info", "warning", "error"]

_ORDER: Final[dict[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def log(level: Level, event: str, **fields: Any) -> None:
    """Writes one line unless NARWHAL_LOG_LEVEL (default INFO) is above it. No secret may be given to it."""
    if _ORDER[level] >= _threshold():
        moment = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = json.dumps({**fields, "event": event, "level": level, "timestamp": moment}, default=repr)
        sys.stderr.write(f"{line}\n")  # in one piece: threads write, too
        sys.stderr.flush()


@cache
def _threshold() -> int:
    return _ORDER.get(os.environ.get("NARWHAL_LOG_LEVEL", "info").lower(), 20)
