"""The attempts at one work: which are over, which is open, when the next may start. Kept in the status, nowhere else."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from pydantic import ValidationError

from narwhal_operator.contract.base import clip
from narwhal_operator.contract.common import MESSAGE_LIMIT, Attempt, JobStatus, Stage
from narwhal_operator.contract.model import Contract
from narwhal_operator.contract.outcome import TABLE, Class, Reason, WorkOutcome
from narwhal_operator.core import backoff
from narwhal_operator.core.endings import Ending, Whose, ending_of, failed_last, starved
from narwhal_operator.core.memory import Allowance, limit_of
from narwhal_operator.core.observed import Job, Json, Observed, Resource
from narwhal_operator.core.pods import leading, newest, overdue, silent, thrashes, wait_of
from narwhal_operator.core.scratch import overfilled
from narwhal_operator.core.text import moment_of, rfc3339

KEPT: Final = 10
"""Attempts a status keeps."""
_EVIDENCE_KEPT: Final = 3
"""Of these, the last ones whose evidence is kept too."""

StatusT = TypeVar("StatusT", bound=Contract)


@dataclass(frozen=True, slots=True)
class History:
    """The attempts at the work of this digest."""

    digest: str
    attempts: tuple[Attempt, ...] = ()
    failures: int = 0
    retry_at: datetime | None = None
    started_at: str | None = None
    ending: Ending | None = None  # of the attempt that was found ended in this pass
    passed: WorkOutcome | None = None  # of the stage of the open attempt that was found ended in this pass

    @property
    def open(self) -> Attempt | None:
        """The attempt whose end has not been seen."""
        return self.attempts[-1] if self.attempts and self.attempts[-1].reason is None else None

    @property
    def last(self) -> Attempt | None:
        """The last attempt that is over."""
        return next((attempt for attempt in reversed(self.attempts) if attempt.reason is not None), None)

    @property
    def number(self) -> int:
        """Number of the attempt that is open or would be next."""
        if self.open is not None:
            return self.open.number
        return self.attempts[-1].number + 1 if self.attempts else 1

    def forgiven(self) -> "History":
        """As its user's wish for a retry makes it: the numbers go on, what failed counts no more."""
        last = tuple(attempt.model_copy(update={"counted": False}) for attempt in self.attempts[-1:])
        return replace(self, attempts=(*self.attempts[:-1], *last), failures=0, retry_at=None)

    def begin(
        self, job: str, now: datetime, running: bool, given: Allowance | None = None, stage: Stage | None = None
    ) -> "History":
        """With the next attempt open. `running`: its pod may start, so the clock of the whole does too."""
        memory, cpus = (None, None) if given is None else (limit_of(given.resources), given.cpus)
        attempt = Attempt(number=self.number, job=job, stage=stage, memory=memory, cpus=cpus)
        attempts = (*self.attempts, attempt)[-KEPT:]
        started = self.started_at or (rfc3339(now) if running else None)
        return replace(self, attempts=attempts, retry_at=None, started_at=started)


def parse_status(model: type[StatusT], raw: Json) -> StatusT:
    """A status as its model; what another version wrote and this one does not know is left out, not stumbled over."""
    try:
        return model.from_wire(raw)
    except ValidationError as error:
        odd = {str(item["loc"][0]) for item in error.errors() if item["loc"]}
    try:
        return model.from_wire({name: value for name, value in raw.items() if name not in odd})
    except ValidationError:
        return model()


def history_of(status: JobStatus, digest: str) -> History:
    """The history a status holds of the work of this digest; an empty one if it is of other work."""
    if status.work_digest != digest:
        return History(digest)
    return History(
        digest,
        attempts=tuple(status.attempts),
        failures=status.failures,
        retry_at=moment_of(status.retry_at),
        started_at=status.started_at,
    )


def adopt(history: History, observed: Observed, job_name: str, now: datetime, stage: Stage | None = None) -> History:
    """With the next attempt open if its Job exists already: the operator died between creating it and saying so."""
    job = observed.job(job_name)
    if history.open is not None or job is None:
        return history
    return history.begin(job_name, now, running=not job.suspended, stage=stage)


def absorb(history: History, observed: Observed, now: datetime) -> History:
    """With what became of the open attempt: still running, or ended in one way."""
    attempt = history.open
    if attempt is None:
        return history
    job = _settled(observed.job(attempt.job), observed, now)
    hopeless = None if job is not None and job.complete else _hopeless(attempt, observed)
    if hopeless is not None:
        ending = hopeless
    elif job is None or job.finished:
        pods = failed_last(observed.pods) if attempt.stage == "Range" else observed.pods
        ending = ending_of(job, pods, Whose(observed.resource.uid, history.digest, attempt.number))
    else:
        given_up = _given_up(observed, job, now)
        if given_up is None:
            return _noted(history, attempt, observed)
        ending = given_up
    return _ended(history, attempt, ending, observed.policy.backoff_scale, now)


