"""Conditions of a verdict, in one place: Ready is computed last, from the others, so that no two can disagree."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from narwhal_operator.contract import conditions as c
from narwhal_operator.contract.base import clip
from narwhal_operator.contract.common import MESSAGE_LIMIT, Condition
from narwhal_operator.core.observed import Resource
from narwhal_operator.core.text import rfc3339


class State(StrEnum):
    """Where a resource stands."""

    RECONCILING = "Reconciling"
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"


class Want(StrEnum):
    """Which Job there should be."""

    NONE = "None"
    SUSPENDED = "Suspended"
    RUNNING = "Running"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a resource stands, why, and which Job there should be."""

    state: State
    reason: str
    message: str = ""
    phase: str = "Pending"
    want: Want = Want.NONE
    requeue_after: float | None = None  # seconds


_TRUE_OF: Final = {
    State.RECONCILING: (c.RECONCILING,),
    State.SUSPENDED: (c.SUSPENDED,),
    State.COMPLETE: (c.COMPLETE,),
    State.FAILED: (c.FAILED, c.STALLED),
}
"""kstatus shows Reconciling and Stalled only when True, batch/v1 likewise Complete, Failed, Suspended."""


def conditions_of(verdict: Verdict, resource: Resource, now: datetime) -> list[Condition]:
    """The conditions of a resource, Ready last."""
    names = _TRUE_OF[verdict.state]
    made = [_condition(name, c.TRUE, verdict, resource, now) for name in names]
    ready = c.TRUE if c.COMPLETE in names else c.FALSE
    return [*made, _condition(c.READY, ready, verdict, resource, now)]


def _condition(name: str, status: str, verdict: Verdict, resource: Resource, now: datetime) -> Condition:
    before = resource.condition(name) or {}
    since = before.get("lastTransitionTime") if before.get("status") == status else None
    return Condition.from_wire(
        {
            "type": name,
            "status": status,
            "reason": verdict.reason,
            "message": clip(verdict.message, MESSAGE_LIMIT),
            "observedGeneration": resource.generation,
            "lastTransitionTime": since if isinstance(since, str) else rfc3339(now),
        }
    )
