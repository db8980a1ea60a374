"""The commands at a cluster: what a user means, and what rows say. The cluster itself is in tests/integration/cli."""

from datetime import UTC, datetime

import pytest

from narwhal_cli.cluster.names import Target, UsageError, not_found, target_of
from narwhal_cli.cluster.rows import active, ordered, row_of, summary
from narwhal_operator.core.observed import Json
from tests.unit.operator import build as b

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
TCJ = "TranscodingJob"


@pytest.mark.parametrize("text", ["film", "tcj/film", "TranscodingJob/film", "transcodingjobs.narwhal.dev/film"])
def test_a_resource_is_named_as_kubectl_names_it(text: str) -> None:
    """Kind, plural, short name, with the group or without; no kind is a TranscodingJob."""
    assert target_of(text) == Target(TCJ, "film")


@pytest.mark.parametrize(
    ("text", "hint"), [("tjc/film", "did you mean tcj?"), ("pod/x", "known: dlj"), ("tcj/", "KIND/NAME")]
)
def test_a_kind_that_is_none_is_refused_with_what_was_meant(text: str, hint: str) -> None:
    """The nearest word, or all of them."""
    with pytest.raises(UsageError, match=hint):
        target_of(text)


def test_a_name_that_is_not_there_brings_the_nearest_one() -> None:
    """Typing errors are the usual reason."""
    line = not_found(Target(TCJ, "fillm"), "media", ["film", "other"]).line()
    assert "Did you mean film?" in line
    assert "ResourceNotFound" in line


def _row(name: str, status: Json, **spec: object) -> Json:
    return b.raw(TCJ, b.transcode_spec(**spec), status, name=name)


def test_what_runs_stands_first_and_what_has_ended_last() -> None:
    """Waiting ones by priority."""
    rows = ordered(
        row_of(raw)
        for raw in (
            _row("done", {"conditions": [b.true("Complete", "Completed"), b.true("Ready", "Completed")]}),
            _row("low", {"phase": "Queued"}),
            _row("high", {"phase": "Queued"}, priority=5),
            _row("runs", {"attempts": [{"number": 1, "job": "j", "node": "n1"}], "progress": {"percent": 43}}),
            _row("bad", {"conditions": [b.true("Failed", "InputDamaged"), b.true("Ready", "InputDamaged")]}),
        )
    )
    assert [row.target.name for row in rows] == ["runs", "high", "low", "bad", "done"]
    assert [row.exit_code for row in rows] == [None, None, None, 54, 0]
    assert summary(rows) == "1 Running, 2 Waiting, 1 Failed, 1 Complete"
    assert [row.target.name for row in active(rows)] == ["runs", "high", "low"]
    assert rows[0].line(NOW, everywhere=False) == "TranscodingJob/runs  Pending  43%  1h00m"


def test_a_row_survives_a_status_of_another_version() -> None:
    """Absent and odd fields are empty, and control characters of a message do not reach the terminal."""
    odd: Json = {
        "progress": 7,
        "display": None,
        "conditions": [{"type": "Ready", "status": "False", "message": "a\x1b[2Jb"}],
    }
    row = row_of(_row("odd", odd))
    assert (row.percent, row.speed, row.message) == (None, "", "a [2Jb")
