"""The Kubernetes Events of a decision: few, on the resource, with the reasons of the conditions.

They are made of the difference between the status as it was read and as it will be, and posted before it is written: an
operator that dies in between finds the same difference again, and the derived name of an Event keeps it from doubling.
"""

from typing import Final, Literal

from narwhal_operator.contract import conditions as c
from narwhal_operator.contract.outcome import TABLE, Class, Reason
from narwhal_operator.core.case import Case, SpecT, StatusT
from narwhal_operator.core.observed import Resource
from narwhal_operator.core.plan import Event
from narwhal_operator.core.summary import State, Verdict, Want

_QUIET: Final = frozenset({c.STARTING, c.PROGRESSING, c.QUEUED, c.WAITING_FOR_DOWNLOAD})
"""Told by Started and Resumed, or no news."""


def events_of(case: Case[SpecT, StatusT], verdict: Verdict) -> tuple[Event, ...]:
    """What will be new in the status. The case's history is the one that will be written."""
    resource, opened = case.observed.resource, case.history.open
    events: list[Event] = []
    if verdict.want is Want.RUNNING and opened is not None:
        known = {attempt.number: attempt.stage for attempt in case.before.attempts}
        if opened.stage == "Range" and known.get(opened.number, "Range") != "Range":
            words = f"Attempt {opened.number} is divided into {opened.ranges} parts: Job {opened.job}"
            events.append(Event("Normal", "Divided", words, opened.job))
        held = verdict.reason == c.QUEUED_BY_KUEUE
        admitted = (resource.condition(c.READY) or {}).get("reason") == c.QUEUED_BY_KUEUE
        if not held and (opened.number not in known or admitted):
            events.append(Event("Normal", "Started", f"Attempt {opened.number}: Job {opened.job}", opened.job))
        elif resource.holds(c.SUSPENDED):
            events.append(Event("Normal", "Resumed", f"Job {opened.job}", str(resource.generation)))
    about = str(resource.generation if verdict.state is State.SUSPENDED else case.history.number)
    return (*events, *news_of(resource, verdict, about))


def news_of(resource: Resource, verdict: Verdict, about: str) -> tuple[Event, ...]:
    """The event that the reason of Ready will have changed, if it is news."""
    before = (resource.condition(c.READY) or {}).get("reason")
    born_suspended = before is None and verdict.state is State.SUSPENDED
    if verdict.reason in _QUIET or before == verdict.reason or born_suspended:
        return ()
    return (Event(_type_of(verdict.reason), verdict.reason, verdict.message or verdict.phase, about),)


def _type_of(reason: str) -> Literal["Normal", "Warning"]:
    if reason in TABLE:
        calm = TABLE[Reason(reason)].cls in {Class.SUCCESS, Class.DISRUPTION}
        return "Normal" if calm else "Warning"
    return "Warning" if reason == c.ITEMS_FAILED else "Normal"
