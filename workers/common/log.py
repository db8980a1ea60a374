"""JSON lines on standard error. structlog is imported with the first line: a quiet run does not pay for it."""

import os
import sys
from functools import cache
from typing import Any, Final, Literal

Level = Literal["debug", "info", "warning", "error"]

_ORDER: Final[dict[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def log(level: Level, event: str, **fields: Any) -> None:
    """Writes one line unless NARWHAL_LOG_LEVEL (default INFO) is above it. No secret may be given to it."""
    if _ORDER[level] >= _threshold():
        _logger().log(_ORDER[level], event, **fields)


@cache
def _threshold() -> int:
    return _ORDER.get(os.environ.get("NARWHAL_LOG_LEVEL", "info").lower(), 20)


@cache
def _logger() -> Any:
    import structlog

    return structlog.wrap_logger(
        structlog.WriteLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
