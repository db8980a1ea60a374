"""Where a resource stands: small checks in order, each owns the words its user reads; the first that speaks decides."""

from datetime import timedelta
from typing import Final

from narwhal_operator.contract import conditions as c
from narwhal_operator.contract.outcome import TABLE, Class, Entry, Reason
from narwhal_operator.core import labels
from narwhal_operator.core.case import Case, Rules, SpecT, StatusT
from narwhal_operator.core.jobs import allowance_of, asked_of
from narwhal_operator.core.memory import tried
from narwhal_operator.core.observed import Pod, RefusalKind
from narwhal_operator.core.pods import given_up_at, leading, wait_of
from narwhal_operator.core.summary import State, Verdict, Want
from narwhal_operator.core.text import rfc3339

_REFUSAL_RETRY: Final = 15.0
"""Seconds until a Job that quota or policy refused is tried again."""
_START_POLL: Final = 5.0
"""Seconds between looks at a Job without a pod, or whose pod will be given up: why is not always told by an event we watch."""
_PENDING_POLL: Final = 30.0
"""The same where there is a pod and nothing but room or an image is wanting: that is told by its events, and a cluster that
is full has many such pods for long."""


def judge(case: Case[SpecT, StatusT], rules: Rules[SpecT, StatusT]) -> Verdict:
    """Where a resource of understood spec stands, and which Job there should be."""
    verdict = _ended(case) or _memory_spent(case, rules) or _leftovers(case) or _refused(case)
    if verdict is not None:
        return verdict
    blocked = None if case.history.open else _retry_waits(case) or rules.blocked(case)
    if case.spec.suspend:
        return _suspended(case, startable=blocked is None)
    return blocked or _held(case) or _queued(case) or _pod_waits(case) or _pod_unheard(case) or _running(case)


def _ended(case: Case[SpecT, StatusT]) -> Verdict | None:
    """The last attempt decides, unless there is to be another."""
    last = case.history.last
    if last is None or case.history.open is not None:
        return None
    if last.reason == Reason.COMPLETED:
        return Verdict(State.COMPLETE, Reason.COMPLETED, last.message or "", "Complete")
    entry = _entry(last.reason)
    hopeless = last.reason == Reason.POD_REFUSED or (entry is not None and entry.cls is Class.TERMINAL)
    if hopeless and last.counted is False:  # a retry was asked for
        return None
    if not hopeless and case.history.failures <= case.spec.backoff_limit:
        return None
    tries = "" if hopeless else f" Given up after {case.history.failures} failures (spec.backoffLimit)."
    return Verdict(State.FAILED, last.reason or "", f"{last.message or ''}{tries}".strip(), "Failed")


def _memory_spent(case: Case[SpecT, StatusT], rules: Rules[SpecT, StatusT]) -> Verdict | None:
    """Killed for want of memory, with all that may be given and the fewest threads."""
    last = case.history.last
    if last is None or case.history.open is not None or last.reason != Reason.OUT_OF_MEMORY:
        return None
    if not allowance_of(case, rules).exhausted:
        return None
    message = tried(case.history.attempts, asked_of(case, rules))
    return Verdict(State.FAILED, Reason.OUT_OF_MEMORY, message, "Failed")


def _leftovers(case: Case[SpecT, StatusT]) -> Verdict | None:
    """Two workers must not write at once: the earlier one goes first. A pass that ends an attempt writes that down first."""
    if not case.leftovers or case.history.ending is not None:
        return None
    names = ", ".join(job.name for job in case.leftovers)
    return Verdict(State.RECONCILING, c.RESTARTING, f"Waits for the earlier worker to stop: {names}.")


def _refused(case: Case[SpecT, StatusT]) -> Verdict | None:
    """The API server did not take what this very pass asked for."""
    refusal = case.observed.refusal
    if refusal is None:
        return None
    if refusal.kind is RefusalKind.INVALID:
        message = f"The API server refuses the Job: {refusal.message}. Correct spec.template and apply again."
        return Verdict(State.FAILED, Reason.INVALID_ORDER, message, "Failed")
    message = f"The API server refuses the Job: {refusal.message}"
    retry = None if refusal.kind is RefusalKind.TERMINATING else _REFUSAL_RETRY
    return Verdict(State.RECONCILING, Reason.POD_REFUSED, message, requeue_after=retry)


def _retry_waits(case: Case[SpecT, StatusT]) -> Verdict | None:
    """An attempt has ended; the next one has its time."""
    last, at = case.history.last, case.history.retry_at
    if last is None or at is None or at <= case.now:
        return None
    entry, said = _entry(last.reason), last.message or ""
    hint = "" if entry is None or entry.mend in said else f" {entry.mend}"
    message = f"{said}{hint} Attempt {case.history.number} starts at {rfc3339(at)}.".strip()
    wait = max(0.0, (at - case.now) / timedelta(seconds=1))
    return Verdict(State.RECONCILING, last.reason or "", message, requeue_after=wait)


def _entry(reason: str | None) -> Entry | None:
    """The row of a reason; None for one that another version wrote and this one does not know."""
    return TABLE[Reason(reason)] if reason is not None and reason in TABLE else None


