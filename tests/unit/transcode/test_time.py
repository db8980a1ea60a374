"""Frame arithmetic and the walk over packets."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.transcode.rates import STANDARD, output_rate, timeline
from workers.transcode.scan import REORDER, Scanner

RATES = st.sampled_from([*STANDARD, Fraction(25, 2), Fraction(1, 10), Fraction(15)])


@given(RATES, st.integers(1, 500_000), st.sampled_from([1.0, 2.0, 4.0, 6.0, 10.0, 3.003]))
def test_segments_hold_every_frame_once(rate: Fraction, frames: int, seconds: float) -> None:
    """Frames of the segments add up; a frame is a whole number of ticks; no segment is empty."""
    line = timeline(rate, frames, seconds)
    counts = [line.frames_of(segment) for segment in {0, line.segments // 2, line.segments - 1}]
    assert min(counts) >= 1
    assert (line.segments - 1) * line.gop + line.frames_of(line.segments - 1) == frames
    assert line.frame_ticks * rate == line.timescale
    assert line.duration == frames / rate


@given(st.fractions(Fraction(1, 100), 1000), st.one_of(st.none(), st.fractions(Fraction(1, 100), 90_000)))
def test_a_rate_is_always_found_and_never_above_the_limit(average: Fraction, nominal: Fraction | None) -> None:
    """Whatever a container says."""
    assert 0 < output_rate(average, nominal, 60) <= 60


def test_no_rate_at_all_is_25() -> None:
    """A single frame without a duration still is video."""
    assert output_rate(None, None, 60) == 25


def scanned(times: list[int | None], duration: int = 40, hidden: int = 0) -> Scanner:
    scanner = Scanner()
    for number, time in enumerate(times):
        scanner.feed(time, duration, hidden=number < hidden)
    return scanner


def test_packets_in_decoding_order_are_put_in_order() -> None:
    """B frames come after the frame they point to; first and last times are those of presentation."""
    found = scanned([0, 120, 40, 80, 240, 160, 200]).result()
    assert found is not None
    assert (found.first, found.end, found.variable, found.shown) == (0, 280, False, 7)


def test_rounding_of_whole_milliseconds_is_no_variable_rate() -> None:
    """24000/1001 in Matroska: 41 and 42 ms in turn."""
    times: list[int | None] = [round(number * 1001 / 24) for number in range(500)]
    found = scanned(times, 41).result()
    assert found is not None
    assert not found.variable
    assert found.frames(Fraction(1, 1000), Fraction(24000, 1001)) == 500


def test_irregular_frames_are_a_variable_rate() -> None:
    """A tenth of the frames come late."""
    times: list[int | None] = [number * 40 + (number // 10) * 30 for number in range(200)]
    found = scanned(times).result()
    assert found is not None
    assert found.variable


def test_one_gap_is_no_variable_rate() -> None:
    """A camera that was paused once."""
    found = scanned([number * 40 + (1000 if number > 100 else 0) for number in range(400)]).result()
    assert found is not None
    assert not found.variable


def test_hidden_packets_are_counted_but_not_shown() -> None:
    """An edit list hides the first two: the first shown one is the start."""
    found = scanned([0, 40, 80, 120], hidden=2).result()
    assert found is not None
    assert (found.packets, found.shown, found.first) == (4, 2, 80)


def test_a_last_frame_without_a_true_duration_gets_the_usual_one() -> None:
    """AVI says one tick where frames are two apart."""
    found = scanned([number * 2 for number in range(275)], duration=1).result()
    assert found is not None
    assert found.frames(Fraction(1, 50), Fraction(25)) == 275


def test_no_packet_with_a_time_is_no_scan() -> None:
    """A stream of nothing cannot be planned."""
    assert scanned([None, None]).result() is None
    assert Scanner().result() is None


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300))
def test_the_walk_never_holds_more_than_its_bound(times: list[int]) -> None:
    """Memory is bounded, whatever the order of the packets."""
    scanner = Scanner()
    for time in times:
        scanner.feed(time, 1)
        assert len(scanner._heap) <= REORDER
    found = scanner.result()
    assert found is not None
    assert found.packets == len(times)


@pytest.mark.parametrize(("frames", "rate", "expected"), [(1, "25", 1), (720, "24", 8), (97, "24", 2), (96, "24", 1)])
def test_segments_are_counted_up(frames: int, rate: str, expected: int) -> None:
    """A rest is a segment of its own."""
    assert timeline(Fraction(rate), frames, 4.0).segments == expected
