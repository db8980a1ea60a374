"""The Kubernetes Events of a decision: few, on the resource, with the reasons of the conditions."""

from typing import Final, Literal

from narwhal_operator.contract import conditions as c
from narwhal_operator.contract.outcome import TABLE, Class, Reason
from narwhal_operator.core.case import Case, SpecT, StatusT
from narwhal_operator.core.observed import Resource
from narwhal_operator.core.plan import Action, CreateJob, Event, SuspendJob
from narwhal_operator.core.summary import Verdict

_QUIET: Final = frozenset({c.STARTING, c.PROGRESSING, c.SUSPENDED, c.WAITING_FOR_DOWNLOAD})
"""Told by other events (Started, Suspended), or no news."""


def events_of(case: Case[SpecT, StatusT], verdict: Verdict, actions: tuple[Action, ...]) -> tuple[Event, ...]:
    """What is new since the status was written."""
    events = []
    for action in actions:
        if isinstance(action, CreateJob) and not action.suspend:
            events.append(Event("Normal", "Started", f"Attempt {case.history.number}: Job {action.name}", action.name))
        if isinstance(action, SuspendJob):
            reason = "Suspended" if action.suspend else "Resumed"
            generation = str(case.observed.resource.generation)
            events.append(Event("Normal", reason, f"Job {action.name}", generation))
    return (*events, *news_of(case.observed.resource, verdict, str(case.history.number)))


def news_of(resource: Resource, verdict: Verdict, about: str) -> tuple[Event, ...]:
    """The event that the reason of Ready has changed, if it has and it is news."""
    before = (resource.condition(c.READY) or {}).get("reason")
    if verdict.reason in _QUIET or before == verdict.reason:
        return ()
    return (Event(_type_of(verdict.reason), verdict.reason, verdict.message or verdict.phase, about),)


def _type_of(reason: str) -> Literal["Normal", "Warning"]:
    if reason in TABLE:
        calm = TABLE[Reason(reason)].cls in {Class.SUCCESS, Class.DISRUPTION}
        return "Normal" if calm else "Warning"
    return "Warning" if reason == c.ITEMS_FAILED else "Normal"
