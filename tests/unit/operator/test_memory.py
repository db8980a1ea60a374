"""Attempts that were killed for want of memory, and those that failed by their node: what the next one gets."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narwhal_operator.contract.common import Attempt, Resources
from narwhal_operator.core import transcode
from narwhal_operator.core.memory import FACTOR, Asked, allowance
from narwhal_operator.core.observed import Observed
from narwhal_operator.core.placement import avoided
from narwhal_operator.core.plan import CreateJob
from narwhal_operator.core.policy import Policy, WorkerPolicy
from narwhal_operator.render.job import job
from tests.unit.operator import build as b

TCJ = "TranscodingJob"
SPEC = b.transcode_spec(backoffLimit=20)
TWO_GI = Resources(requests={"cpu": "1", "memory": "1Gi"}, limits={"cpu": "4", "memory": "2Gi"})
ASKED = Asked(TWO_GI, "4Gi", 4.0, threaded=True)


def killed(memory: str | None, cpus: float | None, number: int = 1, **more: Any) -> Attempt:
    """An attempt that had this much."""
    return Attempt(number=number, job="j", reason="OutOfMemory", memory=memory, cpus=cpus, counted=True).model_copy(
        update=more
    )


@pytest.mark.parametrize(
    ("memory", "cpus", "then"),
    [
        ("2Gi", 4.0, ("3072Mi", 4.0, False)),
        ("3072Mi", 4.0, ("4096Mi", 4.0, False)),
        ("4096Mi", 4.0, ("4096Mi", 2.0, False)),
        ("4096Mi", 2.0, ("4096Mi", 1.0, False)),
        ("4096Mi", 1.0, ("4096Mi", 1.0, True)),
        ("1Gi", 1.0, ("2Gi", 4.0, False)),
        (None, None, ("3072Mi", 4.0, False)),
    ],
    ids=["more", "up to the ceiling", "fewer threads", "one thread", "nothing left", "its user raised it", "not known"],
)
def test_each_attempt_gets_what_is_left_to_try(memory: str, cpus: float, then: tuple[str, float, bool]) -> None:
    """First memory up to the ceiling, then half the threads down to one."""
    found = allowance([killed(memory, cpus)], ASKED)
    assert ((found.resources.limits or {})["memory"], found.cpus, found.exhausted) == then


def test_a_request_grows_with_its_limit() -> None:
    """The scheduler must find the room that will be used."""
    found = allowance([killed("2Gi", 4.0)], ASKED).resources
    assert found.requests == {"cpu": "1", "memory": "1536Mi"}


@given(
    st.integers(1, 64 * 1024),
    st.integers(1, 64 * 1024),
    st.one_of(st.none(), st.floats(0.1, 64)),
    st.booleans(),
)
def test_raising_ends_and_never_passes_the_ceiling(
    asked: int, ceiling: int, cpus: float | None, threaded: bool
) -> None:
    """Whatever is asked: some steps, memory that never sinks, and then no more tries."""
    given_ = Asked(Resources(limits={"memory": f"{asked}Mi"}), f"{ceiling}Mi", cpus, threaded)
    attempts: list[Attempt] = []
    had = 0
    for number in range(1, 60):
        found = allowance(attempts, given_)
        if found.exhausted:
            return
        text = str((found.resources.limits or {})["memory"])
        now = int(text.removesuffix("Mi"))
        assert had <= now <= max(asked, ceiling)
        assert now <= max(asked, had * FACTOR + 1)
        had = now
        attempts.append(killed(text, found.cpus, number))
    raise AssertionError("there was always more to try")


def view(*attempts: Attempt) -> Observed:
    """A TranscodingJob whose attempts these were, its next one due."""
    policy = Policy(transcode=WorkerPolicy(resources=TWO_GI, memory_ceiling="4Gi"))
    status = b.status(TCJ, SPEC, *(item.wire() for item in attempts), failures=len(attempts))
    return Observed(b.resource(TCJ, SPEC, status, finalizers=["narwhal.dev/sweep"]), policy)


def test_the_next_job_has_it_and_the_status_says_so() -> None:
    """Limit, threads in the order, and both in the attempt."""
    plan = transcode.decide(view(killed("2Gi", 4.0), killed("4096Mi", 4.0, 2)), b.NOW)
    (create,) = plan.actions
    assert isinstance(create, CreateJob)
    assert ((create.resources.limits or {})["memory"], getattr(create.order, "cpus", None)) == ("4096Mi", 2.0)
    assert plan.status is not None
    opened = plan.status["attempts"][-1]
    assert (opened["number"], opened["memory"], opened["cpus"]) == (3, "4096Mi", 2.0)


def test_the_end_says_what_was_tried_and_a_retry_tries_the_last_of_it_again() -> None:
    """Failed though backoffLimit is not used up; narwhal retry gives it another try."""
    seen = view(killed("2Gi", 4.0), killed("4096Mi", 4.0, 2), killed("4096Mi", 2.0, 3), killed("4096Mi", 1.0, 4))
    plan = transcode.decide(seen, b.NOW)
    assert plan.status is not None
    ready = plan.status["conditions"][-1]
    assert (ready["reason"], plan.status["phase"]) == ("OutOfMemory", "Failed")
    assert "2Gi, 4096Mi of memory and threads of 4, 2, 1 CPUs" in ready["message"]
    assert "ceiling of 4Gi" in ready["message"]
    again = replace(seen.resource, status=plan.status, retry=plan.status["finishedAt"])
    (_, create) = transcode.decide(replace(seen, resource=replace(again, finalizers=())), b.NOW).actions
    assert isinstance(create, CreateJob)
    assert (create.resources.limits or {})["memory"] == "4096Mi"


def test_an_attempt_prefers_nodes_where_none_has_stalled() -> None:
    """The newest four of them, by the node's name; nodes of other ends are not avoided, and it is no must."""
    nodes = [
        ("a", "NoProgress"),
        ("b", "EncoderFailed"),
        ("c", "StoreUnreachable"),
        ("a", "NoProgress"),
        ("d", "PodLost"),
    ]
    attempts = [Attempt(number=n, job="j", reason=r, node=node) for n, (node, r) in enumerate(nodes, 1)]
    assert avoided(attempts) == ("a", "b")
    assert len(avoided([Attempt(number=n, job="j", reason="NoProgress", node=f"n{n}") for n in range(1, 9)])) == 4
    stalled = Attempt(number=1, job="j", reason="NoProgress", node="a", counted=True)
    seen = view(stalled)
    (create,) = transcode.decide(seen, b.NOW).actions
    assert isinstance(create, CreateJob)
    made = job(create, seen.resource, seen.policy)["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    (term,) = made["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["preference"] == {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["a"]}]}
