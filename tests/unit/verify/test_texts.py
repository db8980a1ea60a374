"""The readers of WebVTT and of references."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.verify.images import JPEG, PNG, size
from workers.verify.readers import join_path, outside
from workers.verify.webvtt import Text, parse

GOOD = b"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n1\n00:01.000 --> 00:02.500 align:start\nHello --> you\n"


def test_cues_have_times_and_lines() -> None:
    """Hours may be left out; settings may follow."""
    found = parse(GOOD.replace(b" --> you", b""))
    assert [(cue.line, float(cue.start), float(cue.end)) for cue in found.cues] == [(5, 1.0, 2.5)]
    assert (found.mapped, found.problem) == (True, None)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        pytest.param(b"WEBVTT", b"WEBVTX", 1, id="another-first-line"),
        pytest.param(b"Hello", b"\xff", 1, id="no-utf-8"),
        pytest.param(b"00:02.500", b"00:00.500", 5, id="ends-before-it-starts"),
        pytest.param(b"00:02.500", b"2.5", 5, id="no-time"),
        pytest.param(b"Hello", b"Hello", 6, id="an-arrow-in-a-text"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old: bytes, new: bytes, line: int) -> None:
    """The first of it."""
    problem = parse(GOOD.replace(old, new, 1)).problem
    assert problem is not None
    assert problem[0] == line


@given(st.binary(max_size=200), st.text(max_size=100))
def test_no_bytes_break_the_reader(noise: bytes, text: str) -> None:
    """A text, perhaps with a problem."""
    for data in (noise, b"WEBVTT\n\n" + noise, f"WEBVTT\n\n00:01.000 --> {text}".encode()):
        assert isinstance(parse(data), Text)


@pytest.mark.parametrize(
    ("base", "reference", "expected"),
    [
        ("master.m3u8", "v/1/media.m3u8", "v/1/media.m3u8"),
        ("v/1/media.m3u8", "init.mp4", "v/1/init.mp4"),
        ("v/1/media.m3u8", "../2/a%20b.ts?token=x#y", "v/2/a b.ts"),
        ("manifest.mpd", "v/1/", "v/1/"),
        ("v/1/", "x/init.mp4", "v/1/x/init.mp4"),
        ("a.m3u8", "", "a.m3u8"),
        ("a.m3u8", "https://cdn.example/b.ts", "https://cdn.example/b.ts"),
    ],
)
def test_references_lead_to_paths(base: str, reference: str, expected: str) -> None:
    """RFC 3986 section 5, on paths; a directory keeps its slash."""
    assert join_path(base, reference) == expected


@pytest.mark.parametrize(
    "reference", ["../x", "/etc/passwd", "a/../../x", "https://cdn.example/b.ts", "%2e%2e/x", "file:///x"]
)
def test_what_is_outside_of_a_directory_is_not_read(reference: str) -> None:
    """Neither above it, nor elsewhere."""
    assert outside(join_path("master.m3u8", reference)) is not None


@given(st.text(max_size=40))
def test_no_reference_leads_out_unseen(reference: str) -> None:
    """Whatever it is, it stays within or is told; or it is none."""
    try:
        path = join_path("v/master.m3u8", reference)
    except ValueError:
        return  # an address in brackets that is none
    assert outside(path) is not None or not path.startswith(("/", "../"))


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader_of_images(noise: bytes) -> None:
    """A size, or none."""
    for head in (b"", PNG, JPEG, JPEG + b"\xff\xe0\x00\x04ab\xff\xc0"):
        found = size(head + noise)
        assert found is None or len(found) == 2


def test_sizes_of_images() -> None:
    """JPEG behind an application segment, PNG."""
    jpeg = JPEG + b"\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08\x00\x5a\x00\xa0\x03"
    png = PNG + b"\0\0\0\x0dIHDR\0\0\0\xa0\0\0\0\x5a"
    assert size(jpeg) == size(png) == (160, 90)
