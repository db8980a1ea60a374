"""What is left to Kueue, in a small world where the test does what Kueue does: one field of a Job, and one label."""

from typing import Final

from narwhal_operator.contract.outcome import Reason
from narwhal_operator.core import labels
from narwhal_operator.core.observed import Json
from narwhal_operator.core.queueing import Limits
from narwhal_operator.kube.paths import named
from tests.unit.operator import build as b
from tests.unit.operator.world import World

DLJ: Final = "DownloadJob"


def status(world: World, name: str) -> Json:
    """The status of a resource."""
    found: Json = world.api.objects[named(DLJ, "media", name)]["status"]
    return found


def reason(world: World, name: str) -> str:
    """The reason of Ready."""
    found: str = status(world, name)["conditions"][-1]["reason"]
    return found


def does(world: World, *, suspend: bool, **meta: Json) -> None:
    """What Kueue does to the only Job."""
    (job,) = world.api.of_kind("Job")
    world.api.set(named("Job", "media", job["metadata"]["name"]), {"spec": {"suspend": suspend}, "metadata": meta})


async def steps(world: World, count: int = 3) -> None:
    """Passes, and what the controllers of the cluster do after each."""
    for _ in range(count):
        await world.pass_over_all()
        world.controllers()


async def test_what_waits_for_kueue_says_so_and_its_clock_stands() -> None:
    """Held, admitted, stopped for others, admitted again, done: one attempt, one Started, and never our hand on the Job."""
    done: list[Reason] = []
    world = World(work=lambda _order: done[0] if done else None)
    await world.add(DLJ, "film", b.download_spec(), labels={labels.QUEUE: "films"})
    await world.start()
    await steps(world)
    held = status(world, "film")
    assert (held["phase"], reason(world, "film"), held.get("startedAt")) == ("Queued", "QueuedByKueue", None)
    assert "Kueue has not admitted it yet: it waits in LocalQueue films" in held["conditions"][-1]["message"]
    does(world, suspend=False)
    await steps(world)
    assert (reason(world, "film"), status(world, "film")["startedAt"]) == ("Progressing", "2026-01-01T12:00:00Z")
    does(world, suspend=True)
    await steps(world)
    assert reason(world, "film") == "QueuedByKueue"
    assert "Kueue has stopped it for others" in status(world, "film")["conditions"][-1]["message"]
    does(world, suspend=False)
    done.append(Reason.COMPLETED)
    await steps(world)
    assert (reason(world, "film"), len(status(world, "film")["attempts"])) == ("Completed", 1)
    assert sorted(event["reason"] for event in world.api.of_kind("Event")) == ["Completed", "QueuedByKueue", "Started"]


async def test_a_job_that_kueue_took_by_itself_is_left_to_it() -> None:
    """A namespace with a LocalQueue named default: the Job gets label and suspension from Kueue's webhook, and is not resumed by us."""
    world = World(work=lambda _order: None)
    await world.add(DLJ, "film", b.download_spec())
    await world.start()
    await world.pass_over_all()
    does(world, suspend=True, labels={labels.QUEUE: "default"})
    await steps(world)
    (job,) = world.api.of_kind("Job")
    assert (job["spec"]["suspend"], reason(world, "film")) == (True, "QueuedByKueue")


async def test_who_waits_for_kueue_takes_no_place_of_ours_after_a_restart() -> None:
    """A new operator finds it waiting, and lets another start in the only place there is."""
    world = World(work=lambda _order: None, limits=Limits(total=1))
    await world.add(DLJ, "queued", b.download_spec(), labels={labels.QUEUE: "films"})
    await world.start()
    await steps(world)
    await world.start()
    await world.add(DLJ, "plain", b.download_spec(destination={"bucket": "media", "key": "plain"}))
    await steps(world)
    assert [reason(world, name) for name in ("queued", "plain")] == ["QueuedByKueue", "Progressing"]
