"""The show of a session."""

from collections.abc import Iterator

import pytest

from tests.conformance.kinds import Kind
from tests.conformance.show import Show, show


@pytest.fixture(scope="session")
def theatre(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    """The show of the kinds that the chosen tests ask for; its work goes on while they wait."""
    asked = [item.callspec.params.get("kind") for item in request.session.items if hasattr(item, "callspec")]
    with show(tmp_path_factory.mktemp("show")) as found:
        found.prepare(kind for kind in asked if isinstance(kind, Kind))
        yield found
