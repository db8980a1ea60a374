"""Lines for people: outcomes, sizes, spans of time, explanations."""

from pathlib import Path

import pytest

from narwhal_cli.explain import UnknownReasonError, explain
from narwhal_cli.outcomes import duration_text, failure_line, local_outcome, size_text, success_line
from narwhal_cli.resources import read_stream
from narwhal_operator.contract.download import Artifact
from narwhal_operator.contract.reasons import TABLE, Reason

WORK = read_stream((Path(__file__).parents[3] / "config/samples/10-downloadjob.yaml").read_bytes()).works[0]


def test_a_failure_is_one_line_with_kind_name_reason_and_more() -> None:
    """What, where and how to mend stand in the message; the command that tells more stands at the end."""
    outcome = local_outcome(WORK, Reason.SOURCE_NOT_FOUND, "https://x answers 404.\n Correct the URL.")
    assert failure_line(WORK, outcome) == (
        f"error: DownloadJob/{WORK.name}: SourceNotFound: https://x answers 404.  Correct the URL."
        " (narwhal explain SourceNotFound)"
    )


def test_a_failure_without_a_message_has_the_table_s() -> None:
    """No outcome is without words."""
    line = failure_line(WORK, local_outcome(WORK, Reason.INPUT_EMPTY, ""))
    assert TABLE[Reason.INPUT_EMPTY].meaning in line
    assert TABLE[Reason.INPUT_EMPTY].mend in line


def test_control_characters_of_a_server_do_not_reach_the_terminal() -> None:
    """A message may quote a server; an escape sequence of it is not obeyed."""
    assert "\x1b" not in failure_line(WORK, local_outcome(WORK, Reason.SOURCE_ERROR, "\x1b[2J says the server"))


def test_a_success_names_object_size_and_digest() -> None:
    """One line tells what was made."""
    artifact = Artifact(bucket="media", key="a.mp4", size=3 * 1024 * 1024, sha256="ab" * 32)
    outcome = local_outcome(WORK, Reason.COMPLETED, "").model_copy(update={"artifact": artifact})
    assert success_line(WORK, outcome) == f"DownloadJob/{WORK.name}: Complete: media/a.mp4, 3.0 MiB, sha256 {'ab' * 32}"


def test_a_long_message_is_cut_to_the_outcome_s_bound() -> None:
    """A local outcome is valid whatever was said."""
    assert len(local_outcome(WORK, Reason.INTERNAL_ERROR, "x" * 5000, evidence="y" * 5000).message) <= 1024


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 2**30, "5.0 GiB"), (2**50, "1024.0 TiB")]
)
def test_sizes(size: int, text: str) -> None:
    """Bytes are told in units of 1024."""
    assert size_text(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0s"), (59.6, "1m00s"), (72, "1m12s"), (3780, "1h03m")])
def test_spans_of_time(seconds: float, text: str) -> None:
    """Seconds are told as people say them."""
    assert duration_text(seconds) == text


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_is_explained_by_name_and_by_code(reason: Reason, capsys: pytest.CaptureFixture[str]) -> None:
    """Meaning, class, exit code and mend of every reason, by its name in any case and by its number."""
    entry = TABLE[reason]
    for word in (reason.value, reason.value.lower(), str(entry.code)):
        explain(word)
        told = capsys.readouterr().out
        assert all(part in told for part in (reason.value, str(entry.code), entry.cls.value, entry.meaning, entry.mend))


def test_the_whole_table_has_a_line_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no terminal, fields are parted by tabs, for cut and awk."""
    explain(None)
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[1] for row in rows] == [reason.value for reason in TABLE]
    assert {len(row) for row in rows} == {5}


@pytest.mark.parametrize(
    ("word", "expected"),
    [("InputDamagd", "InputDamaged"), ("404", "exit code 404"), ("xyz", "lists all"), ("²", "lists")],
)
def test_an_unknown_reason_names_those_near(word: str, expected: str) -> None:
    """A misspelt name gets its neighbours, a foreign one the way to all."""
    with pytest.raises(UnknownReasonError, match=expected):
        explain(word)
