"""Downloads that are interrupted at their half: what is stored is not fetched again, whatever goes, on two makes of S3."""

import hashlib
import random
from typing import Any, Final

import pytest

from tests.e2e.kube import Object, condition, is_true
from tests.e2e.manifests import download
from tests.e2e.store import Bucket
from tests.e2e.waits import until
from tests.e2e.world import SECRET_KEY, World, storage_secret
from tests.support.seaweed import ACCESS_KEY, S3Server
from tests.support.seaweed import SECRET_KEY as WEED_KEY
from workers.download.upload import part_bytes

pytestmark = pytest.mark.cluster

NS: Final = "downloads"
DLJ: Final = "downloadjob"
SIZE: Final = 32 * 1024 * 1024 + 12_345
PART: Final = part_bytes(1, SIZE)
"""Of a multipart upload, for files of this size."""
HALF: Final = SIZE // 2
CONNECTIONS: Final = 4
STEP_SECONDS: Final = 300.0
MINIO: Final = "narwhal-storage"
SEAWEEDFS: Final = "seaweedfs"
LOST: Final = ("lost-minio", "lost-seaweedfs")
DRAINED: Final = ("drained-minio", "drained-seaweedfs")
JOBS: Final = dict(zip((*LOST, *DRAINED), (MINIO, SEAWEEDFS) * 2, strict=True)) | {"diskless": MINIO}
"""Downloads that are interrupted, each with the Secret of its store."""


def content(name: str) -> bytes:
    """Bytes of a film that is none, the same in each run; they begin as an MP4 does."""
    return b"\0\0\0\x18ftypisom" + random.Random(name).randbytes(SIZE - 12)  # noqa: S311 - the same bytes in each run


@pytest.fixture(scope="module")
def minio(world: World) -> Bucket:
    """The bucket of the namespace."""
    world.namespace(NS)
    return world.bucket(NS)


@pytest.fixture(scope="module")
def buckets(world: World, minio: Bucket, seaweedfs: S3Server) -> dict[str, Bucket]:
    """A bucket of each make of store, by the Secret that names the store."""
    world.kube.apply(seaweedfs_secret(seaweedfs), namespace=NS)
    return {MINIO: minio, SEAWEEDFS: Bucket(seaweedfs.client, NS).make()}


@pytest.fixture(scope="module")
def halves(world: World, buckets: dict[str, Bucket]) -> dict[str, Object]:
    """Downloads that their origin holds at their half, all of which is stored but for the part that is not full."""
    for name, secret in JOBS.items():
        url = world.serve(path_of(name), content(name))
        to = {"bucket": NS, "key": key_of(name), "storageRef": {"name": secret}}
        world.kube.apply(download(NS, name, url, destination=to, connections=CONNECTIONS, stallTimeout="10m"))
    for name, secret in JOBS.items():

        def stored(name: str = name, bucket: Bucket = buckets[secret]) -> bool:
            # At least: what a connection had on its way when another took over the rest of its span is sent twice.
            return world.sent(path_of(name)) >= HALF and bucket.parts(key_of(name)) >= HALF // PART * PART

        until(stored, STEP_SECONDS, f"half of {name} is stored")
        assert key_of(name) not in buckets[secret].objects()
    return {name: world.kube.get(NS, DLJ, name) for name in JOBS}


@pytest.fixture(scope="module")
def struck(world: World, halves: dict[str, Object]) -> dict[str, str]:
    """Pods are killed without grace, and others drained from their node, on each make of store; what is said of these.

    At once, for the cluster takes ten seconds to make a pod anew. Then the node is back, and the origin lets go.
    """
    for name in LOST:
        (pod,) = world.kube.pods_of(halves[name])
        world.kube.kill(NS, pod["metadata"]["name"])
    (pod,) = world.kube.pods_of(halves[DRAINED[0]])
    node = pod["spec"]["nodeName"]
    uids = ",".join(halves[name]["metadata"]["uid"] for name in DRAINED)
    selector = f"--pod-selector=narwhal.dev/uid in ({uids})"
    try:
        world.kube.run("drain", node, selector, "--delete-emptydir-data", "--timeout=180s", timeout=190)
        said = {name: waited(world, name) for name in DRAINED}
    finally:
        world.kube.run("uncordon", node)
    for name in (*LOST, *DRAINED):
        world.open(path_of(name))
    return said


def waited(world: World, name: str) -> str:
    """What the status says, once it does, while no node takes the pod."""
    return until(lambda: waiting(world, name), STEP_SECONDS, f"the next pod of {name} waits for a node")


