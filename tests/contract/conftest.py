"""The API server of these tests, with our CRDs in it."""

from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from narwhal_operator.crdgen import KINDS
from tests.contract.apiserver import Apiserver, apiserver
from tests.support.processes import until

ROOT: Final = Path(__file__).resolve().parents[2]
_NUMBERS: Final = count(1)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apiserver]:
    """A real API server that serves our kinds."""
    with apiserver(tmp_path_factory.mktemp("apiserver")) as server:
        server.tell("apply", "--server-side", "-f", ROOT / "crds")
        server.tell("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        for kind in KINDS:
            until(partial(server.explains, kind.plural), 30, f"{kind.plural} can be explained")
        server.forget()
        yield server


@pytest.fixture
def namespace(api: Apiserver) -> str:
    """A namespace of this test's own; it ends with the server."""
    name = f"test-{next(_NUMBERS)}"
    api.tell("create", "namespace", name)
    return name
