"""What a cluster does to a worker that is none of its faults: no memory, a store that is away, a node drained or cut off."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.cluster.command_line import call, image_archives
from tests.cluster.node import SECOND_NODE, TAINT
from tests.e2e.kube import Object, condition
from tests.e2e.manifests import SMALL, transcode
from tests.e2e.store import Bucket
from tests.e2e.test_interruptions import lost
from tests.e2e.test_parallel import parts
from tests.e2e.waits import until
from tests.e2e.world import END_SECONDS, World, storage_secret
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, S3Server

pytestmark = pytest.mark.cluster

NS: Final = "faults"
FRAMES: Final = 2000  # of the long file: 80 s at 25 a second
AWAY_SECONDS: Final = 60.0
SEGMENTS: Final = 12
"""Segments stored when the store freezes: of 40 for each of two rungs and the audio."""
EARLY: Final = 4
"""Segments stored when something happens to a node: so early, for a machine may be fast."""
ANYWHERE: Final = {"key": TAINT, "operator": "Exists"}
"""What lets a pod run on the second node, too."""
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
NO_SECOND: Final = "only the cluster of processes has a node that can be lost: NARWHAL_CLUSTER_PROVIDER=process"
STOP: Final = """
import os, signal, time
from pathlib import Path

def encoder(path):
    try:
        return (path / "comm").read_text() == "ffmpeg\\n" and b"libx264" in (path / "cmdline").read_bytes()
    except OSError:
        return False

until = time.monotonic() + 60
while not (found := [int(path.name) for path in Path("/proc").glob("[0-9]*") if encoder(path)]):
    assert time.monotonic() < until, "no encoder runs"
    time.sleep(0.05)
for pid in found:
    os.kill(pid, signal.SIGSTOP)
"""
"""Stops the encoder in a pod, as a disk or a driver does that never answers."""
STALLED_SECONDS: Final = 600.0
"""How long it may take until what stalled is tried again: 120 s of patience, 10 of pause, on such a machine."""
SILENT_SECONDS: Final = 900.0
"""How long a title may take one of whose nodes falls silent: 50 s until Kubernetes says so, 5 here until the pod is to end, 30 of
grace and 30 of patience, on a machine that may have much else to do."""


@dataclass(frozen=True)
class Silence:
    """A title one of whose nodes has fallen silent: the resource, and its segments at that moment."""

    owner: Object
    before: dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def bucket(world: World) -> Bucket:
    """The bucket of the namespace, with two films in it."""
    world.namespace(NS)
    found = Bucket(world.store, NS).make()
    found.upload("clip.mp4", world.files.clip)
    found.upload("long.mp4", world.files.long)
    return found


@pytest.fixture(scope="module")
def second(world: World) -> Iterator[bool]:
    """Whether there is a second node, which has the worker's image: the cluster of processes can have one."""
    if world.kube.cluster.provider != "process":
        yield False
        return
    try:
        call("node", "add", *image_archives("transcode").values())
        yield True
    finally:
        call("node", "remove")


@pytest.fixture(scope="module")
def stalled(world: World, bucket: Bucket, second: bool) -> str | None:
    """A title whose encoder stands still, on the second node: its worker gives it 120 s, beside other tests.

    The scheduler would take that node again: next to nothing runs there.
    """
    if not second:
        return None
    first = next(name for name in names(world.kube.all("", "nodes")) if name != SECOND_NODE)
    world.kube.run("cordon", first)
    try:
        template = {"resources": SMALL | {"limits": {"cpu": "500m", "memory": "768Mi"}}, "tolerations": [ANYWHERE]}
        world.kube.apply(transcode(NS, "stalled", "long.mp4", template=template))
        until(lambda: bucket.segments("vod/stalled/"), END_SECONDS, "a segment is stored")
        (pod,) = world.kube.pods_of(world.kube.get(NS, "tcj", "stalled"))
        world.kube.run("exec", "--namespace", NS, pod["metadata"]["name"], "--", "python3", "-c", STOP)
    finally:
        world.kube.run("uncordon", first)
    return "stalled"


@pytest.fixture(scope="module")
def elsewhere(world: World, stalled: str | None) -> Object | None:
    """The status of the title that stalled, once its next attempt has a node."""
    if stalled is None:
        return None

    def found() -> Object | None:
        status = world.kube.status(NS, "tcj", stalled)
        return status if [one for one in status["attempts"][1:] if one.get("node")] else None

    return until(found, STALLED_SECONDS, "the next attempt has a node")


