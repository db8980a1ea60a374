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

# Reasons of a condition while nothing has failed. While a retry waits or a pod is refused the reason is the outcome's.
STARTING: Final = "Starting"
"""A Job is made; its pod does not run yet."""
PROGRESSING: Final = "Progressing"
"""A worker runs."""
RESTARTING: Final = "Restarting"
"""The spec asks for other work; the earlier worker is being stopped first."""
QUEUED: Final = "Queued"
"""It could start, and as many as may run at once do: the message has its position in the line."""
QUEUED_BY_KUEUE: Final = "QueuedByKueue"
"""Its Job is suspended by Kueue, which has not admitted it yet or has stopped it for others: the message has the queue."""
WAITING_FOR_DOWNLOAD: Final = "WaitingForDownload"
"""The DownloadJob of the input is not Complete yet."""
ITEMS_FAILED: Final = "ItemsFailed"
"""All titles of a library have ended and some of them failed."""
