"""What the schema can know to be wrong is refused by `kubectl apply`, all of it in one message."""

from typing import Any, Final

import pytest

from tests.cluster.errors import ClusterError
from tests.e2e.manifests import download, transcode
from tests.e2e.world import World

pytestmark = pytest.mark.cluster

NS: Final = "refusals"
URL: Final = "https://origin.example/film.mp4"
MAGNET: Final = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"bandwith": "1Mi"}, ["unknown field", "bandwith"]),
        ({"source": {"http": {"urls": [URL]}, "torrent": {"magnet": MAGNET}}}, ["set exactly one source"]),
        ({"maxBytes": -5}, ["spec.maxBytes"]),
        ({"stallTimeout": "soon"}, ["spec.stallTimeout"]),
        (
            {"stallTimeout": "soon", "connections": 0, "backoffLimit": -1},
            ["stallTimeout", "connections", "backoffLimit"],
        ),
    ],
    ids=["unknown-field", "two-sources", "negative-size", "bad-duration", "several"],
)
def test_a_wrong_spec_is_refused_with_the_fields_at_fault(world: World, spec: dict[str, Any], says: list[str]) -> None:
    """One message names every field, and nothing is created."""
    world.namespace(NS)
    with pytest.raises(ClusterError) as refusal:
        world.kube.apply(download(NS, "wrong", URL, **spec))
    for words in says:
        assert words in str(refusal.value)
    assert world.kube.find(NS, "dlj", "wrong") is None


def test_an_input_is_immutable(world: World) -> None:
    """Another input asks for another job, and the message says so."""
    world.namespace(NS)
    world.kube.apply(transcode(NS, "fixed", "one.mp4", suspend=True))
    with pytest.raises(ClusterError, match="input is immutable; create another TranscodingJob"):
        world.kube.apply(transcode(NS, "fixed", "two.mp4", suspend=True))
