"""A store full of errors, and a pod that dies when all that is left to do is the playlists."""

from typing import Any, Final

import pytest

from tests.e2e import media
from tests.e2e.kube import Object
from tests.e2e.manifests import transcode
from tests.e2e.store import Bucket
from tests.e2e.waits import until
from tests.e2e.world import END_SECONDS, World, storage_secret
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, S3Server
from tests.support.unwell import Unwell, unwell

pytestmark = pytest.mark.cluster

NS: Final = "store-errors"
NAME: Final = "ill"


def test_killed_before_the_playlists_at_a_store_full_of_errors_it_makes_no_segment_twice(
    world: World, seaweedfs: S3Server
) -> None:
    """Each read fails first with 503, each write with 500 after it was done; the pod dies when all it lacks is playlists."""
    world.namespace(NS)
    bucket = Bucket(seaweedfs.client, NS).make()
    bucket.upload("clip.mp4", world.files.clip)
    with unwell(seaweedfs.endpoint) as ill:
        ill.broken = is_playlist
        keys = {"endpoint": ill.endpoint, "accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET_KEY}
        world.kube.apply(storage_secret(NAME, **keys), namespace=NS)
        where: dict[str, Any] = {"bucket": NS, "storageRef": {"name": NAME}}
        source = {"s3": where | {"key": "clip.mp4"}}
        world.kube.apply(transcode(NS, NAME, "", input=source, output=where | {"prefix": f"vod/{NAME}"}))
        until(lambda: has_come_far(ill), END_SECONDS, "a playlist is to be stored")
        owner = world.kube.get(NS, "tcj", NAME)
        killed = {pod["metadata"]["name"] for pod in world.kube.pods_of(owner)}
        for name in killed:
            world.kube.kill(NS, name)
        before = bucket.segments(f"vod/{NAME}/")
        until(lambda: started(world, owner) - killed, END_SECONDS, "another pod has begun")
        ill.broken = lambda _request: False
        world.until(NS, "tcj", NAME, "Complete")
        assert ill.failed > len(before)
    assert before
    assert bucket.segments(f"vod/{NAME}/") == before
    ladder = bucket.fetch_ladder(f"vod/{NAME}", world.scratch / NAME)
    assert ladder.frames() == [media.frames(world.files.clip)] * 2


def is_playlist(request: str) -> bool:
    """Whether a playlist is to be stored."""
    return request.startswith("PUT") and ".m3u8" in request


def has_come_far(ill: Unwell) -> bool:
    """Whether all segments are stored: playlists come after them."""
    return any(map(is_playlist, tuple(ill.asked)))


def started(world: World, owner: Object) -> set[str]:
    """The names of its pods that run or have run."""
    return {pod["metadata"]["name"] for pod in world.kube.pods_of(owner) if pod["status"].get("phase") != "Pending"}
