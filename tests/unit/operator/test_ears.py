"""A watch that has gone silent is noticed by what a list finds, and only then."""

from narwhal_operator.core.observed import Json
from narwhal_operator.ears import Ears
from narwhal_operator.hints import Hints
from narwhal_operator.kube.fake import FakeApi
from narwhal_operator.kube.paths import collection, named
from narwhal_operator.queue import WorkQueue
from narwhal_operator.resync import Resync
from tests.unit.operator import build as b


class Clock:
    """Seconds that go by when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def body(name: str) -> Json:
    """A DownloadJob as it is applied."""
    made = b.raw("DownloadJob", b.download_spec(), name=name)
    del made["metadata"]["uid"], made["metadata"]["resourceVersion"]
    return made


async def test_a_change_that_only_lists_tell_is_trouble_after_a_while() -> None:
    """Not in the first look, not while nothing changes, not once an event comes; else after the patience."""
    clock, api, queue = Clock(), FakeApi(), WorkQueue()
    ears = Ears(10, clock)
    resync = Resync(api, queue, Hints(), (), 600, None, ears)
    await api.create(collection("DownloadJob", "media"), body("a"))
    await resync.first()
    for _ in range(3):
        clock.now += 100
        await resync.once()
    assert ears.trouble == ""
    await api.patch(named("DownloadJob", "media", "a"), {"spec": {"suspend": True}})
    await resync.once()
    clock.now += 5
    assert ears.trouble == ""
    clock.now += 6
    await resync.once()
    assert ears.trouble == "the watch of DownloadJob has told nothing for 11 s though something has changed"
    ears.heard("TranscodingJob")
    assert ears.trouble
    ears.heard("DownloadJob")
    assert ears.trouble == ""
