"""A torrent from a swarm inside the cluster, by the name that the admin allows, to objects that a transcode picks from."""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import pytest

from narwhal_operator.contract.common import resource
from tests.cluster import images
from tests.e2e import manifests
from tests.e2e.kube import Object, condition
from tests.e2e.manifests import SMALL, transcode
from tests.e2e.store import Bucket
from tests.e2e.waits import until
from tests.e2e.world import END_SECONDS, MEDIA, World, ask

pytestmark = pytest.mark.cluster

NS: Final = "torrents"
EPISODE: Final = "S1/e1.mp4"
FILM: Final = "film.mp4"
NOTES: Final = "extras/notes.txt"
CLIP_SECONDS: Final = 5.3
LONG_SECONDS: Final = 80


@pytest.fixture(scope="module")
def torrent(world: World) -> Iterator[bytes]:
    """The .torrent file of a show of three files that the swarm in the cluster seeds."""
    world.namespace(NS)
    world.bucket(NS)
    world.kube.apply(*manifests.swarm(images.tag("torrent")), namespace=MEDIA)
    world.kube.run("rollout", "status", "--namespace", MEDIA, "deployment/swarm", "--timeout=180s", timeout=190)
    with world.kube.cluster.port_forward(MEDIA, "service/swarm", 80) as port:
        for path, data in contents(world).items():
            ask("PUT", f"http://127.0.0.1:{port}/files/show/{path}", data)
        yield ask("POST", f"http://127.0.0.1:{port}/seed/show")
    world.kube.delete(MEDIA, "deployment", "swarm")


def contents(world: World) -> dict[str, bytes]:
    """The files of the show."""
    clip, film = world.files.clip.read_bytes(), world.files.long.read_bytes()
    return {EPISODE: clip, FILM: film + bytes(max(0, len(clip) + 1 - len(film))), NOTES: b"Thanks for seeding.\n"}


@pytest.fixture(scope="module")
def fetched(world: World, torrent: bytes) -> Object:
    """The status of a DownloadJob of the whole show, by an object that is the .torrent file."""
    Bucket(world.store, NS).write("show.torrent", torrent)
    world.kube.apply(of_torrent("show", {"object": {"bucket": NS, "key": "show.torrent"}}))
    return world.until(NS, "dlj", "show", "Complete")


def of_torrent(name: str, source: dict[str, Any], **spec: Any) -> Object:
    """A DownloadJob of a torrent."""
    base = {
        "source": {"torrent": {"stallTimeout": "60s", **source}},
        "destination": {"bucket": NS, "key": f"sources/{name}"},
        "template": {"resources": SMALL},
    }
    return resource("DownloadJob", name, NS, base | spec)


def sha256(data: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(data).hexdigest()


def test_every_file_of_a_torrent_is_an_object(world: World, fetched: Object) -> None:
    """The status lists them, the film first, and the bytes are those that were seeded."""
    bucket, artifact = Bucket(world.store, NS), fetched["artifact"]
    wanted = {f"sources/show/{path}": sha256(data) for path, data in contents(world).items()}
    assert {file["key"]: file["sha256"] for file in artifact["files"]} == wanted
    assert {key: sha256(bucket.read(key)) for key in bucket.objects("sources/show/")} == wanted
    assert (artifact["key"], artifact["fileCount"]) == (f"sources/show/{FILM}", 3)
    assert artifact["sha256"] == wanted[artifact["key"]]


def test_its_pod_is_of_the_image_with_libtorrent(world: World, fetched: Object) -> None:
    """Only downloads of torrents are."""
    (pod,) = world.kube.pods_of(world.kube.get(NS, "dlj", "show"))
    assert pod["spec"]["containers"][0]["image"] == images.tag("torrent")


def test_a_magnet_link_with_patterns_makes_one_object(world: World, torrent: bytes) -> None:
    """The metadata comes from the swarm; the one file that matches becomes the key itself."""
    import libtorrent as lt

    found = lt.load_torrent_buffer(torrent).ti
    assert found is not None
    magnet = f"magnet:?xt=urn:btih:{found.info_hashes().v1}&tr=http://swarm.media.svc/announce"
    world.kube.apply(of_torrent("episode", {"magnet": magnet, "files": ["S1/*"]}))
    status = world.until(NS, "dlj", "episode", "Complete")
    assert status["artifact"]["key"] == "sources/episode"
    assert "files" not in status["artifact"]
    assert Bucket(world.store, NS).read("sources/episode") == contents(world)[EPISODE]


def test_a_torrent_file_is_fetched_from_a_host_that_the_admin_names(world: World, torrent: bytes) -> None:
    """Over HTTP from a private address, allowed by its name alone; the digest of the one file that is chosen is checked."""
    digest = sha256(contents(world)[NOTES])
    source = {"url": "http://swarm.media.svc/show.torrent", "files": ["**/notes.txt"]}
    world.kube.apply(of_torrent("notes", source, checksum={"sha256": digest}))
    status = world.until(NS, "dlj", "notes", "Complete")
    assert (status["artifact"]["key"], status["artifact"]["sha256"]) == ("sources/notes", digest)


@pytest.mark.parametrize(("file", "seconds"), [(None, LONG_SECONDS), ("s1/*.MP4", CLIP_SECONDS)])
def test_a_transcode_takes_the_film_or_the_file_it_names(
    world: World, fetched: Object, file: str | None, seconds: float
) -> None:
    """Without a word the largest video; with a pattern the file that matches."""
    name = "plan-file" if file else "plan-film"
    ref = {"name": "show"} | ({"file": file} if file else {})
    world.kube.apply(transcode(NS, name, "", input={"downloadJobRef": ref}, mode="Plan"))
    status = world.until(NS, "tcj", name, "Complete")
    assert status["plan"]["durationSeconds"] == pytest.approx(seconds, abs=0.3)


def test_a_pattern_that_fits_nothing_ends_with_the_names_there_are(world: World, fetched: Object) -> None:
    """No pod is started; the message names candidates."""
    ref = {"name": "show", "file": "*.avi"}
    world.kube.apply(transcode(NS, "unmatched", "", input={"downloadJobRef": ref}))

    def failed() -> Object:
        return condition(world.kube.status(NS, "tcj", "unmatched"), "Failed")

    found = until(failed, END_SECONDS, "it is Failed")
    assert found["reason"] == "InputFileUnmatched"
    assert FILM in found["message"]
    assert EPISODE in found["message"]
    assert world.kube.jobs_of(world.kube.get(NS, "tcj", "unmatched")) == []


def test_a_tracker_that_nobody_allowed_is_refused(world: World, torrent: bytes) -> None:
    """The swarm's other name leads to the same address, and is not on the admin's list."""
    magnet = f"magnet:?xt=urn:btih:{'a' * 40}&tr=http://swarm.media.svc.cluster.local/announce"
    world.kube.apply(of_torrent("forbidden", {"magnet": magnet}))

    def failed() -> Object:
        return condition(world.kube.status(NS, "dlj", "forbidden"), "Failed")

    found = until(failed, END_SECONDS, "it is Failed")
    assert found["reason"] == "AddressForbidden"
    assert "swarm.media.svc.cluster.local" in found["message"]
