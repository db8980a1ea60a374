"""From apply to a ladder that plays, as a user watches it, on two makes of S3."""

import re
from typing import Final

import pytest

from tests.e2e.kube import condition, is_true
from tests.e2e.manifests import SMALL, download, transcode
from tests.e2e.store import Bucket
from tests.e2e.world import END_SECONDS, World, storage_secret
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, S3Server

pytestmark = pytest.mark.cluster

NS: Final = "playable"
NAME: Final = "film"
FRAMES: Final = 2000  # of the long file
CLIP_FRAMES: Final = 132
COLUMNS: Final = ["NAME", "PHASE", "PROGRESS", "SPEED", "ETA", "RUNGS", "READY", "AGE"]
PHASES: Final = ["Pending", "Starting", "Probing", "Fetching", "Encoding", "Verifying", "Publishing", "Complete"]


@pytest.fixture(scope="module")
def lines(world: World) -> list[str]:
    """What `kubectl get tcj --watch` prints from apply to Complete, for a film that is fetched first."""
    world.namespace(NS)
    world.bucket(NS)
    url = world.serve("film.mp4", world.files.long.read_bytes())
    fetched = {"downloadJobRef": {"name": NAME}}
    one = {"resources": SMALL | {"limits": {"cpu": "1", "memory": "768Mi"}}}  # long enough to be watched, anywhere
    with world.kube.watching(world.scratch / "watch.txt", NS, "tcj") as printed:
        world.kube.apply(download(NS, NAME, url), transcode(NS, NAME, "", input=fetched, template=one))
        world.kube.wait(NS, f"tcj/{NAME}", "condition=Complete", END_SECONDS)
        world.kube.wait(NS, f"dlj/{NAME}", "condition=Complete", 1)
        return printed()


def test_the_columns_are_those_of_the_api(lines: list[str]) -> None:
    """NAME PHASE PROGRESS SPEED ETA RUNGS READY AGE."""
    assert lines[0].split() == COLUMNS


def test_progress_is_seen_to_grow_and_never_goes_back(lines: list[str]) -> None:
    """Percents rise through at least four values, beside a speed and the time that remains."""
    percents = [int(found[1]) for line in lines if (found := re.search(r"\b(\d+)%", line))]
    assert percents == sorted(percents)
    assert len(set(percents)) >= 4, lines
    assert any(re.search(r"\b\d+\.\dx\s+\d+[smh]", line) for line in lines), lines


def test_phases_come_in_their_order(lines: list[str]) -> None:
    """A phase that was left does not come again, and Encoding is seen."""
    phases = [line.split()[1] for line in lines[1:] if line.split()[1] in PHASES]
    assert phases == sorted(phases, key=PHASES.index), lines
    assert "Encoding" in phases


def test_a_complete_job_says_what_it_made(lines: list[str], world: World) -> None:
    """Ready and Complete hold for this generation, and the result tells what was verified and published."""
    found = world.kube.get(NS, "tcj", NAME)
    status, result = found["status"], found["status"]["result"]
    assert is_true(status, "Ready")
    assert condition(status, "Ready")["observedGeneration"] == found["metadata"]["generation"]
    assert result["masterUrl"].endswith(f"vod/{NAME}/master.m3u8")
    assert result["verification"]["failed"] == 0
    assert result["verification"]["frames"] == FRAMES
    assert "finalizers" not in found["metadata"]


def test_every_rung_decodes_to_every_frame(lines: list[str], world: World) -> None:
    """The ladder, fetched over S3 as a player does, decodes strictly and whole."""
    ladder = Bucket(world.store, NS).fetch_ladder(f"vod/{NAME}", world.scratch / "ladder")
    assert ladder.frames() == [FRAMES, FRAMES]
    assert len(ladder.audio) == 1


def test_a_master_says_what_a_player_needs(lines: list[str], world: World) -> None:
    """Each variant has its rates, codecs, size, frame rate and audio (RFC 8216 section 4.3.4.2)."""
    master = Bucket(world.store, NS).read(f"vod/{NAME}/master.m3u8").decode()
    variants = [line for line in master.splitlines() if line.startswith("#EXT-X-STREAM-INF:")]
    assert len(variants) == 2
    for name in ("BANDWIDTH", "AVERAGE-BANDWIDTH", "CODECS", "RESOLUTION", "FRAME-RATE", "AUDIO"):
        assert all(f"{name}=" in variant for variant in variants), name


def test_a_pod_of_ours_is_confined(lines: list[str], world: World) -> None:
    """The namespace enforces `restricted`, and the pods go further: no token, no writable root."""
    pods = world.kube.all(NS, "pods", "app.kubernetes.io/managed-by=narwhal-operator")
    assert pods
    for pod in pods:
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert all(item["securityContext"]["readOnlyRootFilesystem"] for item in pod["spec"]["containers"])


def test_another_make_of_store_serves_as_well(world: World, seaweedfs: S3Server) -> None:
    """SeaweedFS takes the source and the ladder; MinIO has had the others."""
    world.namespace(NS)
    bucket = Bucket(seaweedfs.client, "seaweed").make()
    keys = {"endpoint": seaweedfs.endpoint, "accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET_KEY}
    world.kube.apply(storage_secret("seaweedfs", **keys), namespace=NS)
    url, ref = world.serve("clip.mp4", world.files.clip.read_bytes()), {"storageRef": {"name": "seaweedfs"}}
    to, out = {"bucket": "seaweed", "key": "clip.mp4"} | ref, {"bucket": "seaweed", "prefix": "vod/clip"} | ref
    fetched = {"downloadJobRef": {"name": "on-seaweedfs"}}
    world.kube.apply(
        download(NS, "on-seaweedfs", url, destination=to),
        transcode(NS, "on-seaweedfs", "", input=fetched, output=out),
    )
    world.until(NS, "tcj", "on-seaweedfs", "Complete")
    ladder = bucket.fetch_ladder("vod/clip", world.scratch / "seaweed")
    assert ladder.frames() == [CLIP_FRAMES, CLIP_FRAMES]
