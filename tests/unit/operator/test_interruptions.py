"""The operator is killed before and after each of its writes; started again it ends where it would have ended."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from narwhal_operator.contract.outcome import Reason
from narwhal_operator.core.observed import Json
from narwhal_operator.core.text import rfc3339
from narwhal_operator.kube.paths import collection, named
from narwhal_operator.kube.rbac import RULES
from tests.unit.operator import build as b
from tests.unit.operator.world import Killed, Work, World, completes

Scenario = Callable[[World], Awaitable[None]]
DLJ: Final = named("DownloadJob", "media", "bbb")


async def plain(world: World) -> None:
    """A download, done at the first try."""
    await world.add("DownloadJob", "bbb", b.download_spec())
    await world.settle()


async def retried(world: World) -> None:
    """A store that does not answer twice, then does."""
    world.work = by_attempt(Reason.STORE_UNREACHABLE, Reason.STORE_ERROR, Reason.COMPLETED)
    await plain(world)


async def failed(world: World) -> None:
    """A source that is not there."""
    world.work = lambda _order: Reason.SOURCE_NOT_FOUND
    await plain(world)


async def chained(world: World) -> None:
    """A transcode that waits for its download."""
    await world.add("TranscodingJob", "bbb", b.transcode_spec(input={"downloadJobRef": {"name": "bbb"}}))
    await plain(world)


async def suspended_and_resumed(world: World) -> None:
    """Suspended before anything runs, then let go."""
    await world.add("DownloadJob", "bbb", b.download_spec(suspend=True))
    await world.settle()
    world.api.set(DLJ, {"spec": {"suspend": False}})
    await world.settle()


async def changed_in_mid_run(world: World) -> None:
    """Other work is asked for while a worker runs."""
    world.work = lambda order: Reason.COMPLETED if order["spec"].get("maxBytes") else None
    await plain(world)
    world.api.set(DLJ, {"spec": {"maxBytes": 5}})
    await world.settle()


async def deleted_in_mid_run(world: World) -> None:
    """Deleted while a worker runs: stopped, swept, gone."""
    world.work = lambda order: Reason.COMPLETED if order["head"]["task"] == "Sweep" else None
    await plain(world)
    if DLJ in world.api.objects:
        world.api.set(DLJ, {"metadata": {"deletionTimestamp": world.now.isoformat()}})
    await world.settle()


async def short_lived(world: World) -> None:
    """Deleted by its time to live."""
    await world.add("DownloadJob", "bbb", b.download_spec(ttlSecondsAfterFinished=10))
    await world.settle()


async def library(world: World) -> None:
    """Two titles, one at once; one of them fails."""
    titles = [
        {"name": name, "source": {"http": {"urls": [f"https://origin.example/{name}.mp4"]}}} for name in ("a", "b")
    ]
    world.work = lambda order: (
        Reason.SOURCE_NOT_FOUND
        if order["head"]["name"] == "lib-b" and order["kind"] == "DownloadJob"
        else Reason.COMPLETED
    )
    output = {"bucket": "media", "prefix": "library"}
    await world.add("MediaLibrary", "lib", {"items": titles, "output": output, "maxConcurrentItems": 1})
    await world.settle()


async def divided(world: World) -> None:
    """A transcode by several pods whose parts fail in the first attempt: all stages, twice."""
    world.work = lambda order: (
        Reason.STORE_UNREACHABLE
        if (order["head"]["task"], order["head"]["attempt"]) == ("Range", 1)
        else Reason.COMPLETED
    )
    await world.add("TranscodingJob", "bbb", b.transcode_spec(parallelism=2))
    await world.settle()


async def divided_and_deleted(world: World) -> None:
    """Deleted while its parts are made: their Job goes, the store is swept."""
    world.work = lambda order: None if order["head"]["task"] == "Range" else Reason.COMPLETED
    await world.add("TranscodingJob", "bbb", b.transcode_spec(parallelism=2))
    await world.settle()
    tcj = named("TranscodingJob", "media", "bbb")
    if tcj in world.api.objects:
        world.api.set(tcj, {"metadata": {"deletionTimestamp": world.now.isoformat()}})
    await world.settle()


async def on_a_silent_node(world: World) -> None:
    """A worker's node is not heard of any more; its pod is to end, and never has."""
    world.work = lambda order: None if order["head"]["attempt"] == 1 else Reason.COMPLETED
    await plain(world)
    for pod in world.api.of_kind("Pod"):
        pod["metadata"] |= {"deletionTimestamp": rfc3339(world.now), "finalizers": ["batch.kubernetes.io/job-tracking"]}
    await world.settle()


