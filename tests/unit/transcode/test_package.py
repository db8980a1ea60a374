"""The playlists and the DASH manifest, whole, and the bit rates in them."""

from fractions import Fraction
from xml.etree import ElementTree as ET

import pytest

from tests.unit.transcode.fmp4 import segment
from tests.unit.transcode.packages import good, planned, stored
from workers.transcode.iframes import iframe_playlist
from workers.transcode.package import frame_rate
from workers.transcode.rates import timeline
from workers.transcode.rendition import Rendition, Title, average_bandwidth, peak_bandwidth
from workers.verify.init import Track

MEDIA = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="init.mp4"
#EXTINF:4.000000,
00000.m4s
#EXTINF:4.000000,
00001.m4s
#EXTINF:2.000000,
00002.m4s
#EXT-X-ENDLIST
"""
MASTER = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="v/0123456789abcdef/audio/main/media.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=531250,AVERAGE-BANDWIDTH=531250,CODECS="avc1.64001e,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=25.000,AUDIO="audio"
v/0123456789abcdef/720p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=331250,AVERAGE-BANDWIDTH=331250,CODECS="avc1.64001e,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=25.000,AUDIO="audio"
v/0123456789abcdef/360p/media.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=448,AVERAGE-BANDWIDTH=269,CODECS="avc1.64001e",RESOLUTION=1280x720,URI="v/0123456789abcdef/720p/iframes.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=448,AVERAGE-BANDWIDTH=269,CODECS="avc1.64001e",RESOLUTION=640x360,URI="v/0123456789abcdef/360p/iframes.m3u8"
"""


def test_a_media_playlist_is_vod_with_measured_durations() -> None:
    """Every tag, in full."""
    assert good().playlists["720p/media.m3u8"] == MEDIA


def test_the_master_lists_every_rung_with_measured_attributes() -> None:
    """Bit rates are the rung's and its audio's; codecs are those of the init segments."""
    assert good().pointers.master == MASTER


def test_an_iframe_playlist_has_the_first_picture_of_each_segment() -> None:
    """Its bytes from the segment's start, for as long as the segment."""
    rung = good().title.videos[0]
    lines = iframe_playlist(rung, 4, 7).splitlines()
    assert lines[:6] == [*MEDIA.splitlines()[:5], "#EXT-X-I-FRAMES-ONLY"]
    ends = [found.fragment.first_end for found in rung.segments]
    assert [line for line in lines if "BYTERANGE" in line] == [f"#EXT-X-BYTERANGE:{end}@0" for end in ends]
    assert [line for line in lines if "EXTINF" in line] == [line for line in MEDIA.splitlines() if "EXTINF" in line]


def rendition(*parts: tuple[float, int]) -> Rendition:
    """Segments of so many seconds and bits per second."""
    made = Rendition("r", "r", track=Track(1000, "avc1.64001e"))
    start = 0
    for index, (seconds, rate) in enumerate(parts):
        ticks = round(seconds * 1000)
        made.stored[index] = stored(index, segment(start, 1, ticks), size=round(seconds * rate / 8))
        start += ticks
    return made


PEAKS = [
    pytest.param([(4, 1000), (4, 3000), (4, 2000)], 3000, id="the-largest-segment"),
    pytest.param([(4, 1000), (1, 80_000)], 16_800, id="a-short-rest-counts-with-the-segment-before-it"),
    pytest.param([(1, 5000)], 5000, id="shorter-than-half-a-target"),
    pytest.param([(2, 1000), (2, 9000), (2, 1000)], 9000, id="half-a-target-is-enough"),
]


@pytest.mark.parametrize(("parts", "expected"), PEAKS)
def test_the_peak_is_that_of_any_run_of_half_to_one_and_a_half_targets(
    parts: list[tuple[float, int]], expected: int
) -> None:
    """RFC 8216 section 4.1."""
    assert peak_bandwidth(rendition(*parts), 4) == expected


def test_the_average_is_over_the_whole() -> None:
    """All bits over all seconds, rounded up."""
    assert average_bandwidth(rendition((4, 1000), (4, 2002))) == 1501


@pytest.mark.parametrize(("longest", "expected"), [(4.0, 4), (4.004, 4), (4.5, 5), (0.3, 1)])
def test_the_target_duration_is_the_longest_segment_rounded(longest: float, expected: int) -> None:
    """RFC 8216 section 4.3.3.1; at least a second."""
    assert Title(planned(), (rendition((0.2, 1000), (longest, 1000)),), ()).target == expected


@pytest.mark.parametrize(("rate", "expected"), [("30000/1001", "29.970"), ("24000/1001", "23.976"), ("25", "25.000")])
def test_a_frame_rate_has_three_decimals(rate: str, expected: str) -> None:
    """RFC 8216 section 4.3.4.2."""
    assert frame_rate(timeline(Fraction(rate), 100, 4)) == expected


def test_the_dash_manifest_has_the_same_segments() -> None:
    """One adaptation set of both rungs and one of the sound; times and names are those of the playlists."""
    root = ET.fromstring(good().pointers.manifest or "")  # noqa: S314 - our own text
    space = "{urn:mpeg:dash:schema:mpd:2011}"
    runs = {
        element.get("id"): [(run.get("d"), run.get("r")) for run in element.iter(f"{space}S")]
        for element in root.iter(f"{space}Representation")
    }
    assert root.get("mediaPresentationDuration") == "PT10.000S"
    assert root.findtext(f"{space}BaseURL") == "v/0123456789abcdef/"
    assert runs["720p"] == runs["360p"] == [("40000", "1"), ("20000", None)]
    assert runs["audio-main"] == [("192512", None), ("191488", None), ("96256", None)]
