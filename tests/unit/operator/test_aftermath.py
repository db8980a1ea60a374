"""A version past its grace period is swept away by one Job, whenever the operator looks and however often it dies."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from narwhal_operator.contract import naming
from narwhal_operator.core import lookup, transcode
from narwhal_operator.core.observed import Json, Observed, Refusal, RefusalKind
from narwhal_operator.core.plan import CreateJob, Plan
from narwhal_operator.core.text import rfc3339
from tests.unit.operator import build as b

KIND = "TranscodingJob"
SINCE = b.NOW
SPEC = b.transcode_spec(versionGracePeriod="1h")
NAME = naming.late_sweep_name("bbb", b.UID, rfc3339(SINCE))


def at_rest(since: datetime | None = SINCE, spec: Json = SPEC, **meta: Json) -> Observed:
    """A Complete title, of which an older version waits."""
    result = b.RESULT | ({"supersededAt": rfc3339(since)} if since else {})
    status = b.status(KIND, SPEC) | {"observedGeneration": 1, "conditions": [b.true("Complete")], "result": result}
    return Observed(b.resource(KIND, spec, status, **meta))


def after(view: Observed, **passed: float) -> Plan:
    return transcode.decide(view, SINCE + timedelta(**passed))


def created(plan: Plan) -> list[str]:
    return [action.name for action in plan.actions if isinstance(action, CreateJob)]


def waits(plan: Plan) -> bool:
    """Whether the status that is written still says that a version waits."""
    assert plan.status is not None
    return "supersededAt" in plan.status["result"]


def test_within_the_grace_it_waits_until_its_end() -> None:
    """No Job, another look when it is due, and the resource is not taken for settled."""
    plan = after(at_rest(), minutes=20)
    assert (created(plan), plan.requeue_after, waits(plan)) == ([], 40 * 60, True)
    assert not lookup.settled(at_rest().resource)
    assert lookup.settled(at_rest(None).resource)


def test_when_it_is_over_one_sweep_is_made_and_the_status_says_so_at_once() -> None:
    """The Job's order is a sweep; the word that something waits goes in the same pass; an Event names the Job."""
    plan = after(at_rest(), hours=1)
    assert created(plan) == [NAME]
    (job,) = (action for action in plan.actions if isinstance(action, CreateJob))
    assert job.order.head.task == "Sweep"
    assert not waits(plan)
    assert [event.reason for event in plan.events] == ["Sweeping"]


@pytest.mark.parametrize("complete", [False, True])
def test_an_operator_that_died_after_making_it_makes_no_other(complete: bool) -> None:
    """The Job is found by its name, which is looked for; it is left to run."""
    assert NAME in lookup.lookup_of(at_rest().resource, frozenset()).jobs
    plan = after(replace(at_rest(), jobs=(b.job(NAME, attempt=0, complete=complete),)), hours=2)
    assert (plan.actions, waits(plan)) == ((), False)


def test_a_sweep_that_runs_is_no_leftover_of_a_title_at_rest() -> None:
    """Nothing waits any more and its Job is told of by an event: it is not stopped."""
    plan = after(replace(at_rest(None), jobs=(b.job(NAME, attempt=0),)), hours=2)
    assert plan.actions == ()


def test_a_sweep_that_is_refused_is_tried_again_in_a_minute() -> None:
    """Quota: the word stays in the status."""
    view = replace(at_rest(), refusal=Refusal(RefusalKind.FORBIDDEN, "exceeded quota"))
    plan = after(view, hours=2)
    assert (created(plan), plan.requeue_after, waits(plan)) == ([], 60, True)


def test_the_time_to_live_comes_first_where_it_is_shorter() -> None:
    """A resource that goes before the grace is over leaves the version, and one that goes now makes no Job."""
    spec = SPEC | {"ttlSecondsAfterFinished": 60}
    view = at_rest(spec=spec)
    view = replace(view, resource=replace(view.resource, status=view.resource.status | {"finishedAt": rfc3339(SINCE)}))
    assert after(view, seconds=20).requeue_after == 40
    assert created(after(view, hours=2)) == []
