"""One good package for all tests of a session."""

from pathlib import Path

import pytest

from tests.integration.verify.packs import Pack, make


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package in which all is right; not to be changed."""
    return make(tmp_path_factory.mktemp("good"))


@pytest.fixture
def pack(good: Path, tmp_path: Path) -> Pack:
    """A copy to be damaged."""
    return Pack.copy(good, tmp_path / "pack")
