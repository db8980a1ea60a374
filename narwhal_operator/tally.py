"""What a written status adds to the metrics: attempts that ended, work that came to its end, bytes that were made.

Counted from the difference to the status before, after the write: a pass that is repeated finds no difference. An
operator that dies between the write and the count counts once less, never twice.
"""

from typing import Final

from narwhal_operator import metrics
from narwhal_operator.contract import conditions as c
from narwhal_operator.contract import download
from narwhal_operator.contract.outcome import TABLE, Reason
from narwhal_operator.core.observed import Json, Key

_OTHER: Final = "Other"
"""The label of a reason that this version does not know: another one wrote it."""


def note(key: Key, before: Json, after: Json | None) -> None:
    """Adds what is new in a status."""
    if after is None:
        return
    known = {item.get("number") for item in _attempts(before) if item.get("reason")}
    for attempt in _attempts(after):
        if attempt.get("reason") and attempt.get("number") not in known:
            metrics.ATTEMPTS.labels(key.kind, _label(attempt["reason"]), _class(attempt["reason"])).inc()
    for name in (c.COMPLETE, c.FAILED):
        reason = _reason(after, name)
        if reason is not None and _reason(before, name) is None:
            metrics.FINISHED.labels(key.kind, _label(reason)).inc()
            if (key.kind, name) == (download.KIND, c.COMPLETE):
                _note_bytes(after)


def _note_bytes(status: Json) -> None:
    artifact, progress = status.get("artifact") or {}, status.get("progress") or {}
    metrics.DOWNLOADED.inc(progress.get("bytesTotal") or artifact.get("size") or 0)
    metrics.REFETCHED.inc(progress.get("bytesRefetched") or 0)


def _attempts(status: Json) -> list[Json]:
    found = status.get("attempts")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _reason(status: Json, condition: str) -> str | None:
    """The reason of a condition that is True."""
    for item in status.get("conditions") or []:
        if item.get("type") == condition and item.get("status") == c.TRUE:
            return str(item.get("reason", ""))
    return None


def _class(reason: str) -> str:
    return TABLE[Reason(reason)].cls.value if reason in TABLE else _OTHER


def _label(reason: str) -> str:
    return reason if reason in TABLE else _OTHER
