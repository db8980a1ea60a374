"""How long to wait before the next attempt. Pure: the number of endings and the policy's scale are the arguments."""

from typing import Final

BASE: Final = 10.0
CAP: Final = 360.0
"""Seconds; base, doubling and cap are those of batch/v1 Jobs."""
DISRUPTION_BASE: Final = 1.0
DISRUPTION_CAP: Final = 600.0
"""Seconds. A disruption is nobody's fault, so the first retry is at once; the cap bounds a node that kills all it gets
to about a dozen attempts an hour."""


def after_failure(failures: int, scale: float) -> float:
    """Seconds to wait after the n-th failure that counted (n >= 1)."""
    return min(CAP, BASE * 2.0 ** min(failures - 1, 16)) * scale


def after_disruption(recent: int, scale: float) -> float:
    """Seconds to wait after the n-th disruption within the last hour (n >= 1)."""
    return min(DISRUPTION_CAP, DISRUPTION_BASE * 2.0 ** min(recent - 1, 16)) * scale
