"""Condition types and the reasons that come from the operator itself (a worker's reasons are in outcome.py)."""

from typing import Final

READY: Final = "Ready"
RECONCILING: Final = "Reconciling"
STALLED: Final = "Stalled"
COMPLETE: Final = "Complete"
FAILED: Final = "Failed"
SUSPENDED: Final = "Suspended"

TRUE: Final = "True"
FALSE: Final = "False"
UNKNOWN: Final = "Unknown"
