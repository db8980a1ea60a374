"""The life of a resource that runs Jobs: ordered checks find where it stands and which Job there should be."""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from narwhal_operator.contract import conditions as c
from narwhal_operator.contract import naming
from narwhal_operator.contract.outcome import Reason
from narwhal_operator.core import aftermath, deletion, labels
from narwhal_operator.core.announce import events_of, news_of
from narwhal_operator.core.case import Case, Rules, SpecT, StatusT, fault_of, work_of
from narwhal_operator.core.checks import judge
from narwhal_operator.core.history import absorb, adopt, history_of, parse_status
from narwhal_operator.core.jobs import allowance_of, work_job
from narwhal_operator.core.observed import Job, Json, Observed, Resource
from narwhal_operator.core.plan import (
    Action,
    CreateJob,
    DeleteJob,
    DeleteResource,
    Plan,
    QueueJob,
    SetFinalizer,
    SuspendJob,
)
from narwhal_operator.core.queueing import Claim
from narwhal_operator.core.stages import onward
from narwhal_operator.core.summary import State, Verdict, Want, conditions_of
from narwhal_operator.core.text import moment_of, rfc3339

_FINAL: Final = frozenset({State.COMPLETE, State.FAILED})
_STOP_POLL: Final = 5.0
"""Seconds between looks at a worker that is being stopped, beside the events."""


def decide(observed: Observed, now: datetime, rules: Rules[SpecT, StatusT]) -> Plan:
    """What should be done about a resource, whatever was done before."""
    resource = observed.resource
    if resource.deleted_at is not None:
        return deletion.decide(observed, now, rules)
    try:
        spec = rules.spec.from_wire(resource.spec)
    except ValidationError as error:
        verdict = Verdict(State.FAILED, Reason.INVALID_ORDER, fault_of(error), "Failed")
        return _unrunnable(observed, now, rules, verdict, naming.work_digest(resource.spec))
    digest = work_of(spec)
    if is_final(resource, digest):
        rest = _rest(observed, now, spec.ttl_seconds_after_finished, keep=spec.deletes)
        return aftermath.with_sweep(rest, observed, now, spec, rules)
    return _run(_case(observed, now, rules, spec, digest), rules)


def is_final(resource: Resource, digest: str) -> bool:
    """Whether this very work is Complete or Failed: final until the spec asks for other work, or its user for a retry."""
    ended = resource.holds(State.COMPLETE) or resource.holds(State.FAILED)
    return ended and resource.status.get("workDigest") == digest and not resource.asked_again


def _case(
    observed: Observed, now: datetime, rules: Rules[SpecT, StatusT], spec: SpecT, digest: str
) -> Case[SpecT, StatusT]:
    before = parse_status(rules.status, observed.resource.status)
    if before.work_digest != digest:
        before = rules.status()
    history = history_of(before, digest)
    if observed.resource.asked_again:
        history = history.forgiven()
    case = Case(observed, now, spec, before, history, rules.first(spec))
    history = adopt(case.history, observed, case.job_name, now, case.first)
    if history is not case.history:  # its pods were not looked at: the next pass does, and says how it ended if it has
        return replace(case, history=history)
    return replace(case, history=onward(history, observed) or absorb(history, observed, now))


def _run(case: Case[SpecT, StatusT], rules: Rules[SpecT, StatusT]) -> Plan:
    verdict = judge(case, rules)
    if verdict.reason == c.RESTARTING:
        # The status keeps the earlier work's attempts until its worker is gone: they name the Job to wait for.
        return Plan(_stops(case.leftovers), _touched(case.observed, verdict, case.now), requeue_after=_STOP_POLL)
    actions = _actions(case, verdict, rules)
    created = next((action for action in actions if isinstance(action, CreateJob)), None)
    history = case.history
    if created is not None and history.open is None:
        given = allowance_of(case, rules)
        history = history.begin(created.name, case.now, not created.suspend, given, case.first)
    final = verdict.state in _FINAL
    if final:
        actions = (*actions, *_finalizer(case.observed.resource, wanted=case.spec.deletes))
    case = replace(case, history=history)
    again = 0.0 if case.leftovers else verdict.requeue_after
    if final and case.spec.ttl_seconds_after_finished is not None:
        again = min(again or math.inf, case.spec.ttl_seconds_after_finished)
    claim = (
        Claim(case.spec.priority, case.observed.resource.created_at.timestamp()) if verdict.reason == c.QUEUED else None
    )
    return Plan(actions, _status(case, verdict, rules), events_of(case, verdict), again, claim)


