"""What a cluster does to a worker that is none of its faults: no memory, a store that is away."""

import time
from typing import Any, Final

import pytest

from tests.e2e.manifests import SMALL, transcode
from tests.e2e.store import Bucket
from tests.e2e.world import World, storage_secret
from tests.support.processes import until
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, S3Server

pytestmark = pytest.mark.cluster

NS: Final = "faults"
FRAMES: Final = 2000  # of the long file: 80 s at 25 a second
AWAY_SECONDS: Final = 60.0
SEGMENTS: Final = 12
"""Segments stored when the store freezes: of 40 for each of two rungs and the audio."""


def test_a_pod_without_enough_memory_gets_more(world: World) -> None:
    """Killed by the kernel for its limit: the next attempts have half as much again each, and one comes through."""
    world.namespace(NS)
    bucket = Bucket(world.store, NS).make()
    bucket.upload("clip.mp4", world.files.clip)
    world.kube.apply(transcode(NS, "small", "clip.mp4", template={"resources": limited("64Mi")}))
    status = world.until(NS, "tcj", "small", "Complete")
    *killed, last = status["attempts"]
    assert killed
    assert {attempt["reason"] for attempt in killed} == {"OutOfMemory"}
    assert last["reason"] == "Completed"
    memory = [mebibytes(attempt["memory"]) for attempt in status["attempts"]]
    assert memory == [64 * 1.5**number for number in range(len(memory))]


def test_a_store_that_is_away_for_a_minute_costs_no_stored_segment(world: World, seaweedfs: S3Server) -> None:
    """It takes connections and answers none; when it answers again the title is completed, and no segment was made twice."""
    world.namespace(NS)
    bucket = Bucket(seaweedfs.client, NS).make()
    bucket.upload("long.mp4", world.files.long)
    keys = {"endpoint": seaweedfs.endpoint, "accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET_KEY}
    world.kube.apply(storage_secret("seaweedfs", **keys), namespace=NS)
    where: dict[str, Any] = {"bucket": NS, "storageRef": {"name": "seaweedfs"}}
    source = {"s3": where | {"key": "long.mp4"}}
    world.kube.apply(transcode(NS, "away", "", input=source, output=where | {"prefix": "vod/away"}))
    until(lambda: len(bucket.segments("vod/away/")) >= SEGMENTS, 120, f"{SEGMENTS} segments are stored")
    before = bucket.segments("vod/away/")
    with seaweedfs.frozen():
        time.sleep(AWAY_SECONDS)  # how long it is away is what the test is about
    status = world.until(NS, "tcj", "away", "Complete")
    after = bucket.segments("vod/away/")
    assert [key for key, made in before.items() if after.get(key) != made] == []
    assert {attempt["reason"] for attempt in status["attempts"]} <= {"Completed", "StoreUnreachable", "StoreError"}
    ladder = bucket.fetch_ladder("vod/away", world.scratch / "away")
    assert ladder.frames() == [FRAMES, FRAMES]


def limited(memory: str) -> dict[str, Any]:
    """Resources of a worker with so much memory at most."""
    return SMALL | {"limits": {"memory": memory}}


def mebibytes(quantity: str) -> float:
    """A quantity of memory as the operator writes it."""
    unit = quantity[-2:]
    return float(quantity[:-2]) * {"Ki": 1 / 1024, "Mi": 1.0, "Gi": 1024.0}[unit]
