"""The show of a module."""

from collections.abc import Iterator

import pytest

from tests.conformance.kinds import Kind
from tests.conformance.show import Show, show


@pytest.fixture(scope="module")
def theatre(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    """The show of the kinds that the module's chosen tests ask for; its work goes on while they wait.

    Not those of other modules: another process of the session may have these.
    """
    mine = [item for item in request.session.items if item.path == request.path]
    asked = [item.callspec.params.get("kind") for item in mine if hasattr(item, "callspec")]
    with show(tmp_path_factory.mktemp("show")) as found:
        found.prepare(kind for kind in asked if isinstance(kind, Kind))
        yield found
