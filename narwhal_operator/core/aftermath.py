"""What is left to do for a title that is published: an older version, its grace over, is swept away by one Job.

The status says since when a version waits (result.supersededAt). In the pass that makes the Job that word goes: the Job tries
again by itself, and what it cannot remove is the next run's. An operator that dies between the two finds the Job by its name.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from narwhal_operator.contract import naming
from narwhal_operator.contract.base import seconds_of
from narwhal_operator.contract.transcode import TranscodingJobSpec
from narwhal_operator.core.case import Case, Rules, SpecT, StatusT
from narwhal_operator.core.history import history_of, parse_status
from narwhal_operator.core.jobs import sweep_job
from narwhal_operator.core.observed import Json, Observed, Resource
from narwhal_operator.core.plan import DeleteResource, Event, Plan
from narwhal_operator.core.text import moment_of

_REFUSED: Final = 60.0
"""Seconds until a sweep that quota or policy refused is tried again."""


def superseded_at(resource: Resource) -> str | None:
    """Since when an older version of a title waits for its end, as the status says it."""
    result = resource.status.get("result")
    since: Any = result.get("supersededAt") if isinstance(result, dict) else None
    return since if isinstance(since, str) else None


def sweep_name(resource: Resource) -> str | None:
    """The name of the Job that will sweep it; None where nothing waits."""
    since = superseded_at(resource)
    return naming.late_sweep_name(resource.key.name, resource.uid, since) if since else None


def with_sweep(rest: Plan, observed: Observed, now: datetime, spec: SpecT, rules: Rules[SpecT, StatusT]) -> Plan:
    """The plan of a resource at rest, and the sweep when it is due."""
    since, grace = moment_of(superseded_at(observed.resource)), _grace(spec)
    name = sweep_name(observed.resource)
    if since is None or name is None or grace is None or DeleteResource() in rest.actions:
        return rest
    left = (since + grace - now).total_seconds()
    if left > 0:
        return _again(rest, left)
    if observed.refusal is not None:
        return _again(rest, _REFUSED)
    done = replace(rest, status=_swept(rest.status or observed.resource.status))
    if observed.job(name) is not None:
        return done
    before = parse_status(rules.status, observed.resource.status)
    case = Case(observed, now, spec, before, history_of(before, before.work_digest or ""))
    event = Event("Normal", "Sweeping", f"Job {name} removes older versions past their time.", name)
    return replace(done, actions=(*rest.actions, sweep_job(case, rules, name)), events=(*rest.events, event))


def _grace(spec: object) -> timedelta | None:
    if not isinstance(spec, TranscodingJobSpec):
        return None
    return timedelta(seconds=seconds_of(spec.version_grace_period))


def _again(rest: Plan, left: float) -> Plan:
    return replace(rest, requeue_after=left if rest.requeue_after is None else min(left, rest.requeue_after))


def _swept(status: Json) -> Json:
    """The status without the word of what waits."""
    result = {name: value for name, value in status["result"].items() if name != "supersededAt"}
    return status | {"result": result}
