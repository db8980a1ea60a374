"""A new resource as its event told it: one read less, and nothing decided from what is old."""

from collections.abc import Mapping

import pytest

from narwhal_operator.core.observed import Json, Key
from narwhal_operator.kube.fake import FakeApi
from narwhal_operator.kube.observe import Memory
from narwhal_operator.kube.paths import named
from narwhal_operator.told import Told
from tests.unit.operator import build as b
from tests.unit.operator.world import World

KEY = Key("DownloadJob", "media", "bbb")
PATH = named("DownloadJob", "media", "bbb")


class Counted(FakeApi):
    """The API server in memory that counts what is read."""

    reads = 0

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """As it is without counting."""
        self.reads += 1
        return await super().get(path, query)


async def heard(spec: Json) -> tuple[World, Counted, Told]:
    """A started operator that has been told of one new DownloadJob."""
    world, told = World(), Told()
    api = Counted(clock=lambda: world.now)
    world.api = api
    await world.start()
    world.operator.memory = Memory(jobs=world.hints.jobs, told=told.take)
    await world.add("DownloadJob", "bbb", spec)
    told.note(KEY, {"kind": "DownloadJob"} | await api.get(PATH))
    api.reads = 0
    return world, api, told


async def test_the_first_pass_of_a_new_resource_reads_nothing() -> None:
    """Finalizer, Job, Event, status: four writes."""
    world, api, told = await heard(b.download_spec())
    await world.operator.once(KEY)
    assert api.reads == 0
    assert [verb for verb, _ in api.writes] == ["patch", "create", "create", "replace"]
    assert api.objects[PATH]["status"]["phase"] == "Starting"
    assert told.take(KEY) is None


async def test_what_has_changed_since_it_was_told_is_not_decided_from() -> None:
    """The finalizer is refused and no Job is made; the pass that follows reads."""
    world, api, _ = await heard(b.download_spec())
    api.set(PATH, {"spec": b.download_spec(suspend=True), "metadata": {"generation": 2}})
    await world.operator.handle(KEY, frozenset({""}))
    assert (api.reads, api.writes) == (0, [])
    await world.operator.handle(KEY, frozenset({""}))
    assert api.reads > 0
    assert [job["spec"]["suspend"] for job in api.of_kind("Job")] == [True]


async def test_what_is_gone_since_it_was_told_is_left_alone() -> None:
    """The finalizer finds no resource; no Job is made for one."""
    world, api, _ = await heard(b.download_spec())
    del api.objects[PATH]
    await world.operator.handle(KEY, frozenset({""}))
    await world.operator.handle(KEY, frozenset({""}))
    assert api.writes == []


async def test_the_first_pass_of_a_suspended_resource_reads_nothing() -> None:
    """Job and status: two writes; of a Job that waits for its user no Event tells."""
    world, api, _ = await heard(b.download_spec(suspend=True))
    await world.operator.once(KEY)
    assert api.reads == 0
    assert [verb for verb, _ in api.writes] == ["create", "replace"]
    assert api.objects[PATH]["status"]["phase"] == "Suspended"


async def test_what_is_no_longer_suspended_since_it_was_told_is_started_by_the_next_pass() -> None:
    """The Job that was made of the old event runs nothing; the status is refused, and the pass that follows reads."""
    world, api, _ = await heard(b.download_spec(suspend=True))
    api.set(PATH, {"spec": {"suspend": False}, "metadata": {"generation": 2}})
    await world.operator.handle(KEY, frozenset({""}))
    assert [job["spec"]["suspend"] for job in api.of_kind("Job")] == [True]
    assert "status" not in api.objects[PATH]
    list(world.hints.job(api.of_kind("Job")[0]))
    await world.operator.handle(KEY, frozenset({""}))
    assert [job["spec"]["suspend"] for job in api.of_kind("Job")] == [False]
    assert api.objects[PATH]["status"]["phase"] == "Starting"


async def test_what_another_queue_would_start_is_made_from_a_read() -> None:
    """Kueue starts a Job that was made suspended: it is not made of an event that may be old."""
    world, api, told = await heard(b.download_spec(suspend=True))
    raw = told.take(KEY)
    assert raw is not None
    marked = {"metadata": raw["metadata"] | {"labels": {"kueue.x-k8s.io/queue-name": "films"}}}
    api.set(PATH, {"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "films"}}})
    told.note(KEY, raw | marked)
    await world.operator.once(KEY)
    assert api.reads > 0


async def test_a_plan_whose_first_write_names_no_version_is_made_from_a_read() -> None:
    """A specification nobody can run, and what waits for a DownloadJob: their status rests on a live read."""
    world, api, told = await heard(b.download_spec())
    raw = told.take(KEY)
    assert raw is not None
    told.note(KEY, raw | {"spec": {"source": {}}})
    api.set(PATH, {"spec": {"source": {}, "destination": None}})
    await world.operator.once(KEY)
    assert api.reads > 0
    assert api.objects[PATH]["status"]["phase"] == "Failed"


@pytest.mark.parametrize(
    "change",
    [
        {"status": {"phase": "Starting"}},
        {"metadata": {"finalizers": ["narwhal.dev/sweep"]}},
        {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
    ],
    ids=["begun", "has the finalizer", "being deleted"],
)
def test_only_what_nothing_was_done_for_is_kept(change: Json) -> None:
    """And a newer event takes the place of an older one."""
    told, raw = Told(), b.raw("DownloadJob", b.download_spec())
    told.note(KEY, raw)
    told.note(KEY, raw | change | {"metadata": raw["metadata"] | change.get("metadata", {})})
    assert told.take(KEY) is None


def test_no_more_are_kept_than_a_bound_and_what_is_deleted_is_not() -> None:
    """Of more than a thousand that wait the rest is read."""
    told, raw = Told(), b.raw("DownloadJob", b.download_spec())
    keys = [b.key(name=f"d-{number}") for number in range(1001)]
    for key in keys:
        told.note(key, raw)
    told.note(keys[0], raw, deleted=True)
    assert [told.take(key) is not None for key in keys] == [False, *[True] * 999, False]