def _suspended(case: Case[SpecT, StatusT], *, startable: bool) -> Verdict:
    """Its Job is there, suspended. Under Kueue there is none, for Kueue would let it run again.

    A Job that was made without the label may have got it from Kueue (a LocalQueue named default): no second one is made then.
    """
    job = case.job
    queued = labels.QUEUE in case.observed.resource.labels or (job is not None and job.queue is not None)
    remade = case.history.open is None and case.history.last is not None
    want = Want.SUSPENDED if startable and not queued and not remade else Want.NONE
    message = "spec.suspend is true; what is finished is kept. Set it to false to go on."
    return Verdict(State.SUSPENDED, c.SUSPENDED, message, "Suspended", want)


def _held(case: Case[SpecT, StatusT]) -> Verdict | None:
    """Kueue has not let its Job run yet, or has stopped it."""
    job, resource = case.job, case.observed.resource
    queue = resource.labels.get(labels.QUEUE) or (None if job is None else job.queue)
    if queue is None or (job is not None and (job.finished or not job.suspended)):
        return None
    opened, what = case.history.open, "Kueue has not admitted it yet"
    if opened is not None and opened.pod is not None:  # of this stage or the one before
        kept = "what is finished is kept"
        first = opened.stage in {None, case.first}
        what = f"Kueue has stopped it for others; {kept}" if first else f"Kueue holds its stage {opened.stage}; {kept}"
    message = (
        f"{what}: it waits in LocalQueue {queue}. Why, and what is before it: "
        f"kubectl -n {resource.key.namespace} describe workloads.kueue.x-k8s.io"
    )
    return Verdict(State.RECONCILING, c.QUEUED_BY_KUEUE, message, "Queued", Want.RUNNING)


def _queued(case: Case[SpecT, StatusT]) -> Verdict | None:
    """It could start, and has no place: a Job that is there is kept suspended."""
    turn, job = case.observed.turn, case.job
    stopped = job is not None and job.suspended and not job.finished
    if turn is None or turn.granted or (case.history.open is not None and not stopped):
        return None
    want = Want.SUSPENDED if stopped else Want.NONE
    return Verdict(State.RECONCILING, c.QUEUED, turn.message, "Queued", want, turn.look_again)


def _pod_waits(case: Case[SpecT, StatusT]) -> Verdict | None:
    """The cluster does not start the pod: its own words, while there is hope."""
    job = case.job
    wait = None if job is None or job.finished else wait_of(case.observed, job)
    if wait is None:
        return None
    message = f"{wait.message} {TABLE[Reason.POD_REFUSED].mend}"
    look = _PENDING_POLL if wait.since is None else _START_POLL
    return Verdict(State.RECONCILING, Reason.POD_REFUSED, message, "Starting", Want.RUNNING, look)


def _pod_unheard(case: Case[SpecT, StatusT]) -> Verdict | None:
    """A pod was to end and nobody says that it has: the Job makes no other one, the operator will."""
    for pod in case.observed.pods:
        ended, until = pod.deleted_at, given_up_at(pod)
        if ended is not None and until is not None and ended < case.now:
            message = (
                f"Pod {pod.name} was to end by {rfc3339(ended)}, and node {pod.node} does not say that it has; without"
                f" word of it another attempt begins at {rfc3339(until)}."
            )
            phase = case.before.phase or "Starting"
            return Verdict(State.RECONCILING, Reason.POD_LOST, message, phase, Want.RUNNING, _START_POLL)
    return None


def _running(case: Case[SpecT, StatusT]) -> Verdict:
    """A worker runs, or soon will. Where one of its pods is to end that end is looked for."""
    look = _START_POLL if any(one.deleted_at is not None for one in case.observed.pods) else None
    report, pod = case.observed.report, leading(case.observed.pods)
    if pod is not None and pod.exit_code is not None:  # its Job is a few seconds late to say so; no phase comes twice
        message, phase = f"Attempt {case.history.number} has ended in pod {pod.name}.", case.before.phase or "Starting"
        return Verdict(State.RECONCILING, c.PROGRESSING, message, phase, Want.RUNNING, _START_POLL)
    if pod is None or not pod.running:
        message = f"Attempt {case.history.number} starts."
        phase = "Starting" if case.stage in {None, case.first} else case.before.phase or "Starting"
        known = pod is not None and pod.deleted_at is None and not pod.failed
        poll = _PENDING_POLL if known else _START_POLL
        return Verdict(State.RECONCILING, c.STARTING, message, phase, Want.RUNNING, poll)
    mine = report is not None and report.attempt == case.history.number
    phase = report.phase if report is not None and mine else "Starting"
    return Verdict(State.RECONCILING, c.PROGRESSING, _where(case, pod), phase, Want.RUNNING, look)


def _where(case: Case[SpecT, StatusT], pod: Pod) -> str:
    """Where a worker runs, in words."""
    opened, number = case.history.open, case.history.number
    if opened is None or opened.stage != "Range":
        return f"Attempt {number} runs in pod {pod.name}."
    running = sum(one.running for one in case.observed.pods)
    ended = case.job.completed if case.job is not None else 0
    return f"Attempt {number}: {ended} of {opened.ranges} parts are made, {running} pods run."