def waiting(world: World, name: str) -> str:
    """What the status says while no node takes the pod; empty before."""
    said: str = condition(world.kube.status(NS, DLJ, name), "Reconciling").get("message", "")
    return said if "unschedulable" in said.lower() or "nodes are available" in said else ""


def path_of(name: str) -> str:
    """Where a file is on the origin."""
    return f"held/{name}.mp4"


def key_of(name: str) -> str:
    """Where it goes in the bucket."""
    return f"sources/{name}.mp4"


def seaweedfs_secret(server: S3Server) -> Object:
    """The Secret of SeaweedFS."""
    keys = {"endpoint": server.endpoint, "accessKeyId": ACCESS_KEY, "secretAccessKey": WEED_KEY}
    return storage_secret(SEAWEEDFS, **keys)


def assert_whole(world: World, bucket: Bucket, name: str) -> None:
    """The download ends with the right bytes, at most one part a connection of them fetched twice."""
    status = world.until(NS, DLJ, name, "Complete")
    wanted = content(name)
    found = bucket.read(key_of(name))
    assert hashlib.sha256(found).digest() == hashlib.sha256(wanted).digest()
    assert status["artifact"]["sha256"] == hashlib.sha256(wanted).hexdigest()
    assert world.sent(path_of(name)) - SIZE <= CONNECTIONS * PART
    assert world.sent(path_of(name)) < SIZE + HALF, "it began anew"
    assert bucket.uploads(key_of(name)) == []
    assert (status["failures"], status["progress"]["percent"]) == (0, 100)


@pytest.mark.parametrize("name", LOST)
def test_a_lost_pod_costs_at_most_a_part_a_connection(
    world: World, buckets: dict[str, Bucket], struck: dict[str, str], name: str
) -> None:
    """Killed without grace at its half: the next pod goes on from the parts in the store, and nobody is blamed."""
    assert_whole(world, buckets[JOBS[name]], name)


@pytest.mark.parametrize("name", DRAINED)
def test_a_drained_node_is_waited_for(
    world: World, buckets: dict[str, Bucket], struck: dict[str, str], name: str
) -> None:
    """Cordon and evict: the follower of the pod waits for a node, says so, and goes on where it was."""
    assert "0/" in struck[name]
    assert_whole(world, buckets[JOBS[name]], name)


@pytest.mark.parametrize("store", [MINIO, SEAWEEDFS])
def test_a_wrong_secret_is_told_and_once_mended_it_goes_on(
    world: World, buckets: dict[str, Bucket], seaweedfs: S3Server, store: str
) -> None:
    """The reason names what to mend while it waits; nothing but the Secret is touched, and the job completes."""
    name, secret = f"mended-{store}", f"wrong-for-now-{store}"
    url = world.serve(path_of(name), content(name))
    world.open(path_of(name))
    keys = {"endpoint": seaweedfs.endpoint, "accessKeyId": ACCESS_KEY} if store == SEAWEEDFS else {}
    world.kube.apply(storage_secret(secret, **keys, secretAccessKey="no-such-key"), namespace=NS)
    to: dict[str, Any] = {"bucket": NS, "key": key_of(name), "storageRef": {"name": secret}}
    world.kube.apply(download(NS, name, url, destination=to, backoffLimit=20))
    until(lambda: ready_reason(world, name) == "StoreAccessDenied", STEP_SECONDS, "the wrong Secret is told")
    assert world.sent(path_of(name)) == 0
    right = WEED_KEY if store == SEAWEEDFS else SECRET_KEY
    world.kube.apply(storage_secret(secret, **keys, secretAccessKey=right), namespace=NS)
    status = world.until(NS, DLJ, name, "Complete")
    ends = [attempt.get("reason") for attempt in status["attempts"]]
    assert ends[-1] == "Completed"
    assert set(ends[:-1]) == {"StoreAccessDenied"}
    assert buckets[store].read(key_of(name)) == content(name)


def ready_reason(world: World, name: str) -> str:
    """Why it is not Ready."""
    found = condition(world.kube.status(NS, DLJ, name), "Ready")
    assert not is_true(world.kube.status(NS, DLJ, name), "Failed"), found
    reason: str = found.get("reason", "")
    return reason


def test_no_download_asks_for_a_disk(world: World, minio: Bucket, halves: dict[str, Object]) -> None:
    """No claim is made, and no pod mounts one: the bytes go straight to the store."""
    (pod,) = world.kube.pods_of(halves["diskless"])
    kinds = {kind for volume in pod["spec"]["volumes"] for kind in volume if kind != "name"}
    assert kinds == {"downwardAPI", "emptyDir", "secret"}
    assert world.kube.all(NS, "persistentvolumeclaims") == []
    world.open(path_of("diskless"))
    assert_whole(world, minio, "diskless")
