"""A resource deleted in mid-run: its worker is stopped, the store swept, the finalizer removed, all within a bound."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from narwhal_operator.contract import naming
from narwhal_operator.core import download
from narwhal_operator.core.observed import Job, Json, Observed, Refusal, RefusalKind
from narwhal_operator.core.plan import CreateJob, DeleteJob, SetFinalizer
from tests.unit.operator import build as b

KIND, SPEC = "DownloadJob", b.download_spec()
JOB, SWEEP = b.job_name(KIND, SPEC), naming.sweep_name("bbb", b.UID)
OFF = SetFinalizer(present=False)


def going(*jobs: Job, since: float = 5, spec: Json = SPEC, refusal: Refusal | None = None) -> Observed:
    """A resource that was deleted `since` seconds ago while its first attempt ran."""
    deleted = (b.NOW - timedelta(seconds=since)).isoformat()
    status = b.status(KIND, SPEC, b.attempt(KIND, SPEC))
    resource = b.resource(KIND, spec, status, deletionTimestamp=deleted, finalizers=["narwhal.dev/sweep", "other/one"])
    return Observed(resource, jobs=jobs, refusal=refusal)


def gone(name: str) -> DeleteJob:
    """The deletion of a Job of these tests."""
    return DeleteJob(name, f"uid-of-{name}")


@dataclass(frozen=True)
class Row:
    """What is seen and what must follow."""

    seen: Observed
    actions: tuple[object, ...]
    event: str = ""


TERMINATING = Refusal(RefusalKind.TERMINATING, "namespace media is being terminated")
ROWS = {
    "its worker is stopped first": Row(going(b.job(JOB)), (gone(JOB),)),
    "a finished Job goes too": Row(going(b.job(JOB, complete=True)), (gone(JOB),)),
    "it waits while the worker is on its way out": Row(going(b.job(JOB, deleting=True)), ()),
    "it waits for the sweep": Row(going(b.job(SWEEP)), ()),
    "after the sweep it is let go": Row(going(b.job(SWEEP, complete=True)), (OFF, gone(SWEEP))),
    "a failed sweep lets it go with a warning": Row(
        going(b.job(SWEEP, failed="BackoffLimitExceeded")), (OFF, gone(SWEEP)), "its Job failed: BackoffLimitExceeded"
    ),
    "past the bound it is let go whatever runs": Row(
        going(b.job(SWEEP, created_at=b.NOW - timedelta(seconds=121)), since=122), (OFF, gone(SWEEP)), "120 s"
    ),
    "past the bound its worker is stopped all the same": Row(going(b.job(JOB), since=121), (gone(JOB),)),
    "in a namespace that is going it is let go at once": Row(going(refusal=TERMINATING), (OFF,), "being terminated"),
    "a spec nobody understands any more is let go": Row(going(spec={"x": 1}), (OFF,), "its spec is not understood"),
}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
def test_the_end(row: Row) -> None:
    """Each sentence of the table holds, and no status is written for what is going."""
    plan = download.decide(row.seen, b.NOW)
    assert plan.actions == row.actions
    assert plan.status is None
    assert [event.reason for event in plan.events] == (["SweepIncomplete"] if row.event else [])
    assert row.event in "".join(event.message for event in plan.events)


def test_the_sweep_is_a_job_that_nobody_owns() -> None:
    """When the worker is gone, a Job whose order says Sweep is made under a name of its own."""
    (create,) = download.decide(going(), b.NOW).actions
    assert isinstance(create, CreateJob)
    assert (create.name, create.order.head.task, create.deadline) == (SWEEP, "Sweep", 120)


@pytest.mark.parametrize("jobs", [(), (b.job(JOB, deleting=True),)], ids=["no worker", "a worker that does not end"])
def test_a_sweep_that_begins_late_is_begun_and_not_waited_for(jobs: tuple[Job, ...]) -> None:
    """The operator was away past the bound: what was left in the store is swept, and the resource goes at once."""
    plan = download.decide(going(*jobs, since=121), b.NOW)
    create, off = plan.actions
    assert isinstance(create, CreateJob)
    assert (create.name, off) == (SWEEP, OFF)
    assert [event.reason for event in plan.events] == ["SweepLate"]
    killed_between = download.decide(going(b.job(SWEEP), since=125), b.NOW)
    assert killed_between.actions == (OFF,)


def test_the_output_goes_with_the_resource_that_wants_it() -> None:
    """The sweep's order says so, with an Event; that of a resource that retains its output does not. A failure says what may be left."""
    spec = b.download_spec(deletionPolicy="Delete")
    for given, wanted in ((SPEC, False), (spec, True)):
        plan = download.decide(going(spec=given), b.NOW)
        (create,) = plan.actions
        assert isinstance(create, CreateJob)
        assert create.order.remove_output is wanted
        assert [event.reason for event in plan.events] == (["DeletingOutput"] if wanted else [])
    failed = download.decide(going(b.job(SWEEP, failed="BackoffLimitExceeded"), spec=spec), b.NOW)
    assert "and the output of this DownloadJob" in failed.events[0].message


def test_without_our_finalizer_nothing_is_done() -> None:
    """A resource that never ran, or has finished, goes by itself; Kubernetes collects its Jobs."""
    resource = b.resource(KIND, SPEC, deletionTimestamp="2026-01-01T11:59:59Z", finalizers=["other/one"])
    plan = download.decide(Observed(resource, jobs=(b.job(JOB),)), b.NOW)
    assert (plan.actions, plan.status, plan.events) == ((), None, ())
