"""FFmpeg's progress lines and what they add up to."""

from hypothesis import given
from hypothesis import strategies as st

from workers.transcode.progress import Block, Meter, Parser

TEXT = b"""frame=0
fps=0.00
out_time_us=N/A
progress=continue
frame=48
stream_0_0_q=23.0
out_time_us=1916667
total_size=N/A
dup_frames=0
speed=1.9x
progress=continue
frame=96
out_time_us=3916667
progress=end
"""
BLOCKS = [Block(0, 0, ended=False), Block(48, 1916667, ended=False), Block(96, 3916667, ended=True)]


def test_each_block_is_a_report() -> None:
    """What is not known yet (N/A) counts as nothing."""
    assert list(Parser().feed(TEXT)) == BLOCKS


@given(st.lists(st.integers(0, len(TEXT)), max_size=20))
def test_bytes_may_come_in_any_pieces(cuts: list[int]) -> None:
    """A pipe knows no lines."""
    parser, at, found = Parser(), 0, []
    for cut in [*sorted(cuts), len(TEXT)]:
        found += list(parser.feed(TEXT[at:cut]))
        at = cut
    assert found == BLOCKS


@given(st.binary(max_size=2000))
def test_noise_is_no_error_and_takes_no_memory(noise: bytes) -> None:
    """An endless line is cut, unknown lines are left out."""
    parser = Parser()
    for _ in range(5):
        list(parser.feed(noise + b"x" * 5000))
    assert len(parser._rest) <= 4096
    assert len(parser._fields) <= 256


def meter(before: int = 0) -> Meter:
    return Meter({"720p": 3, "360p": 3, "audio/main": 3}, frames=250, rate=25.0, before=before, started=100.0)


def test_percent_speed_and_what_remains_come_from_frames() -> None:
    """Half of the frames after 2 s: 2.5 times real time, 2 s to go; encoding is 95 percent of the whole."""
    measured = meter()
    measured.encoded(125, 102.0)
    found = measured.progress()
    assert (found.percent, found.speed, found.eta_seconds, found.segments_total) == (47, 2.5, 2, 9)


def test_percent_never_goes_back() -> None:
    """A second run of the same range (without a seek) starts to count anew."""
    measured = meter()
    measured.encoded(200, 105.0)
    high = measured.progress().percent
    measured.encoded(10, 106.0)
    assert measured.progress().percent == high


def test_a_resumed_run_begins_where_the_stored_segments_end() -> None:
    """Frames that are stored count; speed is only that of this run."""
    measured = meter(before=200)
    measured.encoded(25, 102.0)
    found = measured.progress()
    assert (found.percent, found.speed, found.eta_seconds) == (85, 0.5, 2)


def test_each_rendition_says_how_many_of_its_segments_are_stored() -> None:
    """By name, in percent and in number."""
    measured = meter()
    measured.stored("720p", 2)
    found = {rung.name: (rung.percent, rung.segments_done) for rung in measured.progress().rungs}
    assert found == {"720p": (66, 2), "360p": (0, 0), "audio/main": (0, 0)}


def test_no_speed_is_told_before_it_is_known() -> None:
    """The first second says nothing."""
    measured = meter()
    measured.encoded(25, 100.5)
    assert measured.progress().speed is None
