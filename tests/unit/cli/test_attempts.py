"""Outcomes of workers that told none: from the exit code, or from how they were killed."""

import signal
from pathlib import Path

import pytest

from narwhal_cli import guard
from narwhal_cli.attempts import Attempt, Stop, _without_outcome
from narwhal_cli.orders import Place
from narwhal_cli.resources import read_stream
from narwhal_operator.contract.reasons import Reason

STREAM = read_stream((Path(__file__).parents[3] / "config/samples/10-downloadjob.yaml").read_bytes())
ATTEMPT = Attempt(STREAM.works[0], Place(STREAM, None), 2)


@pytest.mark.parametrize(
    ("code", "out_of_memory", "reason", "words"),
    [
        pytest.param(54, False, Reason.INPUT_DAMAGED, "strict decoder", id="a code of the table"),
        pytest.param(128 + signal.SIGKILL, True, Reason.OUT_OF_MEMORY, "close other programs", id="out of memory"),
        pytest.param(128 + signal.SIGKILL, False, Reason.POD_LOST, "killed from outside", id="killed"),
        pytest.param(-signal.SIGKILL, False, Reason.POD_LOST, "killed from outside", id="its guard was killed"),
        pytest.param(guard.NO_SCRATCH, False, Reason.SCRATCH_FULL, "/tmp/x: No space left.", id="no room"),  # noqa: S108 - part of a message, no file is made
        pytest.param(1, False, Reason.INTERNAL_ERROR, "ended with code 1", id="an interpreter that broke"),
        pytest.param(0, False, Reason.INTERNAL_ERROR, "ended with code 0", id="success without a word"),
        pytest.param(128 + signal.SIGSEGV, False, Reason.INTERNAL_ERROR, "code 139", id="a crash"),
    ],
)
def test_the_outcome_of_a_worker_without_a_word(code: int, out_of_memory: bool, reason: Reason, words: str) -> None:
    """No end is without a reason, and none without a word for the user."""
    tail = "/tmp/x: No space left"  # noqa: S108 - part of a message, no file is made
    outcome = _without_outcome(ATTEMPT, code, tail, Stop(), out_of_memory)
    assert (outcome.reason, outcome.attempt, outcome.uid) == (reason, 2, ATTEMPT.work.uid)
    assert words in outcome.message


def test_whatever_ends_after_a_stop_was_stopped() -> None:
    """A worker that is killed because it was told to stop is Cancelled."""
    stop = Stop()
    stop.ask()
    assert _without_outcome(ATTEMPT, 128 + signal.SIGKILL, "", stop, False).reason is Reason.CANCELLED


def test_only_a_later_signal_insists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two signals of one Ctrl-C let the workers tidy up; a person who asks again does not want to wait."""
    moment = 100.0
    monkeypatch.setattr("time.monotonic", lambda: moment)
    stop = Stop()
    stop.ask()
    moment = 100.5
    stop.ask()
    assert (stop.wanted.is_set(), stop.at_once.is_set()) == (True, False)
    moment = 101.5
    stop.ask()
    assert stop.at_once.is_set()
