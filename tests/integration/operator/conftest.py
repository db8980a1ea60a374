"""One control plane for all tests here; an operator and a namespace for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.operator.plane import Operator, Plane, control_plane, log_in
from tests.support.processes import free_ports


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """API server and controllers, with our CRDs."""
    directory = tmp_path_factory.mktemp("plane")
    with control_plane(directory) as made:
        yield made


@pytest.fixture(scope="session")
def login(plane: Plane) -> Path:
    """The kubeconfig of the operator."""
    return log_in(plane.api, plane.directory)


@pytest.fixture(scope="session")
def progress_port() -> int:
    """Where workers are asked for their progress: a pod here has the address of this machine."""
    (port,) = free_ports(1)
    return port


@pytest.fixture
def operator(login: Path, tmp_path: Path, progress_port: int) -> Iterator[Operator]:
    """A running operator whose waits are short."""
    settings = {
        "NARWHAL_BACKOFF_SCALE": "0.05",
        "NARWHAL_START_TIMEOUT": "3",
        "NARWHAL_SWEEP_TIMEOUT": "30",
        "NARWHAL_PROGRESS_PORT": str(progress_port),
    }
    made = Operator(login, tmp_path, settings)
    made.start()
    yield made
    if made.running:
        made.kill()


@pytest.fixture
def namespace(plane: Plane, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of this test's own, as strict about pods as Kubernetes can be."""
    name = f"test-{abs(hash(request.node.nodeid)):x}"
    enforce = {"pod-security.kubernetes.io/enforce": "restricted"}
    plane.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": enforce}})
    yield name
    plane.ask("DELETE", f"/api/v1/namespaces/{name}")
