"""How an attempt ended, from its Job and its pods."""

import json
from dataclasses import dataclass

import pytest

from narwhal_operator.contract.outcome import Reason
from narwhal_operator.core import backoff
from narwhal_operator.core.endings import Whose, ending_of
from narwhal_operator.core.observed import Job, Pod
from tests.unit.operator import build as b

KIND, SPEC = "DownloadJob", b.download_spec()
WHOSE = Whose(b.UID, b.digest(KIND, SPEC), 1)
FAILED = b.job("j", failed="PodFailurePolicy")
DONE = b.outcome(KIND, SPEC, Reason.COMPLETED, artifact=b.ARTIFACT)


def said(reason: Reason, attempt: int = 1) -> str:
    """The termination message of an attempt."""
    return b.outcome(KIND, SPEC, reason, attempt)


@dataclass(frozen=True)
class Row:
    """A Job, its pods, and the reason that follows."""

    job: Job | None
    pods: tuple[Pod, ...]
    reason: Reason


ROWS = {
    "the worker's own word": Row(FAILED, (b.ended_pod(said(Reason.SOURCE_EMPTY), 43),), Reason.SOURCE_EMPTY),
    "no Job any more": Row(None, (), Reason.POD_LOST),
    "no pod any more": Row(b.job("j", complete=True), (), Reason.POD_LOST),
    "a pod that never started": Row(FAILED, (b.pod(failed=True),), Reason.POD_LOST),
    "no word and exit code 0 is no success": Row(b.job("j", complete=True), (b.ended_pod("", 0),), Reason.POD_LOST),
    "exit code 0 with a word beyond its bounds is a fault of ours": Row(
        b.job("j", complete=True),
        (b.ended_pod(json.dumps(json.loads(DONE) | {"message": 2000 * "x"}), 0),),
        Reason.INTERNAL_ERROR,
    ),
    "an outcome of another attempt is not believed": Row(
        FAILED, (b.ended_pod(said(Reason.SOURCE_EMPTY, 2), 40),), Reason.CHECKSUM_MISMATCH
    ),
    "a Completed of another attempt is not believed": Row(
        b.job("j", complete=True), (b.ended_pod(said(Reason.COMPLETED, 2), 0),), Reason.POD_LOST
    ),
    "no word but a code of the table": Row(FAILED, (b.ended_pod("", 28),), Reason.SCRATCH_FULL),
    "no word and an unknown code": Row(FAILED, (b.ended_pod("garbage", 99),), Reason.INTERNAL_ERROR),
    "an interpreter that breaks": Row(FAILED, (b.ended_pod("", 1),), Reason.INTERNAL_ERROR),
    "killed for want of memory": Row(FAILED, (b.ended_pod("", 137, out_of_memory=True),), Reason.OUT_OF_MEMORY),
    "killed from outside": Row(FAILED, (b.ended_pod("", 137),), Reason.POD_LOST),
    "the Job's deadline, whatever the worker says of being stopped": Row(
        b.job("j", failed="DeadlineExceeded"), (b.ended_pod(said(Reason.CANCELLED), 10),), Reason.DEADLINE_EXCEEDED
    ),
    "done within the deadline's last moment is done": Row(
        b.job("j", failed="DeadlineExceeded"), (b.ended_pod(DONE, 0),), Reason.COMPLETED
    ),
    "of several pods the one that did it counts": Row(
        b.job("j", complete=True),
        (b.ended_pod(said(Reason.CANCELLED), 10, name="a"), b.ended_pod(DONE, 0, name="b")),
        Reason.COMPLETED,
    ),
}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
def test_ending(row: Row) -> None:
    """Each sentence of the table holds, and each ending says something."""
    ending = ending_of(row.job, row.pods, WHOSE)
    assert ending.reason is row.reason
    assert ending.message


def test_waits_double_up_to_a_cap_and_scale() -> None:
    """Failures wait 10 s doubled up to 6 minutes, as a Job's do; disruptions begin at 1 s and are bounded too."""
    assert [backoff.after_failure(n, 1.0) for n in (1, 2, 3, 6, 7, 1000)] == [10, 20, 40, 320, 360, 360]
    assert [backoff.after_disruption(n, 1.0) for n in (1, 2, 5, 10, 11, 1000)] == [1, 2, 16, 512, 600, 600]
    assert backoff.after_failure(3, 0.1) == 4
