"""What a title goes through in its life on a cluster: too little disk, an upgrade, a limit, a change of mind, an end in mid-run."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cluster.command_line import image_archives
from tests.e2e.kube import Object, condition, is_true
from tests.e2e.manifests import SMALL, TWO_RUNGS, download, transcode
from tests.e2e.store import Bucket
from tests.e2e.waits import until
from tests.e2e.world import END_SECONDS, World

pytestmark = pytest.mark.cluster

NS: Final = "hardships"
QUEUED: Final = "hardships-queued"
FRAMES: Final = 2000  # of the long file: 80 s at 25 a second
SEGMENTS: Final = 12
"""Segments stored when something happens: of 40 for each of two rungs and the sound."""
IMAGE: Final = {"repository": "narwhal-operator", "tag": "next"}
NEXT: Final = "localhost/narwhal-operator:next"
CLEAR: Final[dict[str, Any]] = {"deletionPolicy": "Delete"}
FILL: Final = "open('/work/fill', 'wb').write(bytes(48 * 1024 * 1024))"


@pytest.fixture(scope="module")
def bucket(world: World) -> Bucket:
    """The bucket of the namespace, with two films in it."""
    world.namespace(NS)
    found = Bucket(world.store, NS).make()
    found.upload("long.mp4", world.files.long)
    found.upload("clip.mp4", world.files.clip)
    return found


@pytest.fixture(scope="module")
def overfull(world: World, bucket: Bucket) -> Iterator[str]:
    """A slow download whose pod has written more than it may: its node finds out within a minute or two, beside the other tests."""
    name, url = "overfull", world.serve("slow.bin", b"\0" * 24 * 1024 * 1024)
    slow = {"bandwidthLimit": "16Ki", "backoffLimit": 0, "template": stored_in("16Mi")}
    world.kube.apply(download(NS, name, url, **slow))
    world.kube.wait(NS, f"dlj/{name}", "jsonpath={.status.phase}=Downloading", END_SECONDS)
    (pod,) = world.kube.pods_of(world.kube.get(NS, "dlj", name))
    world.kube.run("exec", "--namespace", NS, pod["metadata"]["name"], "--", "python3", "-c", FILL)
    yield name
    world.kube.delete(NS, "dlj", name, seconds=END_SECONDS)


@pytest.fixture(scope="module")
def begun(world: World, bucket: Bucket, overfull: str) -> None:
    """Titles of the tests that follow, applied at once: each goes through its first part while another is looked at."""
    world.kube.apply(
        transcode(NS, "cut", "long.mp4", parallelism=2),
        transcode(NS, "narrow", "clip.mp4", backoffLimit=0, template=stored_in("64Ki")),
        transcode(NS, "grows", "clip.mp4", **CLEAR),
    )


def stored_in(size: str) -> dict[str, Any]:
    """A template of pods that may store so much."""
    return {"resources": SMALL | {"limits": {"memory": "768Mi", "ephemeral-storage": size}}}


def test_an_upgrade_in_mid_run_stops_nothing_and_a_limit_holds_from_then_on(
    world: World, bucket: Bucket, overfull: str
) -> None:
    """The pod that worked before Helm's upgrade, to another image, ends the title; of two that come after it no Jobs of both
    ever run at once.
    """
    world.kube.cluster.load_images([retagged(image_archives("operator")["operator"], NEXT, world.scratch / "next.tar")])
    world.namespace(QUEUED)
    Bucket(world.store, QUEUED).make().upload("clip.mp4", world.files.clip)
    world.kube.apply(transcode(NS, "upgraded", "long.mp4"))
    until(lambda: len(bucket.segments("vod/upgraded/")) >= SEGMENTS, END_SECONDS, f"{SEGMENTS} segments are stored")
    owner = world.kube.get(NS, "tcj", "upgraded")
    (pod,) = world.kube.pods_of(owner)
    world.release.install(images={"operator": IMAGE}, operator={"concurrency": {"perNamespace": 1}})
    assert {item["image"] for one in world.release.operator_pods() for item in one["spec"]["containers"]} >= {NEXT}
    try:
        pair = ("one", "other")
        world.kube.apply(*(transcode(QUEUED, name, "clip.mp4", parallelism=2) for name in pair))
        for name in pair:
            world.until(QUEUED, "tcj", name, "Complete")
        status = world.until(NS, "tcj", "upgraded", "Complete")
    finally:
        world.release.install()
    assert [(one["number"], one["pod"]) for one in status["attempts"]] == [(1, pod["metadata"]["name"])]
    assert len(world.kube.jobs_of(owner)) == 1
    assert bucket.fetch_ladder("vod/upgraded", world.scratch / NS).frames() == [FRAMES, FRAMES]
    one, other = (spans(world.kube.jobs_of(world.kube.get(QUEUED, "tcj", name))) for name in pair)
    both = [(mine, its) for mine in one for its in other if mine[0] < its[1] and its[0] < mine[1]]
    assert both == [], "a Job of each ran at the same time"


def retagged(archive: Path, name: str, to: Path) -> Path:
    """A docker-archive of the same image under another name."""
    with tarfile.open(archive) as old, tarfile.open(to, "w") as new:
        for member in old:
            content = old.extractfile(member) if member.isfile() else None
            if member.name == "manifest.json" and content is not None:
                listed = json.load(content)
                data = json.dumps([entry | {"RepoTags": [name]} for entry in listed]).encode()
                member.size, content = len(data), io.BytesIO(data)
            new.addfile(member, content)
    return to


def spans(jobs: list[Object]) -> list[tuple[str, str]]:
    """When each Job began and ended; as RFC 3339 they compare."""
    ends = {"Complete", "Failed"}
    return [
        (
            job["status"]["startTime"],
            next(c["lastTransitionTime"] for c in job["status"]["conditions"] if c["type"] in ends),
        )
        for job in jobs
    ]


def test_deleted_while_several_pods_work_it_leaves_nothing_behind(world: World, bucket: Bucket, begun: None) -> None:
    """No Job of any stage, no pod, no object: not even the plan that the pods shared."""
    until(lambda: len(bucket.segments("vod/cut/")) >= SEGMENTS, END_SECONDS, f"{SEGMENTS} segments are stored")
    owner = world.kube.get(NS, "tcj", "cut")
    world.kube.delete(NS, "tcj", "cut", seconds=END_SECONDS)
    until(
        lambda: not world.kube.jobs_of(owner) and not world.kube.pods_of(owner), END_SECONDS, "Jobs and pods are gone"
    )
    assert bucket.objects("vod/cut/") == {}


def test_an_input_that_does_not_fit_is_told_and_with_more_room_it_is_done(
    world: World, bucket: Bucket, begun: None
) -> None:
    """The condition names the field to raise; raised, and tried again as its user asks, the title is completed."""
    status = world.until(NS, "tcj", "narrow", "Failed")
    assert condition(status, "Ready")["reason"] == "ScratchFull"
    assert "spec.template.resources.limits.ephemeral-storage" in condition(status, "Ready")["message"]
    assert bucket.objects("vod/narrow/") == {}
    world.kube.apply(transcode(NS, "narrow", "clip.mp4", backoffLimit=0, template=stored_in("1Gi")))
    world.kube.run("annotate", "--namespace", NS, "tcj/narrow", f"narwhal.dev/retry={status['finishedAt']}")
    world.kube.wait(NS, "tcj/narrow", "condition=Complete", END_SECONDS)
    assert all(bucket.fetch_ladder("vod/narrow", world.scratch / NS).frames())


def test_a_rung_more_is_that_rung_alone_and_at_the_end_all_goes(world: World, bucket: Bucket, begun: None) -> None:
    """Segments of the other rungs are the same to the byte, and a note says where they are from; deletionPolicy takes it all."""
    name, prefix = "grows", "vod/grows/v/"
    old = world.until(NS, "tcj", name, "Complete")["result"]["version"]
    more = {"renditions": [*TWO_RUNGS["renditions"], {"name": "90p", "height": 90, "maxBitrate": "150k"}]}
    world.kube.apply(transcode(NS, name, "clip.mp4", ladder=more, **CLEAR))
    status = until(lambda: grown(world, name), END_SECONDS, "the larger ladder is complete")
    assert any(note.startswith("reused of version") for note in status["plan"]["notes"]), status["plan"]["notes"]
    made = {version: tags(bucket, f"{prefix}{version}/") for version in (old, status["result"]["version"])}
    before, after = made.values()
    assert before
    assert before.items() <= after.items()
    assert {path.partition("/")[0] for path in after.keys() - before.keys()} == {"90p"}
    world.kube.delete(NS, "tcj", name, seconds=END_SECONDS)
    assert bucket.objects(f"vod/{name}/") == {}


def grown(world: World, name: str) -> Object | None:
    """Its status, once that is Complete for the spec as it is now."""
    found = world.kube.get(NS, "tcj", name)
    current = found["status"].get("observedGeneration") == found["metadata"]["generation"]
    return found["status"] if current and is_true(found["status"], "Complete") else None


def tags(bucket: Bucket, prefix: str) -> dict[str, str]:
    """The ETags of the segments of a version."""
    return {key.removeprefix(prefix): made[0] for key, made in bucket.segments(prefix).items()}


def test_a_pod_that_fills_its_volume_is_evicted_and_that_is_told(world: World, overfull: str) -> None:
    """Not a disruption that is tried again for ever: Failed in the kubelet's words, with the field to raise."""
    status = world.until(NS, "dlj", overfull, "Failed")
    (attempt,) = status["attempts"]
    assert (attempt["reason"], attempt["counted"]) == ("ScratchFull", True)
    assert "evicted by its node" in attempt["message"]
    assert "spec.template.resources.limits.ephemeral-storage" in attempt["message"]
