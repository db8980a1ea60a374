"""One control plane for all stories, and how the story ends undisturbed."""

from collections.abc import Iterator

import pytest

from tests.chaos.proxy import Fault
from tests.chaos.story import Place, Told, tell
from tests.contract.apiserver import apiserver
from tests.integration.operator.plane import ROOT, Plane, controllers, log_in


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """API server and controllers, with our CRDs."""
    directory = tmp_path_factory.mktemp("plane")
    with apiserver(directory) as api:
        api.tell("apply", "--server-side", "-f", ROOT / "crds")
        api.tell("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        with controllers(api, directory):
            yield Place(Plane(api, directory), log_in(api, directory), directory)


@pytest.fixture(scope="session")
def calm(place: Place) -> Told:
    """The story without a fault."""
    return tell(place, "calm", Fault())
