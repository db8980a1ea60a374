"""A title by several pods in a real cluster: they share the work, and one that is killed costs its own part's last seconds."""

from typing import Final

import pytest

from tests.e2e.kube import Object
from tests.e2e.manifests import transcode
from tests.e2e.store import Bucket
from tests.e2e.world import World
from tests.support.processes import until

pytestmark = pytest.mark.cluster

NS: Final = "parallel"
FRAMES: Final = 2000
SEGMENTS: Final = 12
"""Segments stored when a pod is killed: of 40 for each of two rungs and the sound."""


def test_a_pod_that_is_killed_costs_its_own_part_only(world: World) -> None:
    """Parts in an indexed Job; one pod of them dies without a word; one attempt, no retry, every frame, nothing made twice."""
    world.namespace(NS)
    bucket = Bucket(world.store, NS).make()
    bucket.upload("long.mp4", world.files.long)
    world.kube.apply(transcode(NS, "film", "long.mp4", parallelism=3))
    until(lambda: len(bucket.segments("vod/film/")) >= SEGMENTS, 120, f"{SEGMENTS} segments are stored")
    owner = world.kube.get(NS, "tcj", "film")
    victim = until(lambda: next(iter(parts(world, owner)), None), 30, "a part is being made")
    world.kube.kill(NS, victim["metadata"]["name"])
    before = bucket.segments("vod/film/")
    status = world.until(NS, "tcj", "film", "Complete")
    after = bucket.segments("vod/film/")
    assert [key for key, made in before.items() if "/audio/" not in key and after.get(key) != made] == []
    (attempt,) = status["attempts"]
    assert attempt["stage"] == "Finish"
    assert attempt["ranges"] >= 4
    assert status.get("failures", 0) == 0
    assert len(world.kube.jobs_of(owner)) == 3
    ladder = bucket.fetch_ladder("vod/film", world.scratch / "parallel")
    assert ladder.frames() == [FRAMES, FRAMES]


def parts(world: World, owner: Object) -> list[Object]:
    """The pods that make a part of the video now."""
    mark = "batch.kubernetes.io/job-completion-index"
    pods = [pod for pod in world.kube.pods_of(owner) if pod["metadata"]["labels"].get(mark, "0") != "0"]
    return [pod for pod in pods if pod["status"].get("phase") == "Running"]