def by_attempt(*reasons: Reason) -> Work:
    """Attempts that end with these reasons, one after the other."""
    return lambda order: reasons[min(order["head"]["attempt"], len(reasons)) - 1]


SCENARIOS = (
    plain, retried, failed, chained, suspended_and_resumed, changed_in_mid_run, deleted_in_mid_run, short_lived, library,
    divided, divided_and_deleted, on_a_silent_node,
)  # fmt: skip


def end_of(world: World) -> Json:
    """What is there in the end, without times, versions and uids."""
    found: Json = {}
    for path, obj in sorted(world.api.objects.items()):
        status = obj.get("status", {})
        found[path] = {
            "owners": [owner["name"] for owner in obj["metadata"].get("ownerReferences", ())],
            "finalizers": obj["metadata"].get("finalizers", []),
            "conditions": [(c["type"], c["status"], c.get("reason")) for c in status.get("conditions", ())],
            "attempts": [(a["number"], a["job"], a.get("reason")) for a in status.get("attempts", ())],
            "counts": status.get("counts"),
            "suspend": obj.get("spec", {}).get("suspend"),
        }
    return found


async def lived(scenario: Scenario, number: int = 0, *, early: bool = False) -> World:
    """A world in which the operator dies before (early) or after its n-th write; 0: never."""
    world = World(work=completes)
    dead: list[int] = []

    def die(at: int, _verb: str, _path: str) -> None:
        if at == number and not dead:
            dead.append(at)
            raise Killed

    if early:
        world.api.before = die
    else:
        world.api.after = die
    await scenario(world)
    assert number == 0 or dead, f"there is no write {number}"
    return world


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
def test_killed_at_every_write(scenario: Scenario) -> None:
    """For each write, before and after: the same end, and no Job is created twice."""
    calm = asyncio.run(lived(scenario))
    wanted = end_of(calm)
    assert calm.api.writes
    for number in range(1, len(calm.api.writes) + 1):
        for early in (True, False):
            world = asyncio.run(lived(scenario, number, early=early))
            where = f"killed {'before' if early else 'after'} write {number}: {calm.api.writes[number - 1]}"
            assert end_of(world) == wanted, where
            assert jobs_made(world) == jobs_made(calm), where


def jobs_made(world: World) -> int:
    """How many Jobs were created."""
    return Counter(world.api.writes)["create", collection("Job", "media")]


def test_ends() -> None:
    """The undisturbed runs end as their stories say: what is gone is gone, what is there is Complete or Failed."""
    ends = {scenario.__name__: end_of(asyncio.run(lived(scenario))) for scenario in SCENARIOS}
    reasons = {
        name: [c[2] for c in end.get(DLJ, {}).get("conditions", ()) if c[0] == "Ready"] for name, end in ends.items()
    }
    done = ["Completed"]
    assert reasons == {
        "plain": done,
        "retried": done,
        "failed": ["SourceNotFound"],
        "chained": done,
        "suspended_and_resumed": done,
        "changed_in_mid_run": done,
        "deleted_in_mid_run": [],
        "short_lived": [],
        "library": [],
        "divided": [],
        "divided_and_deleted": [],
        "on_a_silent_node": done,
    }
    tcj = ends["divided"][named("TranscodingJob", "media", "bbb")]
    assert [(number, job[-7:], reason) for number, job, reason in tcj["attempts"]] == [
        (1, "1-range", "StoreUnreachable"),
        (2, "-finish", "Completed"),
    ]
    for name in ("deleted_in_mid_run", "short_lived", "divided_and_deleted"):
        left = [path for path in ends[name] if "/events/" not in path]
        assert left == [], name
    counts = ends["library"][named("MediaLibrary", "media", "lib")]["counts"]
    assert counts == {"total": 2, "waiting": 0, "active": 0, "complete": 1, "failed": 1}


def test_the_role_allows_what_the_operator_asks_and_no_wildcard() -> None:
    """Every write of every scenario is in the role; nothing in it is `*` or a Secret."""
    verbs = {"create": "create", "patch": "patch", "replace": "update", "delete": "delete"}
    allowed = {
        (group, resource, verb)
        for rule in RULES
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert not [item for item in allowed if "*" in item or item[1] in {"secrets", "configmaps", "pods/exec"}]
    for scenario in SCENARIOS:
        for verb, path in asyncio.run(lived(scenario)).api.writes:
            group = "" if path.startswith("/api/v1") else path.split("/")[2]
            parts = path.split("/namespaces/media/")[1].split("/")
            resource = "/".join([parts[0], *parts[2:]])
            assert (group, resource, verbs[verb]) in allowed
