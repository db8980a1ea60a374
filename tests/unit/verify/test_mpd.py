"""The reader of DASH manifests."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.verify.mpd import Manifest, ManifestError, fill, parse, seconds

NAMESPACE = 'xmlns="urn:mpeg:dash:schema:mpd:2011"'


def manifest(addressing: str, duration: str = "PT10S") -> Manifest:
    text = (
        f'<MPD {NAMESPACE} mediaPresentationDuration="{duration}"><BaseURL>v/</BaseURL><Period>'
        f'<AdaptationSet mimeType="video/mp4">{addressing}<Representation id="a" bandwidth="9" width="16"/>'
        "</AdaptationSet></Period></MPD>"
    )
    return parse(text.encode(), "x.mpd")


def pieces(addressing: str) -> list[tuple[str, int | None, int | None]]:
    (one,) = manifest(addressing).representations
    return [(piece.uri, piece.start, piece.duration) for piece in one.pieces]


def test_a_timeline_gives_each_segment_its_time() -> None:
    """Runs with r, a time of their own with t, and r=-1 until the next or the end."""
    timeline = '<SegmentTimeline><S d="4" r="1"/><S t="9" d="3"/><S d="2" r="-1"/></SegmentTimeline>'
    found = pieces(f'<SegmentTemplate timescale="2" media="$RepresentationID$/$Time$.m4s">{timeline}</SegmentTemplate>')
    assert found == [
        ("a/0.m4s", 0, 4),
        ("a/4.m4s", 4, 4),
        ("a/9.m4s", 9, 3),
        ("a/12.m4s", 12, 2),
        ("a/14.m4s", 14, 2),
        ("a/16.m4s", 16, 2),
        ("a/18.m4s", 18, 2),
    ]


def test_a_constant_duration_counts_to_the_end() -> None:
    """The last one is shorter; numbers begin where it says."""
    found = pieces('<SegmentTemplate duration="4" startNumber="7" media="$Number%03d$.m4s" initialization="i.mp4"/>')
    assert found == [("007.m4s", 0, 4), ("008.m4s", 4, 4), ("009.m4s", 8, 2)]


def test_a_list_has_ranges() -> None:
    """SegmentList with the bytes of one file."""
    listed = '<SegmentList duration="5"><Initialization range="0-9"/><SegmentURL mediaRange="10-19"/></SegmentList>'
    (one,) = manifest(listed).representations
    assert one.init_range == (0, 9)
    assert one.pieces[0].range == (10, 19)


def test_one_file_is_one_segment() -> None:
    """SegmentBase; BaseURLs from outer to inner, and what a Representation inherits."""
    (one,) = manifest('<SegmentBase indexRange="0-9"/>').representations
    assert (one.indexed, one.base, one.attributes["mimeType"], one.line) == (True, ("v/",), "video/mp4", 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("PT3.5S", Fraction(7, 2)), ("P1DT2H3M4S", 93_784), ("PT1H", 3600), ("P", None), ("PT..S", None), ("3", None)],
)
def test_durations(text: str, expected: Fraction | int | None) -> None:
    """xs:duration of days, hours, minutes, seconds."""
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("<MPD", id="no-end"),
        pytest.param("<html/>", id="another-root"),
        pytest.param('<!DOCTYPE MPD [<!ENTITY a "b">]><MPD>&a;</MPD>', id="a-document-type"),
        pytest.param('<MPD><Period><AdaptationSet><SegmentTemplate duration="x"/><Representation/></AdaptationSet></Period></MPD>', id="no-number"),
        pytest.param('<MPD mediaPresentationDuration="PT9999999S"><Period><AdaptationSet><SegmentTemplate duration="1"/><Representation/></AdaptationSet></Period></MPD>', id="segments-without-end"),
        pytest.param('<MPD mediaPresentationDuration="PT9S"><Period><AdaptationSet><SegmentTemplate><SegmentTimeline><S d="0" r="-1"/></SegmentTimeline></SegmentTemplate><Representation/></AdaptationSet></Period></MPD>', id="segments-of-no-length"),
    ],
)  # fmt: skip
def test_what_is_no_manifest_is_an_error_with_words(text: str) -> None:
    """Entities are not expanded: a document type is refused; segments are counted."""
    with pytest.raises(ManifestError) as error:
        parse(text.encode(), "x")
    assert str(error.value)


def test_dollars_in_templates() -> None:
    """Two are one; an identifier nobody knows stays."""
    assert fill("$$-$Number%02d$-$Other$", {"Number": "7"}) == "$-07-$Other$"


PARTS = st.sampled_from(
    [
        "<MPD>",
        "</MPD>",
        "<Period>",
        "</Period>",
        "<AdaptationSet>",
        "</AdaptationSet>",
        "<Representation/>",
        "<SegmentList/>",
        "x",
        "&#0;",
        '<SegmentTemplate duration="3" media="$Time$"/>',
        '<SegmentBase indexRange="1-x"/>',
    ]
)


@given(st.binary(max_size=80) | st.lists(PARTS, max_size=12).map(lambda parts: "".join(parts).encode()))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    """A manifest, or an error with words."""
    try:
        assert isinstance(parse(data, "x"), Manifest)
    except ManifestError as error:
        assert str(error)  # noqa: PT017 - both ends are right, and this one has words