@pytest.fixture(scope="module")
def silent(world: World, bucket: Bucket, second: bool, elsewhere: Object | None) -> Iterator[Silence | None]:
    """A node falls silent in mid-run. It takes Kubernetes minutes to act on that: other tests go on beside it."""
    if not second:
        yield None
        return
    owner = spread(world, bucket, "silent")
    call("node", "freeze")
    try:
        yield Silence(owner, bucket.segments("vod/silent/"))
    finally:
        call("node", "thaw")


@pytest.fixture(scope="module")
def seaweed_bucket(world: World, seaweedfs: S3Server, bucket: Bucket) -> Bucket:
    """A bucket of the store that is to be away; a title into it and one with too little memory have begun."""
    found = Bucket(seaweedfs.client, NS).make()
    found.upload("long.mp4", world.files.long)
    keys = {"endpoint": seaweedfs.endpoint, "accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET_KEY}
    world.kube.apply(storage_secret("seaweedfs", **keys), namespace=NS)
    where: dict[str, Any] = {"bucket": NS, "storageRef": {"name": "seaweedfs"}}
    source = {"s3": where | {"key": "long.mp4"}}
    world.kube.apply(
        transcode(NS, "away", "", input=source, output=where | {"prefix": "vod/away"}),
        transcode(NS, "small", "clip.mp4", template={"resources": limited("64Mi")}),
    )
    return found


def test_a_drained_node_costs_no_segment(world: World, bucket: Bucket, second: bool, stalled: str | None) -> None:
    """Cordoned and evicted by API: its part goes on elsewhere, in the same attempt, with no failure counted."""
    if not second:
        pytest.skip(NO_SECOND)
    owner = spread(world, bucket, "drained")
    only = f"--pod-selector=narwhal.dev/uid={owner['metadata']['uid']}"  # the one that stalls is to stay
    try:
        world.kube.run("drain", SECOND_NODE, only, "--delete-emptydir-data", "--timeout=180s", timeout=190)
        before = bucket.segments("vod/drained/")
        status = world.until(NS, "tcj", "drained", "Complete")
    finally:
        world.kube.run("uncordon", SECOND_NODE)
    assert lost(before, bucket.segments("vod/drained/")) == []
    (attempt,) = status["attempts"]
    assert attempt["stage"] == "Finish"
    assert status.get("failures", 0) == 0
    assert_whole(world, bucket, "drained")


def test_what_stalls_on_one_node_is_tried_on_another(world: World, bucket: Bucket, elsewhere: Object | None) -> None:
    """An encoder that stands still is killed; the next attempt goes to the other node, and makes what was not stored."""
    if elsewhere is None:
        pytest.skip(NO_SECOND)
    first, second = elsewhere["attempts"]
    assert (first["reason"], first["counted"], first["node"]) == ("NoProgress", True, SECOND_NODE)
    assert second["node"] != SECOND_NODE
    status = world.until(NS, "tcj", "stalled", "Complete")
    assert [one["reason"] for one in status["attempts"]] == ["NoProgress", "Completed"]
    assert_whole(world, bucket, "stalled")


def test_a_store_that_is_away_for_a_minute_costs_no_stored_segment(
    world: World, silent: Silence | None, seaweedfs: S3Server, seaweed_bucket: Bucket
) -> None:
    """It takes connections and answers none; when it answers again the title is completed, and no segment was made twice."""
    bucket = seaweed_bucket
    until(lambda: len(bucket.segments("vod/away/")) >= SEGMENTS, END_SECONDS, f"{SEGMENTS} segments are stored")
    before = bucket.segments("vod/away/")
    with seaweedfs.frozen():
        time.sleep(AWAY_SECONDS)  # how long it is away is what the test is about
    status = world.until(NS, "tcj", "away", "Complete")
    after = bucket.segments("vod/away/")
    assert [key for key, made in before.items() if after.get(key) != made] == []
    assert {attempt["reason"] for attempt in status["attempts"]} <= {"Completed", "StoreUnreachable", "StoreError"}
    ladder = bucket.fetch_ladder("vod/away", world.scratch / "away")
    assert ladder.frames() == [FRAMES, FRAMES]


def test_a_pod_without_enough_memory_gets_more(world: World, silent: Silence | None, seaweed_bucket: Bucket) -> None:
    """Killed by the kernel for its limit: the next attempts have half as much again each, and one comes through."""
    status = world.until(NS, "tcj", "small", "Complete")
    *killed, last = status["attempts"]
    assert killed
    assert {attempt["reason"] for attempt in killed} == {"OutOfMemory"}
    assert last["reason"] == "Completed"
    memory = [mebibytes(attempt["memory"]) for attempt in status["attempts"]]
    assert memory == [64 * 1.5**number for number in range(len(memory))]


def test_a_node_that_falls_silent_and_comes_back(world: World, bucket: Bucket, silent: Silence | None) -> None:
    """Nobody says that its pod has ended: it is left behind, and what it had not stored is made elsewhere.

    When the node is back its pod, which knows of nothing, spoils nothing, and is cleared away with its Job.
    """
    if silent is None:
        pytest.skip(NO_SECOND)
    status = world.until(NS, "tcj", "silent", "Complete", SILENT_SECONDS)
    assert condition(world.kube.get(NS, "node", SECOND_NODE)["status"], "Ready")["status"] == "Unknown"
    assert left_behind(world, silent.owner) != [], "it was forced away"
    call("node", "thaw")
    assert lost(silent.before, bucket.segments("vod/silent/")) == []
    first, *_, last = status["attempts"]
    assert (first["reason"], first["counted"], first["node"]) == ("PodLost", False, SECOND_NODE)
    assert last["reason"] == "Completed"
    assert status.get("failures", 0) == 0
    pointers = published(bucket, "silent")
    until(lambda: not left_behind(world, silent.owner), END_SECONDS, "the node has cleared its pod away")
    until(lambda: world.kube.find(NS, "job", first["job"]) is None, END_SECONDS, "its Job is gone, too")
    assert published(bucket, "silent") == pointers
    assert_whole(world, bucket, "silent")


def spread(world: World, bucket: Bucket, name: str) -> Object:
    """A title in mid-run whose pods are on both nodes: each has room for one of them.

    So little CPU that even a fast machine is not near the end when something happens to it.
    """
    room = min(bytes_of(node["status"]["allocatable"]["memory"]) for node in world.kube.all("", "nodes"))
    most = {"memory": str(room * 55 // 100)}
    template: dict[str, Any] = {
        "resources": {"requests": most | {"cpu": "20m"}, "limits": most | {"cpu": "500m"}},
        "tolerations": [
            ANYWHERE,
            {"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
        ],
    }
    world.kube.apply(transcode(NS, name, "long.mp4", parallelism=2, template=template))
    until(lambda: len(bucket.segments(f"vod/{name}/")) >= EARLY, END_SECONDS, f"{EARLY} segments are stored")
    owner = world.kube.get(NS, "tcj", name)
    until(lambda: any(on_second(pod) for pod in parts(world, owner)), END_SECONDS, f"a part is made on {SECOND_NODE}")
    return owner


def on_second(pod: Object) -> bool:
    """Whether it is on the second node."""
    return bool(pod["spec"].get("nodeName") == SECOND_NODE)


def left_behind(world: World, owner: Object) -> list[Object]:
    """Pods of the second node that are to end."""
    return [pod for pod in world.kube.pods_of(owner) if on_second(pod) and "deletionTimestamp" in pod["metadata"]]


def published(bucket: Bucket, name: str) -> dict[str, tuple[str, str]]:
    """The pointers to what is published, and when they were written."""
    return {key: made for key, made in bucket.objects(f"vod/{name}/").items() if key.count("/") == 2}


def assert_whole(world: World, bucket: Bucket, name: str) -> None:
    """Every frame of the input is there, in each rung."""
    ladder = bucket.fetch_ladder(f"vod/{name}", world.scratch / name)
    assert ladder.frames() == [FRAMES, FRAMES]


def names(objects: list[Object]) -> list[str]:
    """Their names."""
    return [one["metadata"]["name"] for one in objects]


def limited(memory: str) -> dict[str, Any]:
    """Resources of a worker with so much memory at most."""
    return SMALL | {"limits": {"memory": memory}}


def mebibytes(quantity: str) -> float:
    """A quantity of memory as the operator writes it."""
    unit = quantity[-2:]
    return float(quantity[:-2]) * {"Ki": 1 / 1024, "Mi": 1.0, "Gi": 1024.0}[unit]


def bytes_of(quantity: str) -> int:
    """Memory as the kubelet writes it: all of it in Ki, what is left of it for pods in bytes."""
    return int(quantity[:-2]) * 1024 if quantity.endswith("Ki") else int(quantity)
