"""Whatever is stopped, deleted or killed in the middle: the work ends as if nothing had been, or leaves nothing behind."""

from typing import Any, Final

import pytest

from tests.e2e.install import NAMESPACE
from tests.e2e.kube import Object, is_true
from tests.e2e.manifests import download, transcode
from tests.e2e.store import Bucket
from tests.e2e.world import World
from tests.support.processes import until

pytestmark = pytest.mark.cluster

NS: Final = "interruptions"
TCJ: Final = "transcodingjob"
FRAMES: Final = 2000  # of the long file: 80 s at 25 a second
SEGMENTS: Final = 20
"""Segments stored when a run is interrupted: of 40 for each of two rungs and the audio, so in the middle."""


@pytest.fixture(scope="module")
def bucket(world: World) -> Bucket:
    """The bucket of the namespace, with the long file in it."""
    world.namespace(NS)
    found = Bucket(world.store, NS).make()
    found.upload("long.mp4", world.files.long)
    return found


def midway(world: World, bucket: Bucket, name: str) -> Object:
    """A transcode that has some of its segments stored, and is not near its end."""
    world.kube.apply(transcode(NS, name, "long.mp4"))
    until(lambda: len(bucket.segments(f"vod/{name}/")) >= SEGMENTS, 90, f"{name} has stored {SEGMENTS} segments")
    found = world.kube.get(NS, TCJ, name)
    assert not is_true(found["status"], "Complete"), "too fast to be interrupted"
    assert f"vod/{name}/master.m3u8" not in bucket.objects(f"vod/{name}/"), "published before the end"
    return found


def assert_whole(world: World, bucket: Bucket, name: str) -> None:
    """The published ladder decodes to every frame of the input, rung by rung."""
    ladder = bucket.fetch_ladder(f"vod/{name}", world.scratch / name)
    assert ladder.frames() == [FRAMES, FRAMES]


def lost(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Video segments that were written again, or are gone. Audio, a second of work, is encoded whole or not at all."""
    return [key for key, made in before.items() if "/audio/" not in key and after.get(key) != made]


def test_a_suspended_transcode_goes_on_from_what_is_stored(world: World, bucket: Bucket) -> None:
    """Suspending ends the pod and keeps its segments; resuming encodes the missing ones alone."""
    name = "suspended"
    owner = midway(world, bucket, name)
    world.kube.suspend(NS, TCJ, name, suspended=True)
    world.until(NS, TCJ, name, "Suspended")
    until(lambda: not world.kube.pods_of(owner), 30, "the pod is gone")
    before = bucket.segments(f"vod/{name}/")
    assert f"vod/{name}/master.m3u8" not in bucket.objects(f"vod/{name}/")
    world.kube.suspend(NS, TCJ, name, suspended=False)
    status = world.until(NS, TCJ, name, "Complete")
    assert lost(before, bucket.segments(f"vod/{name}/")) == []
    assert not is_true(status, "Suspended")
    assert status["failures"] == 0
    assert_whole(world, bucket, name)


def test_a_killed_operator_costs_no_work(world: World, bucket: Bucket) -> None:
    """The operator is killed while a pod works; the one that follows sees the same Job to its end."""
    name = "operator-killed"
    owner = midway(world, bucket, name)
    killed = world.release.operator_pods()[0]["metadata"]["name"]
    world.kube.kill(NAMESPACE, killed)
    until(world.release.ready, 60, "an operator is ready again")
    assert world.release.operator_pods()[0]["metadata"]["name"] != killed
    status = world.until(NS, TCJ, name, "Complete")
    assert [attempt["number"] for attempt in status["attempts"]] == [1]
    assert len(world.kube.jobs_of(owner)) == 1
    assert_whole(world, bucket, name)


def test_a_lost_pod_does_not_count_and_its_segments_are_kept(world: World, bucket: Bucket) -> None:
    """A pod deleted without grace: the next one encodes what is missing, and backoffLimit is untouched."""
    name = "pod-lost"
    owner = midway(world, bucket, name)
    (pod,) = world.kube.pods_of(owner)
    world.kube.kill(NS, pod["metadata"]["name"])
    before = bucket.segments(f"vod/{name}/")
    status = world.until(NS, TCJ, name, "Complete")
    assert lost(before, bucket.segments(f"vod/{name}/")) == []
    assert status["failures"] == 0
    assert_whole(world, bucket, name)


def test_a_deleted_transcode_leaves_nothing_behind(world: World, bucket: Bucket) -> None:
    """Deleted in the middle: no resource, no Job, no pod, no object, no upload."""
    name = "deleted"
    owner = midway(world, bucket, name)
    world.kube.delete(NS, TCJ, name, seconds=90)
    assert_gone(world, owner, TCJ)
    assert bucket.objects(f"vod/{name}/") == {}


def test_a_deleted_download_leaves_nothing_behind(world: World, bucket: Bucket) -> None:
    """Deleted while its parts arrive: no object and no multipart upload is left."""
    name = "deleted-download"
    key = f"sources/{name}.mp4"
    url = world.serve("slow.bin", b"\0" * 24 * 1024 * 1024)
    world.kube.apply(download(NS, name, url, bandwidthLimit="1Mi"))
    until(lambda: bucket.uploads(key) or bucket.objects(key), 60, "bytes in the store")
    owner = world.kube.get(NS, "downloadjob", name)
    world.kube.delete(NS, "downloadjob", name, seconds=90)
    assert_gone(world, owner, "downloadjob")
    assert bucket.uploads(key) == []
    assert bucket.objects(f"sources/{name}") == {}


def assert_gone(world: World, owner: Object, kind: str) -> None:
    """The resource and all that was made for it are gone from the cluster."""
    assert world.kube.find(NS, kind, owner["metadata"]["name"]) is None
    until(lambda: not world.kube.jobs_of(owner) and not world.kube.pods_of(owner), 30, "Jobs and pods are gone")
