"""Every file of config/samples, applied as it is, comes to the end it is there to show."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from narwhal_operator.contract.base import seconds_of
from tests.e2e import media
from tests.e2e.kube import Object, is_true
from tests.e2e.store import Bucket
from tests.e2e.world import MEDIA, World
from tests.support.swarm import make_torrent

pytestmark = pytest.mark.cluster

SAMPLES: Final = Path(__file__).parents[2] / "config" / "samples"
GROUP: Final = "narwhal.dev/"
CLIP_FRAMES: Final = 132
RATE: Final = 25
SONG: Final = "song"


def ours() -> Iterator[Object]:
    """The objects of our kinds in the samples."""
    for file in sorted(SAMPLES.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            if document["apiVersion"].startswith(GROUP):
                yield document


RESOURCES: Final = list(ours())
TRANSCODES: Final = [item for item in RESOURCES if item["kind"] == "TranscodingJob"]


def name_of(item: Object) -> str:
    """Kind and name, for test names."""
    return f"{item['kind']}-{item['metadata']['name']}"


def song(film: Path, file: Path) -> bytes:
    """The film's sound alone."""
    media.ffmpeg("-i", str(film), "-vn", "-c:a", "copy", str(file))
    return file.read_bytes()


def logo(file: Path) -> Path:
    """A picture of one colour, half transparent."""
    media.ffmpeg("-f", "lavfi", "-i", "color=c=red@0.5:s=64x64,format=rgba", "-frames:v", "1", str(file))
    return file


@pytest.fixture(scope="module")
def applied(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """All samples at once; the origin has the film they fetch, its digest, and a torrent that the origin itself serves."""
    clip = world.files.clip.read_bytes()
    film = world.serve("bbb.mp4", clip)
    world.serve("SHA256SUMS", f"{hashlib.sha256(clip).hexdigest()}  bbb.mp4\n".encode())
    torrent = make_torrent(tmp_path_factory.mktemp("torrent"), {"bbb.mp4": clip}, web_seeds=[film])
    world.serve("bbb.torrent", torrent.data)
    world.serve("song.m4a", song(world.files.clip, world.scratch / "song.m4a"))
    world.bucket("media").upload("brand/logo.png", logo(world.scratch / "logo.png"))
    world.kube.run("apply", "--filename", str(SAMPLES))
    return world


@pytest.mark.parametrize("sample", RESOURCES, ids=name_of)
def test_a_sample_comes_to_its_end(applied: World, sample: Object) -> None:
    """Complete (which a library is by all of its titles), or Suspended where it says so."""
    condition = "Suspended" if sample["spec"].get("suspend") else "Complete"
    status = applied.until(MEDIA, sample["kind"], sample["metadata"]["name"], condition)
    assert is_true(status, "Ready") is (condition == "Complete")


def test_a_suspended_sample_has_no_pod(applied: World) -> None:
    """It waits without using anything."""
    for sample in [item for item in RESOURCES if item["spec"].get("suspend")]:
        name = sample["metadata"]["name"]
        applied.until(MEDIA, sample["kind"], name, "Suspended")
        assert applied.kube.pods_of(applied.kube.get(MEDIA, sample["kind"], name)) == []


def test_a_plan_encodes_nothing(applied: World) -> None:
    """Mode Plan leaves the rungs in the status and nothing in the bucket."""
    for sample in [item for item in TRANSCODES if item["spec"].get("mode") == "Plan"]:
        status = applied.until(MEDIA, "tcj", sample["metadata"]["name"], "Complete")
        assert [rung["name"] for rung in status["plan"]["rungs"]] == ["720p", "480p", "360p"]
        assert status["plan"]["dropped"], "1080p is above the clip"
        assert Bucket(applied.store, "media").objects(sample["spec"]["output"]["prefix"]) == {}


PLAYED: Final = [
    item
    for item in TRANSCODES
    # Of an encrypted one the key server is not there; tests/integration/transcode/test_encryption.py plays those.
    if item["spec"].get("mode") != "Plan"
    and "encryption" not in item["spec"].get("packaging", {})
    and item["metadata"]["name"] != SONG
]


@pytest.mark.parametrize("sample", PLAYED, ids=name_of)
def test_a_transcoded_sample_plays_whole(applied: World, sample: Object) -> None:
    """Every rung decodes to the frames of the film, or of the part of it that is asked for."""
    frames = round(seconds_of(sample["spec"]["clip"]["duration"]) * RATE) if "clip" in sample["spec"] else CLIP_FRAMES
    name, prefix = sample["metadata"]["name"], sample["spec"]["output"]["prefix"]
    applied.until(MEDIA, "tcj", name, "Complete")
    ladder = Bucket(applied.store, "media").fetch_ladder(prefix, applied.scratch / name)
    assert ladder.frames() == [frames] * len(ladder.variants)
    assert len(ladder.variants) >= 2


def test_a_sample_of_sound_alone_plays_in_every_bit_rate(applied: World) -> None:
    """Each variant decodes without an error to what the song lasts; none of them has a picture."""
    (sample,) = (item for item in TRANSCODES if item["metadata"]["name"] == SONG)
    applied.until(MEDIA, "tcj", SONG, "Complete")
    ladder = Bucket(applied.store, "media").fetch_ladder(sample["spec"]["output"]["prefix"], applied.scratch / SONG)
    assert len(ladder.variants) == len(sample["spec"]["audio"]["bitrates"])
    assert "RESOLUTION" not in ladder.master
    lasts = media.seconds(applied.scratch / "song.m4a")
    for variant in ladder.variants:
        assert media.seconds(variant) == pytest.approx(lasts, abs=0.1)


def test_a_library_counts_its_titles(applied: World) -> None:
    """All complete, none failed; each title has its jobs and its master."""
    library: Any = next(item for item in RESOURCES if item["kind"] == "MediaLibrary")
    total = len(library["spec"]["items"])
    status = applied.until(MEDIA, "mlib", library["metadata"]["name"], "Ready")
    assert {key: status["counts"].get(key, 0) for key in ("total", "complete", "failed")} == {
        "total": total,
        "complete": total,
        "failed": 0,
    }
    prefix = library["spec"]["output"]["prefix"]
    masters = [key for key in Bucket(applied.store, "media").objects(prefix) if key.endswith("/master.m3u8")]
    assert sorted(masters) == sorted(f"{prefix}/{item['name']}/master.m3u8" for item in library["spec"]["items"])


def test_the_operator_is_forbidden_nothing_it_asks_for(applied: World) -> None:
    """Its rights are the least, and enough: no request of all these passes was refused."""
    assert applied.release.operator_log()
    assert applied.release.denials() == []
