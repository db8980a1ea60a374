"""The stages of an attempt that several pods work on: Plan, Range, Finish, each a Job of its own. Pure.

The stage is kept in the status; where the operator dies between making a stage's Job and saying so, the next pass finds
the Job before ended as it was and makes the same one: its name is derived.
"""

from dataclasses import replace

from narwhal_operator.contract import naming
from narwhal_operator.contract.common import Attempt, Stage
from narwhal_operator.contract.outcome import WorkOutcome
from narwhal_operator.core.endings import Whose, believed, last_of
from narwhal_operator.core.history import History
from narwhal_operator.core.observed import Observed
from narwhal_operator.core.text import rfc3339


def onward(history: History, observed: Observed) -> History | None:
    """The history with its open attempt in the next stage; None where the stage has not ended well, or is the last."""
    attempt = history.open
    job = None if attempt is None else observed.job(attempt.job)
    if attempt is None or job is None or not job.complete or attempt.stage not in {"Plan", "Range"}:
        return None
    outcome = _told(attempt, history, observed)
    if attempt.stage == "Plan" and (outcome is None or outcome.ranges is None):
        return None  # it did all by itself, or nobody knows what it did
    if observed.refusal is not None:
        return history  # the next stage's Job was refused in this pass: asked for again in a later one
    stage: Stage = "Range" if attempt.stage == "Plan" else "Finish"
    resource = observed.resource
    name = naming.job_name(resource.key.name, resource.uid, history.digest, attempt.number, stage)
    ranges = outcome.ranges if outcome is not None else attempt.ranges
    moved = attempt.model_copy(
        update={"stage": stage, "job": name, "ranges": ranges, "started_at": _started(attempt, observed)}
    )
    return replace(history, attempts=(*history.attempts[:-1], moved), passed=outcome)


def _told(attempt: Attempt, history: History, observed: Observed) -> WorkOutcome | None:
    """What the pod of Plan left."""
    pod = last_of(observed.pods) if attempt.stage == "Plan" else None
    whose = Whose(observed.resource.uid, history.digest, attempt.number)
    return None if pod is None else believed(pod.termination, whose)


def _started(attempt: Attempt, observed: Observed) -> str | None:
    starts = [pod.started_at for pod in observed.pods if pod.started_at is not None]
    return attempt.started_at or (rfc3339(min(starts)) if starts else None)
