"""The reader of playlists: the grammar of RFC 8216, with lines."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.verify.playlist import Playlist, Range, attributes, parse, references

MEDIA = b"""#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-MAP:URI="init.mp4",BYTERANGE="700@0"
#EXTINF:4.000000,title, with a comma
#EXT-X-BYTERANGE:1000@700
all.mp4

# a comment
#EXT-X-KEY:METHOD=AES-128,URI="key"
#EXT-X-DISCONTINUITY
#EXTINF:2.5,
#EXT-X-BYTERANGE:500
all.mp4
#EXT-X-ENDLIST
"""
MASTER = b"""#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x",URI="a.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS="avc1.64001f,mp4a.40.2"
v.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=10,URI="i.m3u8"
"""


def problems(data: bytes) -> list[tuple[str, int | None]]:
    return [(problem.rule, problem.line) for problem in parse(data, "x").problems]


def test_an_entry_has_what_stands_before_it() -> None:
    """Duration, byte range (the second follows the first), map, key and discontinuity."""
    found = parse(MEDIA, "x")
    first, second = found.entries
    assert (first.line, first.duration, first.range, first.encrypted) == (7, Fraction(4), Range(700, 1000), None)
    assert (second.line, second.duration, second.range) == (14, Fraction(5, 2), Range(1700, 500))
    assert (second.discontinuity, second.encrypted) == (True, "AES-128")
    assert first.map is not None
    assert (first.map.uri, first.map.range) == ("init.mp4", Range(0, 700))
    assert found.problems == ()
    assert not found.master


def test_a_master_names_playlists_with_what_they_are() -> None:
    """The line of a variant is that of its tag."""
    found = parse(MASTER, "x")
    assert [(what, uri, who.line) for who, what, uri in references(found)] == [
        ("variant", "v.m3u8", 3),
        ("audio", "a.m3u8", 2),
        ("i-frames", "i.m3u8", 5),
    ]
    assert found.variants[0].attributes["CODECS"] == "avc1.64001f,mp4a.40.2"
    assert found.master


@pytest.mark.parametrize(
    ("old", "new", "rule", "line"),
    [
        pytest.param(b"#EXTM3U\n", b"#EXTM\n", "playlist-header", 1, id="no-first-line"),
        pytest.param(b"#EXTM3U\n", b"\xef\xbb\xbf#EXTM3U\n", "playlist-text", 1, id="byte-order-mark"),
        pytest.param(b"a comment", b"a \xff comment", "playlist-text", 9, id="no-utf-8"),
        pytest.param(b"a comment", b"a \x07 comment", "playlist-text", 9, id="a-control-character"),
        pytest.param(b'URI="init.mp4",', b'URI="init.mp4",URI="b",', "attribute-lists", 4, id="a-name-twice"),
        pytest.param(b'URI="init.mp4"', b'URI="init.mp4', "attribute-lists", 4, id="an-open-quote"),
        pytest.param(b"#EXT-X-VERSION:7", b"#EXT-X-VERSION:7\n#EXT-X-VERSION:7", "tags-once", 3, id="two-versions"),
        pytest.param(b"#EXTINF:2.5,\n", b"", "extinf-each", 13, id="no-extinf"),
        pytest.param(b"#EXTINF:2.5,", b"#EXTINF:-2.5,", "extinf-each", 12, id="a-negative-duration"),
        pytest.param(b"BYTERANGE:500", b"BYTERANGE:x", "byte-ranges", 13, id="no-range"),
        pytest.param(b"#EXT-X-ENDLIST", b"#EXTINF:1,", "uri-follows", 15, id="no-uri-at-the-end"),
    ],
)
def test_what_breaks_the_grammar_is_a_problem_with_its_line(old: bytes, new: bytes, rule: str, line: int) -> None:
    """One thing is broken; one problem is told."""
    assert old in MEDIA
    assert problems(MEDIA.replace(old, new, 1)) == [(rule, line)]


def test_lines_may_end_with_carriage_returns() -> None:
    """RFC 8216 section 4.1."""
    assert parse(MEDIA.replace(b"\n", b"\r\n"), "x") == parse(MEDIA, "x")


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_bytes_break_the_reader(noise: bytes) -> None:
    """Whatever follows, it is a playlist, perhaps with problems."""
    assert isinstance(parse(b"#EXTM3U\n" + noise, "x"), Playlist)


@given(st.text(alphabet='ABC=",-1 @:x', max_size=60))
def test_no_text_breaks_attribute_lists(text: str) -> None:
    """Attributes, or words about where they break off."""
    found, problem = attributes(text)
    assert found or problem or not text
