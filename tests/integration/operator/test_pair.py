"""Two operators on one API server: one acts, the other takes over when it is gone."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from narwhal_operator.kube.rbac import lease_rules
from tests.integration.operator.plane import Operator, Plane
from tests.support.processes import until
from tests.unit.operator import build as b

LEASE = "narwhal-pair"
DURATION = 15
"""Seconds: the chart's."""
DLJ = "DownloadJob"


@pytest.fixture(scope="module")
def leased(plane: Plane, login: Path) -> Path:
    """The operator's login, with the Role that the chart gives it for its Lease."""
    meta = {"name": LEASE, "namespace": "default"}
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": lease_rules(LEASE)}
    plane.api.tell("apply", "-f", "-", stdin=json.dumps(role))
    account = "--serviceaccount=default:narwhal-everywhere"
    plane.api.tell("create", "rolebinding", LEASE, f"--role={LEASE}", account, "--namespace=default")
    return login


@pytest.fixture
def pair(plane: Plane, leased: Path, tmp_path: Path) -> Iterator[tuple[Operator, Operator]]:
    """Two operators: the first leads, the second waits."""
    made = []
    for name in ("first", "second"):
        directory = tmp_path / name
        directory.mkdir()
        settings = {
            "NARWHAL_LEASE_NAMESPACE": "default",
            "NARWHAL_LEASE_NAME": LEASE,
            "NARWHAL_LEASE_DURATION": str(DURATION),
            "NARWHAL_IDENTITY": f"{name}-{tmp_path.name}",
        }
        made.append(Operator(leased, directory, settings))
        made[-1].start()
        if name == "first":
            until(lambda: leads(made[0]), 60, "the first leads")
    yield made[0], made[1]
    for operator in made:
        if operator.running:
            operator.kill()
    plane.ask("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/default/leases/{LEASE}")


def leads(operator: Operator) -> bool:
    """Whether it says that it acts."""
    return "narwhal_leading 1.0" in (operator.page("/metrics") or "")


def jobs(plane: Plane, namespace: str) -> int:
    """How many Jobs there are."""
    return len(plane.list("Job", namespace))


def test_the_one_that_waits_is_ready_and_asks_for_nothing_but_the_lease(
    plane: Plane, namespace: str, pair: tuple[Operator, Operator]
) -> None:
    """The leader does the work; the standby has made no pass, so that a rolling update can go on past it."""
    first, second = pair
    plane.apply(DLJ, namespace, "one", b.download_spec())
    plane.ready(DLJ, namespace, "one", "Starting")
    assert second.page("/readyz") == "ok\n"
    assert "narwhal_reconcile_seconds_count{" in (first.page("/metrics") or "")
    assert "narwhal_reconcile_seconds_count{" not in (second.page("/metrics") or "")
    assert jobs(plane, namespace) == 1


def test_a_leader_that_is_told_to_end_hands_over_at_once(
    plane: Plane, namespace: str, pair: tuple[Operator, Operator]
) -> None:
    """The lease is released: the other leads within one look at it, far sooner than the lease would run out."""
    first, second = pair
    assert first.stop() == 0
    began = time.monotonic()
    until(lambda: leads(second), 60, "the second leads")
    assert time.monotonic() - began < DURATION / 2
    plane.apply(DLJ, namespace, "two", b.download_spec())
    plane.ready(DLJ, namespace, "two", "Starting")


def test_a_leader_that_is_killed_is_followed_within_twenty_seconds(
    plane: Plane, namespace: str, pair: tuple[Operator, Operator]
) -> None:
    """What it had begun goes on: the same Job, no second one."""
    first, second = pair
    plane.apply(DLJ, namespace, "three", b.download_spec())
    plane.ready(DLJ, namespace, "three", "Starting")
    first.kill()
    began = time.monotonic()
    until(lambda: leads(second), 60, "the second leads")
    assert time.monotonic() - began <= 20
    plane.patch(DLJ, namespace, "three", {"spec": {"suspend": True}})
    plane.ready(DLJ, namespace, "three", "Suspended")
    assert jobs(plane, namespace) == 1


def test_a_leader_that_slept_too_long_steps_down(plane: Plane, namespace: str, pair: tuple[Operator, Operator]) -> None:
    """Stopped beyond its lease and woken again, it writes nothing and ends: the other has the lead."""
    first, second = pair
    pid = first.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: leads(second), 60, "the second leads")
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: not first.running, 60, "the first has ended")
    assert "the lead is lost" in first.log()
    plane.apply(DLJ, namespace, "four", b.download_spec())
    plane.ready(DLJ, namespace, "four", "Starting")
    assert leads(second)


def test_one_that_waits_ends_when_it_is_told(pair: tuple[Operator, Operator]) -> None:
    """At once and with code 0; the leader does not notice."""
    first, second = pair
    began = time.monotonic()
    assert second.stop() == 0
    assert time.monotonic() - began < 5
    assert leads(first)
