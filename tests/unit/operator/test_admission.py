"""Limits in a small world: the real passes, a fake API server, an operator that may die at any write."""

import json
from typing import Final

import pytest

from narwhal_operator.contract.outcome import Reason
from narwhal_operator.core import labels
from narwhal_operator.core.observed import Json, Key
from narwhal_operator.core.queueing import Limits
from narwhal_operator.kube.paths import named
from tests.unit.operator import build as b
from tests.unit.operator.world import Killed, World

DLJ: Final = "DownloadJob"


def spec(name: str, **more: object) -> Json:
    """A DownloadJob to an object of its own."""
    return b.download_spec(destination={"bucket": "media", "key": name}) | more


def running(world: World) -> list[str]:
    """Orders whose Job runs and has not ended."""
    jobs = [
        job
        for job in world.api.of_kind("Job")
        if not job["spec"]["suspend"] and not job.get("status", {}).get("conditions")
    ]
    orders = [json.loads(job["spec"]["template"]["metadata"]["annotations"][labels.ORDER]) for job in jobs]
    return [order["head"]["name"] for order in orders if order["head"]["task"] == "Run"]


def ready(world: World, name: str) -> Json:
    """The condition Ready."""
    conditions: list[Json] = world.api.objects[named(DLJ, "media", name)]["status"]["conditions"]
    return conditions[-1]


async def test_only_as_many_run_as_may_and_all_get_their_turn() -> None:
    """Each pass: two at most; in the end all are Complete, by priority and age."""
    started: list[str] = []

    def work(order: Json) -> Reason:
        assert len(running(world)) <= 2
        started.append(order["head"]["name"])
        return Reason.COMPLETED

    world = World(work=work, limits=Limits(per_namespace=2))
    for number in range(6):
        await world.add(DLJ, f"job{number}", spec(f"k{number}", priority=9 if number == 5 else 0))
    await world.settle()
    assert sorted(started) == [f"job{n}" for n in range(6)]
    assert started.index("job5") < started.index("job4")
    assert all(ready(world, f"job{n}")["reason"] == "Completed" for n in range(6))


async def test_who_waits_says_so_and_suspending_one_that_runs_lets_it_start() -> None:
    """Phase, reason and position; a place is free as soon as its Job is suspended, and one that goes on waits again."""
    world = World(work=lambda _order: None, limits=Limits(total=1))
    for name in ("first", "second"):
        await world.add(DLJ, name, spec(name))
    await world.start()
    await world.pass_over_all()
    assert running(world) == ["first"]
    waits = ready(world, "second")
    assert (waits["reason"], world.api.objects[named(DLJ, "media", "second")]["status"]["phase"]) == (
        "Queued",
        "Queued",
    )
    assert waits["message"] == "Queued: position 1 of 1; namespace media runs 1; the cluster runs 1 of 1."
    world.api.set(named(DLJ, "media", "first"), {"spec": {"suspend": True}})
    for _ in range(3):
        await world.pass_over_all()
        world.controllers()
    assert running(world) == ["second"]
    world.api.set(named(DLJ, "media", "first"), {"spec": {"suspend": False}})
    for _ in range(2):
        await world.pass_over_all()
    assert (running(world), ready(world, "first")["reason"]) == (["second"], "Queued")


async def test_a_new_operator_knows_who_runs_and_who_waits() -> None:
    """By Jobs and statuses; a priority that was raised meanwhile counts."""
    world = World(work=lambda _order: None, limits=Limits(total=1))
    for name in ("one", "two", "three"):
        await world.add(DLJ, name, spec(name))
    await world.start()
    await world.pass_over_all()
    (first,) = running(world)
    world.api.set(named(DLJ, "media", "three"), {"spec": {"priority": 5}})
    await world.start()
    for _ in range(2):
        await world.pass_over_all()
    assert running(world) == [first]
    await world.api.delete(named(DLJ, "media", first), {})
    world.work = lambda _order: Reason.COMPLETED if _order["head"]["task"] == "Sweep" else None
    for _ in range(6):
        await world.pass_over_all()
        world.controllers()
        world.api.collect()
        await world.pass_over_all()
        if "three" in running(world) or "two" in running(world):
            break
    assert running(world) == ["three"]


async def test_what_kueue_queues_is_left_to_kueue() -> None:
    """Its Job is made suspended, is not resumed by us, counts for no limit, and runs when Kueue says so."""
    world = World(work=lambda _order: None, limits=Limits(total=1))
    await world.add(DLJ, "plain", spec("plain"))
    await world.add(DLJ, "queued", spec("queued"), labels={labels.QUEUE: "films"})
    await world.start()
    for _ in range(3):
        await world.pass_over_all()
        world.controllers()
    assert running(world) == ["plain"]
    (job,) = [job for job in world.api.of_kind("Job") if job["spec"]["suspend"]]
    assert job["metadata"]["labels"][labels.QUEUE] == "films"
    world.api.set(named("Job", "media", job["metadata"]["name"]), {"spec": {"suspend": False}})  # what Kueue does
    for _ in range(3):
        await world.pass_over_all()
        world.controllers()
    assert running(world) == ["plain", "queued"]
    world.api.set(named("Job", "media", job["metadata"]["name"]), {"spec": {"suspend": True}})  # preempted by Kueue
    for _ in range(3):
        await world.pass_over_all()
        world.controllers()
    assert running(world) == ["plain"]


@pytest.mark.parametrize("write", range(1, 16))
async def test_killed_after_any_write_it_neither_forgets_nor_passes_the_limit(write: int) -> None:
    """A new operator goes on; never two at once, and all are done in the end."""

    def work(_order: Json) -> Reason:
        assert len(running(world)) <= 1
        return Reason.COMPLETED

    def kill(number: int, _verb: str, _path: str) -> None:
        if number == write:
            raise Killed

    world = World(work=work, limits=Limits(total=1))
    for number in range(3):
        await world.add(DLJ, f"job{number}", spec(f"k{number}"))
    world.api.after = kill
    await world.settle()
    assert all(ready(world, f"job{n}")["reason"] == "Completed" for n in range(3))


async def test_a_resource_that_is_deleted_leaves_the_line() -> None:
    """Before it ever ran; the pass that finds it gone tells."""
    world = World(work=lambda _order: None, limits=Limits(total=1))
    for name in ("a", "b", "c"):
        await world.add(DLJ, name, spec(name))
    await world.start()
    await world.pass_over_all()
    await world.api.delete(named(DLJ, "media", "b"), {})
    await world.operator.once(Key(DLJ, "media", "b"))
    await world.pass_over_all()
    assert "position 1 of 1" in ready(world, "c")["message"]
