"""Deleted at any stage: neither a Job nor a pod is left, and of the store's objects and uploads none that the job made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pytest

from tests.e2e.kube import Object, condition
from tests.e2e.manifests import download, transcode
from tests.e2e.store import Bucket
from tests.e2e.waits import until
from tests.e2e.world import END_SECONDS, World, storage_secret
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, S3Server
from tests.support.unwell import Unwell, unwell
from workers.download.record import record_key

pytestmark = pytest.mark.cluster

NS: Final = "deletions"
STORE: Final = "holding"
NOWHERE: Final[dict[str, Any]] = {"resources": {"requests": {"cpu": "9999"}, "limits": {"cpu": "9999"}}}
"""More than any node has. The sweep asks for what it needs itself, and finds one."""


@dataclass(frozen=True)
class Stage:
    """A job that goes as far as a request of its own that the store holds, or a pod that no node takes; and how that is seen."""

    kind: str
    spec: dict[str, Any]
    holds: Callable[[str], bool]
    told: Callable[[Object], bool]


def asks(method: str, *words: str) -> Callable[[str], bool]:
    """A request of this method whose target has all these words."""
    return lambda request: request.startswith(method) and all(word in request for word in words)


def nothing(_request: str) -> bool:
    """No request is held."""
    return False


def in_phase(*phases: str) -> Callable[[Object], bool]:
    """What the operator says of the job."""
    return lambda status: status.get("phase") in phases


def in_stage(stage: str) -> Callable[[Object], bool]:
    """The stage of a title by several pods."""
    return lambda status: bool(status.get("attempts")) and status["attempts"][-1].get("stage") == stage


def unscheduled(status: Object) -> bool:
    """No node takes the pod, and the status says so."""
    return "nodes are available" in condition(status, "Reconciling").get("message", "")


SEVERAL: Final[dict[str, Any]] = {"parallelism": 2}
STAGES: Final = {
    "pending": Stage("tcj", {"template": NOWHERE}, nothing, unscheduled),
    "fetching": Stage("tcj", {}, asks("GET", "/fetching.mp4"), in_phase("Fetching")),
    "encoding": Stage("tcj", {}, asks("PUT", "vod/encoding/", "00001.m4s"), in_phase("Encoding")),
    "verifying": Stage("tcj", {}, asks("PUT", "vod/verifying/", ".m3u8"), in_phase("Verifying")),
    "publishing": Stage("tcj", {}, asks("PUT", "vod/publishing/master.m3u8"), in_phase("Publishing")),
    "plan": Stage("tcj", SEVERAL, asks("GET", "/plan.mp4"), in_stage("Plan")),
    "range": Stage("tcj", SEVERAL, asks("PUT", "vod/range/", "00001.m4s"), in_stage("Range")),
    "finish": Stage("tcj", SEVERAL, asks("PUT", "vod/finish/", ".m3u8"), in_stage("Finish")),
    "beginning": Stage(
        "dlj", {}, asks("POST", "sources/beginning.mp4", "uploads"), in_phase("Connecting", "Downloading")
    ),
    "storing": Stage(
        "dlj", {}, asks("PUT", "sources/storing.mp4", "partNumber=2"), in_phase("Downloading", "Verifying")
    ),
    "completing": Stage("dlj", {}, asks("POST", "sources/completing.mp4", "uploadId"), in_phase("Verifying")),
}


@dataclass(frozen=True)
class Gone:
    """Jobs that were deleted, each held in its stage then."""

    bucket: Bucket
    owners: dict[str, Object]


@pytest.fixture(scope="module")
def store(world: World, seaweedfs: S3Server) -> Iterator[Unwell]:
    """A store that holds what the stages say; the inputs are in it, one for each title."""
    world.namespace(NS)
    bucket = Bucket(seaweedfs.client, NS).make()
    with unwell(seaweedfs.endpoint) as holding:
        holding.first_fails = False
        holding.held = lambda request: any(stage.holds(request) for stage in STAGES.values())
        keys = {"endpoint": holding.endpoint, "accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET_KEY}
        world.kube.apply(storage_secret(STORE, **keys), namespace=NS)
        for name, stage in STAGES.items():
            if stage.kind == "tcj":
                bucket.upload(f"{name}.mp4", world.files.long if stage.spec == SEVERAL else world.files.clip)
        yield holding


@pytest.fixture(scope="module")
def gone(world: World, seaweedfs: S3Server, store: Unwell) -> Gone:
    """All are applied at once; when each is in its stage, all are deleted, by one command."""
    url = world.serve("deletions.bin", b"\0\0\0\x18ftypisom" + bytes(24 * 1024 * 1024))
    world.kube.apply(*(manifest(name, stage, url) for name, stage in STAGES.items()))
    for name, stage in STAGES.items():
        until(partial(reached, world, store, name, stage), END_SECONDS, f"{name} is held")
    owners = {name: world.kube.get(NS, stage.kind, name) for name, stage in STAGES.items()}
    for kind in ("tcj", "dlj"):
        names = [name for name, stage in STAGES.items() if stage.kind == kind]
        world.kube.run("delete", "--namespace", NS, kind, *names, "--wait=false")
    return Gone(Bucket(seaweedfs.client, NS), owners)


def manifest(name: str, stage: Stage, url: str) -> Object:
    """The resource that is to be held in a stage."""
    where: dict[str, Any] = {"bucket": NS, "storageRef": {"name": STORE}}
    if stage.kind == "dlj":
        return download(NS, name, url, destination=where | {"key": f"sources/{name}.mp4"}, **stage.spec)
    source = {"s3": where | {"key": f"{name}.mp4"}}
    return transcode(NS, name, "", input=source, output=where | {"prefix": f"vod/{name}"}, **stage.spec)


def reached(world: World, store: Unwell, name: str, stage: Stage) -> bool:
    """Whether a job is in its stage: what is held was asked for, and the operator says where it is."""
    asked = stage.holds is nothing or any(map(stage.holds, tuple(store.asked)))
    return asked and stage.told(world.kube.status(NS, stage.kind, name))


@pytest.mark.parametrize("name", STAGES)
def test_deleted_in_this_stage_it_leaves_nothing_behind(world: World, gone: Gone, name: str) -> None:
    """Its worker is told to end though the store does not answer it; then the resource, its Jobs, pods, objects and uploads go."""
    stage, owner = STAGES[name], gone.owners[name]
    until(lambda: world.kube.find(NS, stage.kind, name) is None, END_SECONDS, f"{name} is gone")
    until(
        lambda: not world.kube.jobs_of(owner) and not world.kube.pods_of(owner), END_SECONDS, "Jobs and pods are gone"
    )
    if stage.kind == "dlj":
        key = f"sources/{name}.mp4"
        assert (gone.bucket.objects(key), gone.bucket.uploads(key)) == ({}, [])
        assert gone.bucket.objects(record_key(key)) == {}
    else:
        assert gone.bucket.objects(f"vod/{name}/") == {}
        assert f"{name}.mp4" in gone.bucket.objects(), "the input is not ours to remove"
