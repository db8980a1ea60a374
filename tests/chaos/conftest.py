"""One control plane for all stories, and how the story ends undisturbed."""

from collections.abc import Iterator

import pytest

from tests.chaos.proxy import Fault
from tests.chaos.story import Place, Told, tell
from tests.integration.operator.plane import control_plane, log_in


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """API server and controllers, with our CRDs."""
    directory = tmp_path_factory.mktemp("plane")
    with control_plane(directory) as made:
        yield Place(made, log_in(made.api, directory), directory)


@pytest.fixture(scope="session")
def calm(place: Place) -> Told:
    """The story without a fault."""
    return tell(place, "calm", Fault())
