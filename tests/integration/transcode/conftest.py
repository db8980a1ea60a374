"""A studio for each test."""

from pathlib import Path

import pytest

from tests.integration.transcode.studio import Studio


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """A directory store and a scratch directory of this test's own."""
    return Studio(tmp_path)
