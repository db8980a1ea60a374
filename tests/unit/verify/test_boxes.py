"""The reader of fragmented MP4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.transcode.fmp4 import aac_init, avc_init, box, full, nal, segment
from workers.verify.boxes import DamagedSegmentError, boxes, with_edit
from workers.verify.fragment import Fragment, read_fragment
from workers.verify.init import Track, read_init


def test_an_h264_init_segment_says_size_timescale_and_codec() -> None:
    """The RFC 6381 string comes from avcC: profile, constraints, level."""
    assert read_init(avc_init(1280, 720, 24_000, level=31)) == Track(
        24_000, "avc1.64001f", width=1280, height=720, nal_length=4
    )


@pytest.mark.parametrize("long_lengths", [False, True])
def test_an_aac_init_segment_says_rate_channels_and_object_type(*, long_lengths: bool) -> None:
    """The descriptors of esds may have one or four bytes of length."""
    expected = Track(48_000, "mp4a.40.2", channels=2, sample_rate=48_000, kind="audio")
    assert read_init(aac_init(long_lengths=long_lengths)) == expected


@pytest.mark.parametrize("each", [False, True])
def test_a_segment_says_when_it_starts_and_how_long_it_lasts(*, each: bool) -> None:
    """By a default duration in tfhd, or by one for each sample in trun."""
    data = segment(96_000, 96, 1000, each=each)
    first = data.index(b"mdat") + 4 + (1 if each else 0)  # the size each sample claims
    assert read_fragment(data) == Fragment(
        96_000, 96, 96_000, 0, len(data), key=True, track=0, first_end=first, moof=12
    )


@pytest.mark.parametrize("each", [False, True])
def test_the_first_samples_offset_is_read(*, each: bool) -> None:
    """When the first picture is shown, after the time the segment starts."""
    assert read_fragment(segment(0, 9, 1000, each=each, offset=2000)).offset == 2000


def test_an_edit_list_is_put_in_and_read_back() -> None:
    """The init segment grows by it, its boxes stay whole, the rest of the track is as it was."""
    plain = avc_init()
    edited = with_edit(plain, 2000)
    assert read_init(plain).edit == 0
    assert read_init(edited) == replace(read_init(plain), edit=2000)
    assert [name for name, _, _ in boxes(edited)] == [b"ftyp", b"moov"]
    assert list(boxes(edited))[-1][2] == len(edited)


def test_a_segment_is_read_from_its_beginning_and_knows_its_whole_length() -> None:
    """Half of mdat is enough."""
    data = segment(0, 10, 1000)
    assert read_fragment(data[: len(data) - 40]).length == len(data)


@pytest.mark.parametrize(
    ("nals", "expected"),
    [
        pytest.param(nal(5), True, id="idr"),
        pytest.param(nal(9, 2) + nal(7) + nal(8) + nal(6, 900) + nal(5), True, id="delimiter-parameters-sei-idr"),
        pytest.param(nal(1), False, id="a-slice-that-is-no-idr"),
        pytest.param(nal(6) + nal(1), False, id="recovery-point-of-an-open-gop"),
        pytest.param(nal(6), False, id="no-slice"),
    ],
)
def test_the_first_picture_is_found_behind_what_may_stand_before_it(nals: bytes, *, expected: bool) -> None:
    """SEI, parameter sets and delimiters are passed over; then the first slice decides."""
    assert read_fragment(segment(0, 1, 1000, nals)).key is expected


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html></html>", id="text"),
        pytest.param(box("moof"), id="no-mdat"),
        pytest.param(box("moof") + box("mdat"), id="empty-moof"),
        pytest.param(box("moof", box("traf", full("tfhd", bytes(4)))) + box("mdat"), id="no-tfdt"),
        pytest.param(b"\x00\x00\x00\x04moof", id="length-below-its-own-header"),
        pytest.param(segment(0, 5, 1000)[:60], id="cut-in-moof"),
    ],
)
def test_a_damaged_segment_is_an_error_with_words(data: bytes) -> None:
    """No other exception, whatever the bytes."""
    with pytest.raises(DamagedSegmentError):
        read_fragment(data)


@given(st.binary(max_size=400), st.integers(0, 300))
def test_no_bytes_break_the_reader(noise: bytes, at: int) -> None:
    """Noise over a good segment or init segment gives a value or DamagedSegmentError."""
    for good, read in ((segment(0, 9, 10, each=True), read_fragment), (avc_init(), read_init), (aac_init(), read_init)):
        data = good[:at] + noise + good[at + len(noise) :]
        try:
            read(data)
        except DamagedSegmentError as error:
            assert str(error)  # noqa: PT017 - both ends are right, and this one has words


def test_a_sample_entry_that_nothing_here_reads_is_known_by_its_name() -> None:
    """What a package of another tool has in it is judged by what can be known of it."""
    assert read_init(avc_init().replace(b"avc1", b"mp4v")).codec == "mp4v"
