"""How an attempt ended: one reason from its Job and pods, never from the wording of a text."""

from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from narwhal_operator.contract.outcome import BY_CODE, TABLE, Class, Reason, WorkOutcome
from narwhal_operator.core.observed import Job, Pod

_DEADLINE: Final = "DeadlineExceeded"  # batch/v1's reason of a Job's condition Failed
_INTERPRETER: Final = frozenset({1, 2})  # what a Python that breaks ends with
_SIGNALS: Final = 128  # exit codes above are 128 + the signal: the process was killed from outside


@dataclass(frozen=True, slots=True)
class Whose:
    """What an outcome must say of itself to be believed."""

    uid: str
    work_digest: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How one attempt ended."""

    reason: Reason
    message: str
    pod: Pod | None = None
    outcome: WorkOutcome | None = None

    @property
    def cls(self) -> Class:
        """What is done about it."""
        return TABLE[self.reason].cls


def ending_of(job: Job | None, pods: tuple[Pod, ...], whose: Whose) -> Ending:
    """How the attempt of a finished or vanished Job ended."""
    if job is None:
        return Ending(Reason.POD_LOST, "Its Job was deleted; the next attempt looks into the store for what is done.")
    pod = last_of(pods)
    outcome = None if pod is None else believed(pod.termination, whose)
    if outcome is not None and outcome.reason is Reason.COMPLETED:
        return Ending(outcome.reason, outcome.message, pod, outcome)
    if job.failed == _DEADLINE:
        entry = TABLE[Reason.DEADLINE_EXCEEDED]
        return Ending(Reason.DEADLINE_EXCEEDED, f"{entry.meaning} {entry.mend}", pod)
    if outcome is not None:
        return Ending(outcome.reason, outcome.message, pod, outcome)
    return _wordless(job, pod)


def believed(text: str, whose: Whose) -> WorkOutcome | None:
    """The outcome in a termination message, if it is one of this very attempt at this very work."""
    outcome = _read(text)
    return outcome if outcome and Whose(outcome.uid, outcome.work_digest, outcome.attempt) == whose else None


def _read(text: str) -> WorkOutcome | None:
    try:
        return WorkOutcome.from_json(text)
    except ValidationError:
        return None


def _wordless(job: Job, pod: Pod | None) -> Ending:
    """A pod that left no outcome: judged by how its container ended."""
    if pod is None:
        return Ending(Reason.POD_LOST, _with(TABLE[Reason.POD_LOST].meaning, job.message))
    if pod.out_of_memory:
        return _out_of_memory(pod)
    code = pod.exit_code
    if code == 0 and pod.termination and _read(pod.termination) is None:
        # Not a disruption, which is repeated without end: what a worker says has bounds that it does not check itself (ADR 0032).
        message = f"{pod.name} ended well and left an outcome that cannot be read. {_mend(Reason.INTERNAL_ERROR)}"
        return Ending(Reason.INTERNAL_ERROR, message, pod)
    if code is None or code == 0 or code > _SIGNALS:
        how = "vanished" if code is None else f"ended with exit code {code}"
        return Ending(Reason.POD_LOST, f"{pod.name} {how} without leaving an outcome. {_mend(Reason.POD_LOST)}", pod)
    reason = Reason.INTERNAL_ERROR if code in _INTERPRETER else BY_CODE.get(code, Reason.INTERNAL_ERROR)
    return Ending(reason, f"{pod.name} ended with exit code {code} without leaving an outcome. {_mend(reason)}", pod)


def starved(pods: tuple[Pod, ...]) -> Ending | None:
    """The end of an attempt of several pods of which one was killed for want of memory: its Job would give it the same again.

    Killed as a whole: containerd says OOMKilled too of a container that lived on and ended well after a process of it was killed.
    """
    pod = next((pod for pod in pods if pod.out_of_memory and (pod.exit_code or 0) > _SIGNALS), None)
    return None if pod is None else _out_of_memory(pod)


def _out_of_memory(pod: Pod) -> Ending:
    message = f"{pod.name} was killed for want of memory. {_mend(Reason.OUT_OF_MEMORY)}"
    return Ending(Reason.OUT_OF_MEMORY, message, pod)


def last_of(pods: tuple[Pod, ...]) -> Pod | None:
    """The pod that ended last; one that completed is preferred, for a Job may have had several."""
    ended = [pod for pod in pods if pod.exit_code is not None]
    return max(ended or pods, key=lambda pod: (pod.exit_code == 0, pod.finished_at or pod.created_at), default=None)


def failed_last(pods: tuple[Pod, ...]) -> tuple[Pod, ...]:
    """Of several pods at once the one that failed last: the others ended well, or were stopped for it."""
    stopped = {0, None, TABLE[Reason.CANCELLED].code}
    failed = [pod for pod in pods if pod.exit_code not in stopped]
    return tuple(sorted(failed, key=lambda pod: pod.finished_at or pod.created_at)[-1:])


def _mend(reason: Reason) -> str:
    return TABLE[reason].mend


def _with(text: str, more: str) -> str:
    return f"{text} {more}".strip()
