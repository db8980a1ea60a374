"""Whatever is stopped, deleted or killed in the middle: the work ends as if nothing had been, or leaves nothing behind."""

from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.e2e.install import NAMESPACE
from tests.e2e.kube import Object, is_true
from tests.e2e.manifests import SMALL, download, transcode
from tests.e2e.store import Bucket
from tests.e2e.waits import until
from tests.e2e.world import END_SECONDS, World

pytestmark = pytest.mark.cluster

NS: Final = "interruptions"
TCJ: Final = "transcodingjob"
FRAMES: Final = 2000  # of the long file: 80 s at 25 a second
SEGMENTS: Final = 20
"""Segments stored when a run is interrupted: of 40 for each of two rungs and the audio, so in the middle."""
MIDWAY_SECONDS: Final = 300.0
DELETE_SECONDS: Final = 90.0
GONE_SECONDS: Final = 120.0

SUSPENDED: Final = "suspended"
LOST: Final = "pod-lost"
EVICTED: Final = "evicted"
DELETED: Final = "deleted"
DOWNLOAD: Final = "deleted-download"
KEY: Final = f"sources/{DOWNLOAD}.mp4"


@pytest.fixture(scope="module")
def bucket(world: World) -> Bucket:
    """The bucket of the namespace, with the long file in it."""
    world.namespace(NS)
    found = Bucket(world.store, NS).make()
    found.upload("long.mp4", world.files.long)
    return found


def film(name: str) -> Object:
    """The long file, by a pod of one CPU: it is not made before something can happen to it, however fast the machine."""
    one = {"resources": SMALL | {"limits": {"cpu": "1", "memory": "768Mi"}}}
    return transcode(NS, name, "long.mp4", template=one)


def midway(world: World, bucket: Bucket, name: str) -> Object:
    """A new transcode that has some of its segments stored, and is not near its end."""
    world.kube.apply(film(name))
    until(lambda: len(bucket.segments(f"vod/{name}/")) >= SEGMENTS, MIDWAY_SECONDS, f"{name} has {SEGMENTS} segments")
    found = world.kube.get(NS, TCJ, name)
    assert not is_true(found["status"], "Complete"), "too fast to be interrupted"
    assert f"vod/{name}/master.m3u8" not in bucket.objects(f"vod/{name}/"), "published before the end"
    return found


@dataclass(frozen=True)
class Struck:
    """What was interrupted in mid-run: each as it was, and the segments that those which go on had."""

    owners: dict[str, Object]
    before: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def struck(world: World, bucket: Bucket) -> Struck:
    """One is suspended and resumed, two lose their pods, one is deleted, and so is a download.

    Each is applied when the one before it was struck, and none is waited for: what is struck must not be made before that.
    """
    owners = {SUSPENDED: midway(world, bucket, SUSPENDED)}
    world.kube.suspend(NS, TCJ, SUSPENDED, suspended=True)
    before: dict[str, dict[str, Any]] = {}
    for name, strike in ((LOST, world.kube.kill), (EVICTED, world.kube.evict)):
        owners[name] = midway(world, bucket, name)
        strike(NS, pod_of(world, owners[name]))
        before[name] = bucket.segments(f"vod/{name}/")
    owners[DELETED] = midway(world, bucket, DELETED)
    world.kube.delete(NS, TCJ, DELETED, seconds=DELETE_SECONDS)
    url = world.serve("slow.bin", b"\0" * 24 * 1024 * 1024)
    world.kube.apply(download(NS, DOWNLOAD, url, bandwidthLimit="1Mi"))
    until(lambda: bucket.uploads(KEY) or bucket.objects(KEY), MIDWAY_SECONDS, "bytes in the store")
    owners[DOWNLOAD] = world.kube.get(NS, "downloadjob", DOWNLOAD)
    world.kube.delete(NS, "downloadjob", DOWNLOAD, seconds=DELETE_SECONDS)
    world.until(NS, TCJ, SUSPENDED, "Suspended")
    until(lambda: not world.kube.pods_of(owners[SUSPENDED]), GONE_SECONDS, "the pod is gone")
    before[SUSPENDED] = bucket.segments(f"vod/{SUSPENDED}/")
    assert f"vod/{SUSPENDED}/master.m3u8" not in bucket.objects(f"vod/{SUSPENDED}/")
    world.kube.suspend(NS, TCJ, SUSPENDED, suspended=False)
    return Struck(owners, before)


