"""The pytest fixture `cluster`: import it into a conftest.py, or name this module in `pytest_plugins`."""

from collections.abc import Iterator

import pytest

from tests.cluster.model import Cluster
from tests.cluster.providers import choose, keep


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real Kubernetes for this session, taken down after it unless NARWHAL_KEEP_CLUSTER=1 or it was up before."""
    provider = choose()
    found = provider.up(tmp_path_factory.mktemp("cluster"))
    try:
        yield found
    finally:
        if not keep():
            provider.down()
