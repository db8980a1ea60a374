"""A pass against the API server in memory: what it refuses, what changes under it, what it says in its own words."""

import asyncio

import pytest

from narwhal_operator.core.observed import Json, Key
from narwhal_operator.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    NotFound,
    Refused,
    Throttled,
    Transient,
    error_of,
)
from narwhal_operator.kube.paths import collection, named
from narwhal_operator.queue import ALWAYS, WORDS, WorkQueue
from tests.unit.operator import build as b
from tests.unit.operator.world import World, completes

DLJ = named("DownloadJob", "media", "bbb")
JOBS = collection("Job", "media")
KEY = Key("DownloadJob", "media", "bbb")


async def world_with(spec: Json) -> World:
    """A world with one new DownloadJob, its operator started."""
    world = World()
    await world.add("DownloadJob", "bbb", spec)
    await world.start()
    return world


def ready(world: World) -> tuple[str, str]:
    """Reason and message of Ready."""
    conditions = world.api.objects[DLJ]["status"]["conditions"]
    return conditions[-1]["reason"], conditions[-1]["message"]


async def test_a_pass_that_only_heard_itself_is_no_pass() -> None:
    """The events of what a pass wrote come back; they cost nothing."""
    world = await world_with(b.download_spec(suspend=True))
    await world.operator.handle(KEY, frozenset({""}))
    reads, get = [], world.api.get

    async def counted(path: str, query: dict[str, str] | None = None) -> Json:
        reads.append(path)
        return await get(path, query)

    world.api.get = counted  # type: ignore[method-assign,assignment]  # counts what it hands on
    job = world.api.of_kind("Job")[0]["metadata"]["resourceVersion"]
    own = world.api.objects[DLJ]["metadata"]["resourceVersion"]
    await world.operator.handle(KEY, frozenset({job, own}))
    assert reads == []
    await world.operator.handle(KEY, frozenset({own, "somebody else's"}))
    assert reads


async def test_in_a_burst_work_goes_before_words() -> None:
    """While many keys wait, a pass makes the Job and leaves the status to a turn soon after, which finds the Job."""
    world = await world_with(b.download_spec(suspend=True))
    queue = world.operator.queue = WorkQueue()
    for number in range(40):
        queue.add(b.key(name=f"other-{number}"))
    await world.operator.once(KEY)
    assert len(world.api.of_kind("Job")) == 1
    assert "status" not in world.api.objects[DLJ]
    assert queue._timers[KEY].when() - asyncio.get_running_loop().time() == pytest.approx(2, abs=1)
    await world.operator.once(KEY)
    assert ready(world)[0] == "Suspended"
    assert len(world.api.of_kind("Job")) == 1


async def test_words_that_wait_are_not_lost_to_a_sooner_turn() -> None:
    """A key that comes while its words wait makes no pass, and its turn is planned anew."""
    world = await world_with(b.download_spec(suspend=True))
    queue = world.operator.queue = WorkQueue()
    for number in range(40):
        queue.add(b.key(name=f"other-{number}"))
    await world.operator.once(KEY)
    queue.schedule(KEY, None)
    await world.operator.handle(KEY, frozenset({"another version"}))
    assert "status" not in world.api.objects[DLJ]
    assert queue._timers[KEY].when() - asyncio.get_running_loop().time() == pytest.approx(2, abs=1)


async def burst(world: World) -> WorkQueue:
    """The queue after a first pass of the one resource, made while forty others waited."""
    queue = world.operator.queue = WorkQueue()
    for number in range(40):
        queue.add(b.key(name=f"other-{number}"))
    await world.operator.once(KEY)
    assert len(world.api.of_kind("Job")) == 1
    return queue


def due(world: World) -> None:
    """The time of the words that wait has come."""
    world.operator._untold[KEY].since -= 60


async def test_words_that_waited_cost_two_writes_and_no_read() -> None:
    """What was decided is told as it was: the Event and the status, over the version the pass has left."""
    world = await world_with(b.download_spec())
    await burst(world)
    due(world)
    reads, get, before = [], world.api.get, len(world.api.writes)

    async def counted(path: str, query: dict[str, str] | None = None) -> Json:
        reads.append(path)
        return await get(path, query)

    world.api.get = counted  # type: ignore[method-assign,assignment]  # counts what it hands on
    await world.operator.handle(KEY, frozenset({WORDS}))
    assert reads == []
    assert world.api.writes[before:] == [("create", collection("Event", "media")), ("replace", f"{DLJ}/status")]
    assert ready(world)[0] == "Starting"
    own = world.api.objects[DLJ]["metadata"]["resourceVersion"]
    await world.operator.handle(KEY, frozenset({own}))
    assert reads == []


