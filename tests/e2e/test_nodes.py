"""Two nodes: one is drained, one falls silent and comes back; the title is made whole on the other, and nothing twice."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.cluster.command_line import call, image_archives
from tests.cluster.node import SECOND_NODE, TAINT
from tests.e2e.kube import Object, condition
from tests.e2e.manifests import transcode
from tests.e2e.store import Bucket
from tests.e2e.test_interruptions import lost
from tests.e2e.test_parallel import parts
from tests.e2e.world import World
from tests.support.processes import until

pytestmark = pytest.mark.cluster

NS: Final = "nodes"
FRAMES: Final = 2000  # of the long file: 80 s at 25 a second
SEGMENTS: Final = 4
"""Segments stored when it happens: of 40 for each of two rungs and the sound, so early: a machine may be fast."""
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
SILENT_SECONDS: Final = 900.0
"""How long a title may take one of whose nodes falls silent: 50 s until Kubernetes says so, 5 here until the pod is to end, 30 of
grace and 30 of patience, on a machine that may have much else to do."""


@pytest.fixture(scope="module")
def bucket(world: World) -> Iterator[Bucket]:
    """A second node with the worker's image; and the bucket of the namespace, with the long file in it."""
    if world.kube.cluster.provider != "process":
        pytest.skip("only the cluster of processes has a node that can be lost: NARWHAL_CLUSTER_PROVIDER=process")
    world.namespace(NS)
    found = Bucket(world.store, NS).make()
    found.upload("long.mp4", world.files.long)
    try:
        call("node", "add", *image_archives("transcode").values())
        yield found
    finally:
        call("node", "remove")


def test_a_drained_node_costs_no_segment(world: World, bucket: Bucket) -> None:
    """Cordoned and evicted by API: its part goes on elsewhere, in the same attempt, with no failure counted."""
    spread(world, bucket, "drained")
    try:
        world.kube.run("drain", SECOND_NODE, "--delete-emptydir-data", "--timeout=120s", timeout=130)
        before = bucket.segments("vod/drained/")
        status = world.until(NS, "tcj", "drained", "Complete")
    finally:
        world.kube.run("uncordon", SECOND_NODE)
    assert lost(before, bucket.segments("vod/drained/")) == []
    (attempt,) = status["attempts"]
    assert attempt["stage"] == "Finish"
    assert status.get("failures", 0) == 0
    assert_whole(world, bucket, "drained")


def test_a_node_that_falls_silent_and_comes_back(world: World, bucket: Bucket) -> None:
    """Nobody says that its pod has ended: it is left behind, and what it had not stored is made elsewhere.

    When the node is back its pod, which knows of nothing, spoils nothing, and is cleared away with its Job.
    """
    owner = spread(world, bucket, "silent")
    call("node", "freeze")
    try:
        before = bucket.segments("vod/silent/")
        status = world.until(NS, "tcj", "silent", "Complete", SILENT_SECONDS)
        assert condition(world.kube.get(NS, "node", SECOND_NODE)["status"], "Ready")["status"] == "Unknown"
        assert left_behind(world, owner) != [], "it was forced away"
    finally:
        call("node", "thaw")
    assert lost(before, bucket.segments("vod/silent/")) == []
    first, *_, last = status["attempts"]
    assert (first["reason"], first["counted"], first["node"]) == ("PodLost", False, SECOND_NODE)
    assert last["reason"] == "Completed"
    assert status.get("failures", 0) == 0
    pointers = published(bucket, "silent")
    until(lambda: not left_behind(world, owner), 300, "the node has cleared its pod away")
    until(lambda: world.kube.find(NS, "job", first["job"]) is None, 60, "its Job is gone, too")
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
            {"key": TAINT, "operator": "Exists"},
            {"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
        ],
    }
    world.kube.apply(transcode(NS, name, "long.mp4", parallelism=2, template=template))
    until(lambda: len(bucket.segments(f"vod/{name}/")) >= SEGMENTS, 300, f"{SEGMENTS} segments are stored")
    owner = world.kube.get(NS, "tcj", name)
    until(lambda: any(on_second(pod) for pod in parts(world, owner)), 300, f"a part is made on {SECOND_NODE}")
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


def bytes_of(quantity: str) -> int:
    """Memory as the kubelet writes it: all of it in Ki, what is left of it for pods in bytes."""
    return int(quantity[:-2]) * 1024 if quantity.endswith("Ki") else int(quantity)
