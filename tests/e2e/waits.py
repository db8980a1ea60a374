"""Waiting for what is seen through kubectl."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from tests.support import processes

T = TypeVar("T")

REST: Final = 3.0
"""Seconds of rest for each second that a question took."""
LONGEST_REST: Final = 1.0


def until(probe: Callable[[], T | None], seconds: float, what: str) -> T:
    """As `processes.until`, with a rest after each question that grows with what it cost.

    A call of kubectl takes a tenth of a second of CPU: asked without a rest, it would take from what is waited for the CPU that
    it needs, the more so on a busy machine.
    """

    def asked() -> T | None:
        begun = time.monotonic()
        found = probe()
        if not found:
            time.sleep(min(LONGEST_REST, REST * (time.monotonic() - begun)))
        return found

    return processes.until(asked, seconds, what)
