"""The cluster as the tests find it, and what a failed test prints of it."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.cluster.model import Cluster
from tests.e2e import diagnostics, media
from tests.e2e.world import World, inhabited

CLIP: Final = Path(__file__).parents[1] / "data" / "big-buck-bunny.mp4"
WORLD: Final = pytest.StashKey[World]()


@pytest.fixture(scope="session")
def world(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[World]:
    """Narwhal on a real cluster, with a store and an origin."""
    scratch = tmp_path_factory.mktemp("e2e")
    with inhabited(cluster, media.make(CLIP, scratch), scratch) as made:
        request.config.stash[WORLD] = made
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds what the cluster says to the report of a failed test."""
    report = yield
    made = item.config.stash.get(WORLD, None)
    if report.failed and made is not None:
        report.sections += list(diagnostics.of(made.kube, made.namespaces))
    return report