async def test_words_are_decided_anew_where_something_else_was_heard() -> None:
    """A pod that runs while they wait: the pass that takes their place sees it, as it would have without them."""
    world = await world_with(b.download_spec())
    world.work = lambda _order: None
    await burst(world)
    world.controllers()
    for job in world.api.of_kind("Job"):
        list(world.hints.job(job))
    await world.operator.handle(KEY, frozenset({ALWAYS}))
    assert "status" not in world.api.objects[DLJ]
    due(world)
    await world.operator.handle(KEY, frozenset({WORDS}))
    assert ready(world)[0] == "Starting"
    assert len(world.api.of_kind("Job")) == 1


async def test_words_that_die_with_the_operator_are_said_by_the_next() -> None:
    """It finds the Job by its first look: the same Event, the same status, no second Job."""
    world = await world_with(b.download_spec())
    await burst(world)
    await world.start()
    await world.operator.handle(KEY, frozenset({ALWAYS}))
    assert ready(world)[0] == "Starting"
    assert [event["reason"] for event in world.api.of_kind("Event")] == ["Started"]
    assert len(world.api.of_kind("Job")) == 1


async def test_words_over_a_resource_that_has_changed_are_refused() -> None:
    """Though no event told: the write names the version, and a pass follows."""
    world = await world_with(b.download_spec())
    queue = await burst(world)
    world.api.set(DLJ, {"spec": b.download_spec(suspend=True), "metadata": {"generation": 2}})
    due(world)
    await world.operator.handle(KEY, frozenset({WORDS}))
    assert "status" not in world.api.objects[DLJ]
    assert queue._timers[KEY].when() - asyncio.get_running_loop().time() < 1
    list(world.hints.job(world.api.of_kind("Job")[0]))
    world.operator.queue = WorkQueue()
    await world.operator.handle(KEY, frozenset({ALWAYS}))
    assert ready(world)[0] == "Suspended"
    assert [job["spec"]["suspend"] for job in world.api.of_kind("Job")] == [True]


async def test_a_quota_on_jobs_is_told_and_tried_again() -> None:
    """403: the cluster's words in the condition, another try soon, and the Job when there is room."""
    world = await world_with(b.download_spec())
    world.api.refusals["create", JOBS] = (403, {"message": "exceeded quota: count/jobs.batch"})
    await world.operator.once(KEY)
    assert ready(world) == ("PodRefused", "The API server refuses the Job: exceeded quota: count/jobs.batch")
    assert world.operator.queue._timers[KEY].when() - asyncio.get_running_loop().time() == pytest.approx(15, abs=1)
    world.api.refusals.clear()
    await world.operator.once(KEY)
    assert ready(world)[0] == "Starting"
    assert len(world.api.of_kind("Job")) == 1


async def test_a_job_the_api_server_finds_invalid_fails_the_resource() -> None:
    """422: no retry can help; the finalizer is not left behind."""
    world = await world_with(b.download_spec())
    world.api.refusals["create", JOBS] = (422, {"message": "Job is invalid: spec.template"})
    await world.operator.once(KEY)
    assert ready(world)[0] == "InvalidOrder"
    assert world.api.objects[DLJ]["metadata"]["finalizers"] == []


async def test_a_job_of_that_name_that_is_not_ours_is_not_taken_for_ours() -> None:
    """409 is success only for a Job with our uid."""
    world = await world_with(b.download_spec())
    await world.operator.once(KEY)
    name = world.api.of_kind("Job")[0]["metadata"]["name"]
    world.api.set(f"{JOBS}/{name}", {"metadata": {"labels": {"narwhal.dev/uid": "another"}}})
    world.api.set(DLJ, {"status": None})
    await world.operator.once(KEY)
    assert ready(world) == ("PodRefused", f"The API server refuses the Job: Job {name} exists and belongs to somebody else; delete or rename it.")  # fmt: skip


