"""Fixtures every test may ask for; registered by tests/conftest.py."""

from collections.abc import Iterator

import pytest

from tests.support.seaweed import S3Server, seaweed


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server for this test process."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server