def _actions(case: Case[SpecT, StatusT], verdict: Verdict, rules: Rules[SpecT, StatusT]) -> tuple[Action, ...]:
    """What brings about the Job that should be."""
    job, resource = case.job, case.observed.resource
    if case.observed.refusal is not None:
        return ()
    if verdict.want is Want.NONE:
        return () if job is None else _stops((job,))
    suspend = verdict.want is Want.SUSPENDED
    first: tuple[Action, ...] = ()
    if not suspend and labels.FINALIZER not in resource.finalizers:
        first = (SetFinalizer(present=True),)
    if job is None:
        return (*first, work_job(case, rules, suspend=suspend))
    queue = resource.labels.get(labels.QUEUE)
    if job.suspended and not job.finished and queue not in {None, job.queue}:
        return (*first, QueueJob(job.name, str(queue)))
    if job.suspended != suspend and job.queue is None:  # Kueue's spec.suspend is Kueue's
        return (*first, SuspendJob(job.name, suspend))
    return first


def _stops(jobs: tuple[Job, ...]) -> tuple[Action, ...]:
    return tuple(DeleteJob(job.name, job.uid) for job in jobs if not job.deleting and not job.finished)


def _status(case: Case[SpecT, StatusT], verdict: Verdict, rules: Rules[SpecT, StatusT]) -> Json:
    history, resource = case.history, case.observed.resource
    ended = verdict.state in _FINAL
    shared: Json = {
        "observed_generation": resource.generation,
        "phase": verdict.phase[:32],
        "conditions": conditions_of(verdict, resource, case.now),
        "work_digest": history.digest,
        "attempts": list(history.attempts),
        "failures": history.failures,
        "retry_at": rfc3339(history.retry_at) if history.retry_at and not ended else None,
        "started_at": history.started_at,
        "finished_at": rfc3339(case.now) if ended else None,
    }
    return rules.status(**shared, **rules.facts(case, verdict)).wire()


def _unrunnable(observed: Observed, now: datetime, rules: Rules[SpecT, StatusT], verdict: Verdict, digest: str) -> Plan:
    """A spec that no Job can be made of: Failed, and what ran for an earlier one is stopped."""
    resource = observed.resource
    if is_final(resource, digest):
        return _rest(observed, now, None)
    actions = (*_stops(observed.jobs), *_finalizer(resource, wanted=False))
    status = rules.status(
        observed_generation=resource.generation,
        phase=verdict.phase,
        conditions=conditions_of(verdict, resource, now),
        work_digest=digest,
        finished_at=rfc3339(now),
    )
    return Plan(actions, status.wire(), news_of(resource, verdict, digest))


def _rest(observed: Observed, now: datetime, ttl: int | None, *, keep: bool = False) -> Plan:
    """Complete or Failed: nothing runs any more, and after its time to live the resource goes.

    It keeps its finalizer where its output is to go with it.
    """
    resource = observed.resource
    stops = _stops(tuple(job for job in observed.jobs if job.attempt))  # not a sweep
    actions: tuple[Action, ...] = (*stops, *_finalizer(resource, wanted=keep))
    finished = moment_of(resource.status.get("finishedAt"))
    left = None if ttl is None or finished is None else (finished + timedelta(seconds=ttl) - now).total_seconds()
    if left is not None and left <= 0:
        return Plan((*actions, DeleteResource()))
    return Plan(actions, _same(resource), requeue_after=left)


def _finalizer(resource: Resource, *, wanted: bool) -> tuple[Action, ...]:
    """What makes the finalizer be there, or not."""
    return () if (labels.FINALIZER in resource.finalizers) is wanted else (SetFinalizer(present=wanted),)


def _touched(observed: Observed, verdict: Verdict, now: datetime) -> Json:
    """The status as it is, with other conditions."""
    resource = observed.resource
    conditions = [condition.wire() for condition in conditions_of(verdict, resource, now)]
    known = {"observedGeneration": resource.generation, "phase": verdict.phase, "conditions": conditions}
    return resource.status | known


def _same(resource: Resource) -> Json:
    """The status as it is, said to hold for the spec as it is."""
    conditions = [
        condition | {"observedGeneration": resource.generation} for condition in resource.status.get("conditions", [])
    ]
    return resource.status | {"observedGeneration": resource.generation, "conditions": conditions}