async def test_a_resource_that_changes_under_a_pass_is_looked_at_again() -> None:
    """A conflict is no error: nothing is overwritten, the key comes again at once."""
    world = await world_with(b.download_spec())

    def meddle(_number: int, verb: str, _path: str) -> None:
        if verb == "create":
            world.api.set(DLJ, {"metadata": {"labels": {"a": "b"}}})

    world.api.after = meddle
    await world.operator.handle(KEY, frozenset({""}))
    assert "status" not in world.api.objects[DLJ]
    world.api.after = lambda _number, _verb, _path: None
    again, _ = await asyncio.wait_for(world.operator.queue.get(), 5)
    await world.operator.handle(again, frozenset({""}))
    assert ready(world)[0] == "Starting"


async def test_a_resource_that_is_gone_is_forgotten() -> None:
    """No object, no pass, no timer."""
    world = World()
    await world.start()
    await world.operator.handle(KEY, frozenset({""}))
    assert world.api.writes == []
    assert world.operator.queue._timers == {}


async def test_a_title_that_is_refused_does_not_keep_the_others_waiting() -> None:
    """A name that somebody else has: the library says so, the other titles are made."""
    world = World()
    await world.add("DownloadJob", "lib-a", b.download_spec())
    titles = [{"name": n, "source": {"http": {"urls": [f"https://origin.example/{n}.mp4"]}}} for n in ("a", "b")]
    await world.add("MediaLibrary", "lib", {"items": titles, "output": {"bucket": "media", "prefix": "lib"}})
    await world.start()
    await world.operator.once(Key("MediaLibrary", "media", "lib"))
    status = world.api.objects[named("MediaLibrary", "media", "lib")]["status"]
    assert "DownloadJob lib-a exists and belongs to somebody else" in status["conditions"][-1]["message"]
    names = {obj["metadata"]["name"] for kind in ("DownloadJob", "TranscodingJob") for obj in world.api.of_kind(kind)}
    assert names == {"lib-a", "lib-b"}


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        pytest.param(404, {}, NotFound, id="404"),
        pytest.param(409, {"reason": "Conflict"}, Conflict, id="409 Conflict"),
        pytest.param(409, {"reason": "AlreadyExists"}, AlreadyExists, id="409 AlreadyExists"),
        pytest.param(422, {"reason": "Invalid"}, Refused, id="422"),
        pytest.param(403, {}, Refused, id="403"),
        pytest.param(429, {}, Throttled, id="429"),
        pytest.param(401, {}, Transient, id="401: a token that is being renewed"),
        pytest.param(503, {}, Transient, id="503"),
    ],
)
def test_answers_are_classified_by_code_and_reason(code: int, status: Json, kind: type[ApiError]) -> None:
    """Never by the words of the message."""
    assert type(error_of(code, status, None)) is kind


def test_a_429_says_when_to_come_again() -> None:
    """Retry-After in seconds; without it a second."""
    waits = [error_of(429, {}, text) for text in ("7", None, "soon")]
    assert [wait.retry_after for wait in waits if isinstance(wait, Throttled)] == [7, 1, 1]


def test_a_namespace_that_is_going_is_no_quota() -> None:
    """The cause in the Status tells them apart."""
    causes = {"details": {"causes": [{"reason": "NamespaceTerminating"}]}}
    errors = [error_of(403, status, None) for status in ({}, causes)]
    assert [e.refusal.kind.value for e in errors if isinstance(e, Refused)] == ["Forbidden", "Terminating"]


async def test_a_finalizer_that_is_called_invalid_is_tried_again() -> None:
    """Only of what a user wrote is 422 the user's to mend; of our own patches it may pass, and fails nothing."""
    world = World(work=completes)
    path = named("DownloadJob", "media", "bbb")
    world.api.refusals["patch", path] = (422, {"message": "the request is invalid"})
    await world.add("DownloadJob", "bbb", b.download_spec())
    await world.settle()
    assert "conditions" not in world.api.objects[path].get("status", {})
    del world.api.refusals["patch", path]
    await world.settle()
    assert ("Complete", "True") in [(c["type"], c["status"]) for c in world.api.objects[path]["status"]["conditions"]]
