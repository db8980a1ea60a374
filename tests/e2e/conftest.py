"""The cluster as the tests find it, and what a failed test prints of it."""

import socket
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.cluster.model import Cluster
from tests.e2e import diagnostics, media
from tests.e2e.world import World, inhabited
from tests.support.seaweed import S3Server, seaweed

CLIP: Final = Path(__file__).parents[1] / "data" / "big-buck-bunny.mp4"
WORLD: Final = pytest.StashKey[World]()
TOLD: Final = pytest.StashKey[set[Path]]()


@pytest.fixture(scope="session")
def world(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[World]:
    """Narwhal on a real cluster, with a store and an origin."""
    scratch = tmp_path_factory.mktemp("e2e")
    with inhabited(cluster, media.make(CLIP, scratch), scratch) as made:
        request.config.stash[WORLD] = made
        yield made


@pytest.fixture(scope="session")
def seaweedfs(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS on this machine, at the address the nodes see of it."""
    nodes = world.kube.all("", "nodes")
    node = next(item["address"] for item in nodes[0]["status"]["addresses"] if item["type"] == "InternalIP")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as towards:
        towards.connect((node, 9))  # sends nothing: asks the routing table
        address: str = towards.getsockname()[0]
    with seaweed(tmp_path_factory.mktemp("seaweedfs"), address) as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds what the cluster says to the report of the first failed test of a module: the others often fail with it."""
    report = yield
    made, told = item.config.stash.get(WORLD, None), item.config.stash.setdefault(TOLD, set())
    if report.failed and made is not None and item.path not in told:
        told.add(item.path)
        report.sections += list(diagnostics.of(made.kube, made.namespaces))
    return report
