"""The end of a resource that was deleted while its work was unfinished, or that takes its output with it.

Stop the worker, sweep the store, let go.

Its own Job goes last: killed before that, the operator leaves one that removes itself after its time to live.
Bounded: when the sweep fails, takes too long or cannot even be made, the finalizer goes all the same, with an Event.
"""

from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from narwhal_operator.contract import naming
from narwhal_operator.core import labels
from narwhal_operator.core.case import Case, Rules, SpecT, StatusT, work_of
from narwhal_operator.core.history import history_of, parse_status
from narwhal_operator.core.jobs import sweep_job
from narwhal_operator.core.observed import Job, Observed
from narwhal_operator.core.plan import DeleteJob, Event, Plan, SetFinalizer

_POLL: Final = 5.0
"""Seconds between looks, beside the events: a deletion must not hang on a lost one."""


def decide(observed: Observed, now: datetime, rules: Rules[SpecT, StatusT]) -> Plan:
    """The next step of the end."""
    resource = observed.resource
    if labels.FINALIZER not in resource.finalizers:
        return Plan()
    try:
        spec = rules.spec.from_wire(resource.spec)
    except ValidationError:
        return _let_go(observed, "its spec is not understood any more")
    before = parse_status(rules.status, resource.status)
    history = history_of(before, before.work_digest or work_of(spec))
    return _step(Case(observed, now, spec, before, history), rules)


def _step(case: Case[SpecT, StatusT], rules: Rules[SpecT, StatusT]) -> Plan:
    observed, policy = case.observed, case.observed.policy
    name = naming.sweep_name(observed.resource.key.name, observed.resource.uid)
    sweep = observed.job(name)
    bound = timedelta(seconds=policy.sweep_timeout)
    workers = [job for job in observed.jobs if job.name != name]
    if observed.refusal is not None:
        return _let_go(observed, f"its Job was refused: {observed.refusal.message}", output=case.spec.deletes)
    running = [job for job in workers if not job.deleting]
    if not running and case.now - (observed.resource.deleted_at or case.now) > bound:
        if sweep is None or case.now - sweep.created_at < bound:
            return _let_sweep(case, rules, sweep)
        why = f"it took longer than {policy.sweep_timeout:.0f} s"
        return _let_go(observed, why, sweep, output=case.spec.deletes)
    if workers:
        return Plan(tuple(DeleteJob(job.name, job.uid) for job in running), requeue_after=_POLL)
    if sweep is None:
        return Plan((sweep_job(case, rules),), events=_told(case, name), requeue_after=_POLL)
    if sweep.failed is not None:
        return _let_go(observed, f"its Job failed: {sweep.message or sweep.failed}", sweep, output=case.spec.deletes)
    if sweep.complete:
        return Plan((SetFinalizer(present=False), DeleteJob(sweep.name, sweep.uid)))
    return Plan(requeue_after=_POLL)


def _told(case: Case[SpecT, StatusT], name: str) -> tuple[Event, ...]:
    """That published output goes is news."""
    if not case.spec.deletes:
        return ()
    kind = case.observed.resource.key.kind
    return (
        Event("Normal", "DeletingOutput", f"Job {name} removes what this {kind} made (deletionPolicy Delete).", name),
    )


def _let_sweep(case: Case[SpecT, StatusT], rules: Rules[SpecT, StatusT], sweep: Job | None) -> Plan:
    """The operator was away for longer than the bound, or a worker does not end: a sweep is begun all the same, and
    nobody waits for it. What a worker on a lost node still writes it may miss.

    Its Job has no owner, a deadline and a time to live: it needs neither the resource nor the operator.
    """
    key = case.observed.resource.key
    message = f"The sweep of the store began late; this {key.kind} goes without waiting for it."
    actions = () if sweep is not None else (sweep_job(case, rules),)
    return Plan((*actions, SetFinalizer(present=False)), events=(Event("Warning", "SweepLate", message),))


def _let_go(observed: Observed, why: str, sweep: Job | None = None, *, output: bool = False) -> Plan:
    """Give up on the sweep, and say what may be left."""
    rest = (
        "Multipart uploads, unpublished objects and the output"
        if output
        else "Multipart uploads and unpublished objects"
    )
    message = (
        f"The sweep of the store was given up: {why}. {rest} of this"
        f" {observed.resource.key.kind} (uid {observed.resource.uid}) may remain in its bucket."
    )
    actions = () if sweep is None or sweep.deleting else (DeleteJob(sweep.name, sweep.uid),)
    events = (Event("Warning", "SweepIncomplete", message),)
    return Plan((SetFinalizer(present=False), *actions), events=events)
