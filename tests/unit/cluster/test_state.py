"""The state a cluster of processes leaves for the next command."""

from pathlib import Path

import pytest

from tests.cluster.layout import Layout, Process, State


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """The state comes back as it was."""
    layout = Layout(tmp_path)
    state = State("10.0.0.0/24", Process(2, 3), {"etcd": Process(4, 5)}, [Process(6, 7)], kept=True)
    layout.write_state(state)
    assert layout.read_state() == state


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"block": 1, "init": {}, "components": [], "users": []}'])
def test_the_state_of_another_version_is_none(tmp_path: Path, text: str) -> None:
    """A file that cannot be read as a state stops neither `up` nor `down`."""
    (tmp_path / "state.json").write_text(text)
    assert Layout(tmp_path).read_state() is None