def _hopeless(attempt: Attempt, observed: Observed) -> Ending | None:
    """An end of a pod that no other pod would mend, though its Job may make one: that knows exit codes alone."""
    return overfilled(observed.pods) or (starved(observed.pods) if attempt.stage == "Range" else None)


def _settled(job: Job | None, observed: Observed, now: datetime) -> Job | None:
    """The Job, as failed if it only waits for word of pods that nobody hears of."""
    if job is None or job.failing is None or job.finished or not silent(observed.pods, now):
        return job
    return replace(job, failed=job.failing)


def _given_up(observed: Observed, job: Job, now: datetime) -> Ending | None:
    """An attempt that is ended although its Job is not: its pod is refused too long, lost too often, or not heard of."""
    for pod in overdue(observed.pods, now)[:1]:
        message = f"{pod.name} was to end, and node {pod.node} does not say that it has. {TABLE[Reason.POD_LOST].mend}"
        return Ending(Reason.POD_LOST, message, pod)
    wait = wait_of(observed, job)
    if wait is not None and wait.overdue(now, observed.policy.start_timeout):
        return Ending(Reason.POD_REFUSED, f"{wait.message} {TABLE[Reason.POD_REFUSED].mend}", newest(observed.pods))
    if thrashes(observed.pods):
        message = f"The cluster took {len(observed.pods)} pods of this attempt away, such as {observed.pods[-1].name}."
        return Ending(Reason.POD_LOST, message, newest(observed.pods))
    return None


def _noted(history: History, attempt: Attempt, observed: Observed) -> History:
    pod = leading(observed.pods)
    if pod is None:
        return history
    started = rfc3339(pod.started_at) if pod.started_at else None
    if attempt.stage is not None:
        started = attempt.started_at or started
    update = {"pod": pod.name, "node": pod.node, "started_at": started}
    return replace(
        history,
        attempts=(*history.attempts[:-1], attempt.model_copy(update=update)),
        started_at=history.started_at or started,
    )


def _ended(history: History, attempt: Attempt, ending: Ending, scale: float, now: datetime) -> History:
    counted = {Class.SUCCESS: None, Class.DISRUPTION: False}.get(ending.cls, True)
    closed = attempt.model_copy(update=_closing(attempt, ending, now) | {"counted": counted})
    attempts = _thinned((*history.attempts[:-1], closed))
    failures = history.failures + (counted is True)
    wait: float | None = None
    if ending.cls is Class.DISRUPTION:
        wait = backoff.after_disruption(_recent_disruptions(attempts, now), scale)
    elif counted and ending.cls is not Class.TERMINAL:
        wait = backoff.after_failure(failures, scale)
    retry_at = None if wait is None else now + timedelta(seconds=wait)
    return replace(history, attempts=attempts, failures=failures, retry_at=retry_at, ending=ending)


def _closing(attempt: Attempt, ending: Ending, now: datetime) -> Json:
    pod, outcome = ending.pod, ending.outcome
    started = pod.started_at if pod and attempt.stage is None else None
    finished = (pod.finished_at if pod else None) or now
    return {
        "pod": pod.name if pod else attempt.pod,
        "node": pod.node if pod else attempt.node,
        "started_at": rfc3339(started) if started else attempt.started_at,
        "finished_at": rfc3339(finished),
        "reason": ending.reason.value,
        "exit_code": TABLE[ending.reason].code if outcome else (pod.exit_code if pod else None),
        "message": clip(ending.message, MESSAGE_LIMIT) or None,
        "evidence": outcome.evidence if outcome else None,
    }


def _recent_disruptions(attempts: tuple[Attempt, ...], now: datetime) -> int:
    """Disruptions that ended within the last hour."""
    ends = [moment_of(attempt.finished_at) for attempt in attempts if attempt.counted is False]
    return sum(end is not None and now - end < timedelta(hours=1) for end in ends)


def _thinned(attempts: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
    """The evidence of old attempts goes first: a status has a bound."""
    old, new = attempts[:-_EVIDENCE_KEPT], attempts[-_EVIDENCE_KEPT:]
    return (*(attempt.model_copy(update={"evidence": None}) for attempt in old), *new)


def attempt_of(resource: Resource) -> int | None:
    """The number of the open attempt in a resource's status, if there is one."""
    attempts = resource.status.get("attempts")
    last = attempts[-1] if isinstance(attempts, list) and attempts else None
    opened = isinstance(last, dict) and last.get("reason") is None
    number = last.get("number") if isinstance(last, dict) and opened else None
    return number if isinstance(number, int) else None
