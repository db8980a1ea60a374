"""One control plane with a Kueue for all tests here, one operator, and a namespace for each."""

from collections.abc import Iterator

import pytest

from tests.integration.operator.plane import Operator, Plane, control_plane, log_in
from tests.kueue.queues import Queues
from tests.kueue.server import kueue


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """API server, controllers, Kueue."""
    directory = tmp_path_factory.mktemp("plane")
    with control_plane(directory) as made, kueue(made.api, directory):
        yield made


@pytest.fixture(scope="session", autouse=True)
def operator(plane: Plane) -> Iterator[Operator]:
    """A running operator that polls no pods."""
    made = Operator(log_in(plane.api, plane.directory), plane.directory, {"NARWHAL_BACKOFF_SCALE": "0.05"})
    made.start()
    yield made
    if made.running:
        made.kill()


@pytest.fixture
def queues(plane: Plane, request: pytest.FixtureRequest) -> Iterator[Queues]:
    """A namespace of this test's own, and queues in it."""
    name = f"test-{abs(hash(request.node.nodeid)):x}"
    plane.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield Queues(plane, name)
    plane.ask("DELETE", f"/api/v1/namespaces/{name}")
