"""Retries, rates, limits, part sizes, checkpoints: numbers only."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.download.checkpoint import Checkpoint, read_checkpoint
from workers.download.meter import BURST_SECONDS, Brake, Meter
from workers.download.retry import FIRST_SECONDS, MOST_SECONDS, Failure, again, of_source, pause, worst
from workers.download.rules import Source
from workers.download.upload import MIB, MOST_BYTES, PARTS, part_bytes


@given(st.integers(1, 100), st.floats(0, 1))
def test_pauses_double_with_jitter_and_have_a_bound(tries: int, chance: float) -> None:
    """Between half and the whole of a doubling step, never over the most."""
    step = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** (tries - 1))
    assert step / 2 <= pause(tries, chance, None) <= step


def test_a_pause_is_at_least_what_the_server_asks_for() -> None:
    """Retry-After is honoured, also when it is longer than any own pause."""
    assert pause(1, 0.0, 120.0) == 120.0
    assert pause(1, 1.0, 0.0) == FIRST_SECONDS


def test_only_what_may_pass_is_tried_again() -> None:
    """Errors of the source that may pass; not a 404, not a store that is full."""
    assert again(Reason.SOURCE_ERROR)
    assert again(Reason.PROTOCOL_VIOLATION)
    assert not again(Reason.SOURCE_NOT_FOUND)
    assert not again(Reason.SOURCE_ACCESS_DENIED)
    assert not again(Reason.STORE_ERROR)
    assert of_source(Reason.ADDRESS_FORBIDDEN)
    assert not of_source(Reason.STORE_FULL)


def test_of_several_failures_the_one_with_hope_decides() -> None:
    """Retry before what needs a person before what is final; a single failure is told as it is."""
    gone = Failure("a", WorkError(Reason.SOURCE_NOT_FOUND, "gone"))
    denied = Failure("b", WorkError(Reason.SOURCE_ACCESS_DENIED, "denied"))
    busy = Failure("c", WorkError(Reason.SOURCE_ERROR, "busy"))
    assert worst([gone]) is gone.error
    assert worst([gone, denied]).reason is Reason.SOURCE_ACCESS_DENIED
    both = worst([gone, denied, busy])
    assert both.reason is Reason.SOURCE_ERROR
    assert both.evidence is not None
    assert len(both.evidence.splitlines()) == 3


def test_progress_has_percent_rate_and_time_left() -> None:
    """At a steady 100 bytes a second the rate is 100 and the rest is its tenth."""
    meter = Meter(total=2000)
    meter.progress(0.0)
    for second in range(1, 11):
        meter.done = 100 * second
        told = meter.progress(float(second))
    assert (told.percent, told.bytes_per_second, told.eta_seconds) == (50, 100, 10)


def test_progress_without_a_total_says_only_what_is_known() -> None:
    """No percent and no time left; a restart does not make the rate negative."""
    meter = Meter(done=500)
    assert meter.progress(0.0).bytes_per_second is None
    meter.done = 0
    told = meter.progress(1.0)
    assert (told.percent, told.eta_seconds, told.bytes_per_second) == (None, None, 0)


def test_looks_in_quick_succession_do_not_shake_the_rate() -> None:
    """Asked again within 0.1 s the rate stays."""
    meter = Meter()
    meter.progress(0.0)
    meter.done = 100
    first = meter.progress(1.0).bytes_per_second
    meter.done = 100_000
    assert meter.progress(1.01).bytes_per_second == first


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=200))
def test_the_brake_keeps_the_mean_rate(blocks: list[int]) -> None:
    """However the bytes come, their mean rate stays under the limit but for one burst."""
    brake, now = Brake(1000.0), 100.0
    for block in blocks:
        now += brake.delay(block, now)
    assert sum(blocks) <= 1000.0 * (now - 100.0 + BURST_SECONDS) + 0.001


def test_without_a_limit_nothing_waits() -> None:
    """No limit, no delay."""
    assert Brake(None).delay(10**12, 0.0) == 0.0


@given(st.integers(1, 5 * 1024**4))
def test_parts_of_a_known_length_fit(length: int) -> None:
    """Up to 5 TiB, S3's largest object: at most 10,000 equal parts of at least 5 MiB."""
    size = part_bytes(1, length)
    assert size == part_bytes(9_999, length)
    assert size >= 5 * MIB
    assert -(-length // size) <= PARTS


def test_parts_of_an_unknown_length_grow_and_have_a_bound() -> None:
    """They never shrink, none is over the bound, and together they hold more than half a tebibyte."""
    sizes = [part_bytes(number, None) for number in range(1, PARTS + 1)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == MOST_BYTES
    assert sum(sizes) > 512 * 1024**3


KNOWN = Checkpoint("uid", "films/a", Source("u", '"v1"', None, 1000), "video/mp4", 400, "0" * 64)


def test_a_checkpoint_comes_back() -> None:
    """What is written is read, for its own key only."""
    assert read_checkpoint(KNOWN.text(), "films/a") == KNOWN
    assert read_checkpoint(KNOWN.text(), "films/b") is None


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 2},
        {"count": -1},
        {"count": 1001},
        {"count": "400"},
        {"sha256": "0" * 63},
        {"sha256": 5},
        {"source": {"url": "u", "etag": 5}},
        {"source": {"url": "u", "surprise": 1}},
        {"source": None},
        {"uid": None},
    ],
)
def test_a_checkpoint_that_is_odd_is_none(changed: dict[str, object]) -> None:
    """Another format, impossible counts, wrong types: nothing of it is believed."""
    text = json.dumps({**json.loads(KNOWN.text()), **changed}).encode()
    assert read_checkpoint(text, "films/a") is None


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading_of_a_checkpoint(text: bytes) -> None:
    """Garbage is no checkpoint and no exception."""
    assert read_checkpoint(text, "films/a") is None


@given(st.integers(0, 300))
def test_a_torn_checkpoint_is_none(length: int) -> None:
    """Any true prefix of the text is nothing."""
    text = KNOWN.text()
    assert read_checkpoint(text[: min(length, len(text) - 1)], "films/a") is None