def pod_of(world: World, owner: Object) -> str:
    """The name of its one pod."""
    (pod,) = world.kube.pods_of(owner)
    name: str = pod["metadata"]["name"]
    return name


def assert_whole(world: World, bucket: Bucket, name: str) -> None:
    """The published ladder decodes to every frame of the input, rung by rung."""
    ladder = bucket.fetch_ladder(f"vod/{name}", world.scratch / name)
    assert ladder.frames() == [FRAMES, FRAMES]


def lost(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Video segments that were written again, or are gone. Audio, a second of work, is encoded whole or not at all."""
    return [key for key, made in before.items() if "/audio/" not in key and after.get(key) != made]


def test_a_killed_operator_costs_no_work(world: World, bucket: Bucket) -> None:
    """The operator is killed while a pod works; the one that follows sees the same Job to its end."""
    name = "operator-killed"
    owner = midway(world, bucket, name)
    killed = world.release.operator_pods()[0]["metadata"]["name"]
    world.kube.kill(NAMESPACE, killed)
    until(world.release.ready, END_SECONDS, "an operator is ready again")
    assert world.release.operator_pods()[0]["metadata"]["name"] != killed
    status = world.until(NS, TCJ, name, "Complete")
    assert [attempt["number"] for attempt in status["attempts"]] == [1]
    assert len(world.kube.jobs_of(owner)) == 1
    assert_whole(world, bucket, name)


def test_a_deleted_transcode_leaves_nothing_behind(world: World, bucket: Bucket, struck: Struck) -> None:
    """Deleted in the middle: no resource, no Job, no pod, no object, no upload."""
    assert_gone(world, struck.owners[DELETED], TCJ)
    assert bucket.objects(f"vod/{DELETED}/") == {}


def test_a_deleted_download_leaves_nothing_behind(world: World, bucket: Bucket, struck: Struck) -> None:
    """Deleted while its parts arrive: no object and no multipart upload is left."""
    assert_gone(world, struck.owners[DOWNLOAD], "downloadjob")
    assert bucket.uploads(KEY) == []
    assert bucket.objects(f"sources/{DOWNLOAD}") == {}


@pytest.mark.parametrize("name", [LOST, EVICTED])
def test_a_lost_pod_does_not_count_and_its_segments_are_kept(
    world: World, bucket: Bucket, struck: Struck, name: str
) -> None:
    """A pod deleted without grace, or evicted by the API: the next one encodes what is missing, and backoffLimit is untouched."""
    status = world.until(NS, TCJ, name, "Complete")
    assert lost(struck.before[name], bucket.segments(f"vod/{name}/")) == []
    assert status["failures"] == 0
    assert_whole(world, bucket, name)


def test_a_suspended_transcode_goes_on_from_what_is_stored(world: World, bucket: Bucket, struck: Struck) -> None:
    """Suspending ends the pod and keeps its segments; resuming encodes the missing ones alone."""
    status = world.until(NS, TCJ, SUSPENDED, "Complete")
    assert lost(struck.before[SUSPENDED], bucket.segments(f"vod/{SUSPENDED}/")) == []
    assert not is_true(status, "Suspended")
    assert status["failures"] == 0
    assert_whole(world, bucket, SUSPENDED)


def assert_gone(world: World, owner: Object, kind: str) -> None:
    """The resource and all that was made for it are gone from the cluster."""
    assert world.kube.find(NS, kind, owner["metadata"]["name"]) is None
    until(
        lambda: not world.kube.jobs_of(owner) and not world.kube.pods_of(owner), GONE_SECONDS, "Jobs and pods are gone"
    )
