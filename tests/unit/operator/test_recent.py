"""A worker's report shown beside what the last pass saw: one write where a pass would read and write."""

from collections.abc import Mapping

from narwhal_operator.contract.report import WorkerReport
from narwhal_operator.core.observed import Json, Key, Observed
from narwhal_operator.kube.fake import FakeApi
from narwhal_operator.kube.observe import Memory
from narwhal_operator.kube.paths import named
from narwhal_operator.queue import ALWAYS, REPORT
from narwhal_operator.recent import Recent
from tests.unit.operator import build as b
from tests.unit.operator.world import World

KEY = Key("DownloadJob", "media", "bbb")
PATH = named("DownloadJob", "media", "bbb")
TOLD = frozenset({REPORT})


class Counted(FakeApi):
    """The API server in memory that counts what is read."""

    reads = 0

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """As it is without counting."""
        self.reads += 1
        return await super().get(path, query)


class Worker:
    """What the worker of the one resource says of itself."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.done = 0
        self.phase = "Downloading"

    def report(self, uid: str) -> WorkerReport:
        """So many bytes are done."""
        said = {"kind": "DownloadJob", "uid": uid, "attempt": 1, "phase": self.phase}
        return WorkerReport.from_wire(said | {"download": {"bytesDone": self.done}})


async def running() -> tuple[World, Worker, Counted]:
    """A DownloadJob whose pod runs, as a pass has left it."""
    world = World(work=lambda _order: None)
    api = Counted(clock=lambda: world.now)
    world.api = api
    await world.add("DownloadJob", "bbb", b.download_spec())
    await world.start()
    worker = Worker(world)
    world.operator.memory = Memory(jobs=world.hints.jobs, report=worker.report)
    for _ in range(3):
        await world.pass_over_all()
        world.controllers()
    await world.operator.handle(KEY, frozenset({ALWAYS}))
    api.reads, api.writes = 0, []
    return world, worker, api


def shown(api: FakeApi) -> int:
    """The bytes the status shows."""
    done: int = api.objects[PATH]["status"]["progress"]["bytesDone"]
    return done


async def test_a_report_costs_one_write() -> None:
    """Nothing is read; the next report is written over what the first has left."""
    world, worker, api = await running()
    for worker.done in (5, 9):
        await world.operator.handle(KEY, TOLD)
        assert shown(api) == worker.done
    assert api.reads == 0
    assert api.writes == [("replace", f"{PATH}/status")] * 2


async def test_a_report_that_says_nothing_new_writes_nothing() -> None:
    """Neither is its write taken for somebody else's: its event makes no pass."""
    world, worker, api = await running()
    worker.done = 5
    await world.operator.handle(KEY, TOLD)
    own = api.objects[PATH]["metadata"]["resourceVersion"]
    await world.operator.handle(KEY, TOLD)
    await world.operator.handle(KEY, frozenset({own, REPORT}))
    await world.operator.handle(KEY, frozenset({own}))
    assert api.reads == 0
    assert len(api.writes) == 1


async def test_a_resource_that_has_changed_since_is_not_written_over() -> None:
    """The write is refused, and the pass that follows sees the change."""
    world, worker, api = await running()
    api.set(PATH, {"spec": b.download_spec(suspend=True), "metadata": {"generation": 2}})
    worker.done = 5
    await world.operator.handle(KEY, TOLD)
    assert api.writes == []
    key, causes = await world.operator.queue.get()
    await world.operator.handle(key, causes)
    assert api.objects[PATH]["status"]["phase"] == "Suspended"


async def test_an_event_makes_a_pass_whatever_else_is_told() -> None:
    """What only a pass can see is not hidden behind a report that came with it."""
    world, _, api = await running()
    await world.operator.handle(KEY, frozenset({REPORT, "somebody else's"}))
    assert api.reads > 0


async def test_what_was_seen_long_ago_is_not_written_beside() -> None:
    """An event may be lost: from time to time a report makes a pass."""
    world, worker, api = await running()
    now = 0.0
    world.operator.recent = Recent(lambda: now)
    await world.operator.handle(KEY, frozenset({ALWAYS}))
    api.reads = 0
    now = 29.0
    worker.done = 5
    await world.operator.handle(KEY, TOLD)
    assert api.reads == 0
    now = 31.0
    worker.done = 6
    await world.operator.handle(KEY, TOLD)
    assert api.reads > 0
    assert shown(api) == 6


def test_only_what_runs_is_kept_and_no_more_than_a_bound() -> None:
    """A resource whose pod does not run has no reports; of very many the latest are kept."""
    recent = Recent(lambda: 0.0)
    seen = Observed(b.resource("DownloadJob", b.download_spec()), pods=(b.pod(running=True),))
    recent.note(KEY, Observed(seen.resource, pods=(b.pod(running=False),)))
    assert recent.get(KEY) is None
    keys = [b.key(name=f"d-{number}") for number in range(1001)]
    for key in keys:
        recent.note(key, seen)
    assert [recent.get(key) is not None for key in keys] == [False, *[True] * 1000]
