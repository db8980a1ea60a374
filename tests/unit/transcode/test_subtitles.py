"""Subtitles and chapters: FFmpeg's text to cues, cues to segments, tracks to playlist lines."""

import json
from fractions import Fraction
from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from narwhal_operator.contract.tracks import Subtitles
from tests.unit.transcode.packages import good
from workers.transcode import dash, package, webvtt, wvtt
from workers.transcode.captions import TextTrack, choose, renditions
from workers.transcode.chapters import Chapter, as_json, as_webvtt, within
from workers.transcode.extras import Extras
from workers.transcode.media import Subtitle
from workers.transcode.webvtt import Cue
from workers.verify.fragment import read_fragment
from workers.verify.init import read_init

FOUND = """WEBVTT

00:05.500 --> 00:07.500
Hello <i>there</i> & a < b

second line

01:00:08.000 --> 01:00:14.000
--> arrow &amp; <v Bob>

-00:00.400 --> 00:05.100
before the film
"""


def test_cues_are_on_the_films_clock_and_escaped() -> None:
    """The origin is taken off; known tags and entities stay, all else is text; a blank line ends no cue."""
    cues = webvtt.parse(FOUND, Fraction(5), Fraction(7200))
    assert cues == [
        Cue(0, 100, "before the film"),
        Cue(500, 2500, "Hello <i>there</i> &amp; a &lt; b\nsecond line"),
        Cue(3_603_000, 3_609_000, "--&gt; arrow &amp; &lt;v Bob&gt;"),
    ]
    assert webvtt.parse(FOUND, Fraction(0), Fraction(6))[-1].end == 6000
    assert webvtt.parse("WEBVTT\n\n", Fraction(0), Fraction(6)) == []


def test_a_cue_over_a_border_stands_in_both_segments() -> None:
    """Segments without text are there too; all say where their clock begins."""
    cues = [Cue(500, 1500, "one"), Cue(900, 4500, "two")]
    borders = [Fraction(number) for number in range(7)]
    made = list(webvtt.segments(cues, borders))
    assert [[word for word in ("one", "two") if word in text] for text in made] == [
        ["one", "two"], ["one", "two"], ["two"], ["two"], ["two"], [],
    ]  # fmt: skip
    assert made[5] == "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n"
    assert made[2] == made[5] + "\n00:00:00.900 --> 00:00:04.500\ntwo\n"


CUES = st.lists(
    st.builds(
        lambda start, length, text: Cue(start, start + length, text or "x"),
        st.integers(0, 10_000),
        st.integers(1, 4000),
        st.from_regex(r"[a-z ]{1,8}", fullmatch=True).map(str.strip),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=50)  # the machine's pace is not what is tested
@given(CUES)
def test_no_cue_is_lost_or_changed_on_the_way(cues: list[Cue]) -> None:
    """What a file of the whole says reads back; each segment has exactly the cues that are shown in it."""
    cues.sort(key=lambda cue: (cue.start, cue.end))
    assert webvtt.parse(webvtt.whole(cues), Fraction(0), Fraction(60)) == cues
    borders = [Fraction(7, 4) * number for number in range(10)]
    for text, begin, end in zip(webvtt.segments(cues, borders), borders, borders[1:], strict=False):
        shown = [cue for cue in cues if cue.start < end * 1000 and cue.end > begin * 1000]
        assert webvtt.parse(text, Fraction(0), Fraction(60)) == shown


@settings(deadline=None, max_examples=50)  # the machine's pace is not what is tested
@given(st.text(alphabet=st.sampled_from("0123456789:.->\n <>&ib\0\r"), max_size=200))
def test_any_text_parses_to_something_legal(text: str) -> None:
    """Whatever a file says, no cue holds a blank line or an arrow, and each ends after it begins."""
    for cue in webvtt.parse(text, Fraction(0), Fraction(10**9)):
        assert "-->" not in cue.text
        assert "\n\n" not in f"{cue.text}\n"
        assert 0 <= cue.start < cue.end


ENGLISH = Subtitle(3, "subrip", "eng")
FORCED = Subtitle(4, "ass", "eng", forced=True)
HEARD = Subtitle(5, "mov_text", "ger", hearing_impaired=True)
PICTURES = Subtitle(6, "hdmv_pgs_subtitle", "fre")


def test_text_tracks_are_chosen_and_named() -> None:
    """Pictures are no text; languages are taken in the order of the wish; keys and names differ."""
    tracks = [ENGLISH, FORCED, HEARD, PICTURES, replace(ENGLISH, index=7, title="Songs")]
    made = renditions(tracks, Subtitles())
    assert [(track.name, track.label, track.index) for track in made] == [
        ("en", "English", 3),
        ("en-forced", "English (forced)", 4),
        ("de", "Deutsch (SDH)", 5),
        ("en-2", "Songs", 7),
    ]
    assert [track.index for track in choose(tracks, Subtitles(languages="de,en"))] == [5, 3, 4, 7]
    assert choose(tracks, Subtitles(mode="None")) == []


def with_extras() -> tuple[str, str]:
    """Master and manifest of a package with two tracks of subtitles and a chapter."""
    title = good().title
    tracks = renditions([FORCED, HEARD], Subtitles())
    extras = Extras(tracks, {"en-forced": 1000, "de": 2000}, (Chapter(Fraction(0), Fraction(4), "One"),))
    title = replace(title, extras=extras)
    return package.master_playlist("v/x", title), dash.manifest("v/x", title)


def test_both_kinds_of_manifest_say_what_subtitles_are_for() -> None:
    """Forced and for the hard of hearing; each variant plays with the group; DASH has it in MP4."""
    master, manifest = with_extras()
    media = [line for line in master.splitlines() if "TYPE=SUBTITLES" in line]
    assert media[0].endswith(
        'NAME="English (forced)",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,URI="v/x/subtitles/en-forced/media.m3u8"'
    )
    assert "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound" in media[1]
    assert [
        line.endswith(',SUBTITLES="subtitles"') for line in master.splitlines() if line.startswith("#EXT-X-STREAM-INF")
    ] == [True] * 2
    assert '#EXT-X-SESSION-DATA:DATA-ID="com.apple.hls.chapters",URI="v/x/chapters.json"' in master
    space = "{urn:mpeg:dash:schema:mpd:2011}"
    sets = [one for one in ET.fromstring(manifest).iter(f"{space}AdaptationSet") if one.get("contentType") == "text"]  # noqa: S314 - our own text
    roles = [role.get("value") for one in sets for role in one.iter(f"{space}Role")]
    assert roles == ["forced-subtitle", "caption"]
    names = [template.get("media") for one in sets for template in one.iter(f"{space}SegmentTemplate")]
    assert names == ["subtitles/en-forced/$Number%05d$.m4s", "subtitles/de/$Number%05d$.m4s"]
    assert [run.get("d") for one in sets for run in one.iter(f"{space}S")] == ["40000", "20000"] * 2


def test_a_subtitle_playlist_has_the_videos_segments() -> None:
    """Full length, the same durations and target; no map, for there is no init segment."""
    line = good().title.plan.timeline
    text = package.subtitle_playlist(line, 4)
    assert text.count("#EXTINF:4.000000,") == 2
    assert text.endswith("#EXTINF:2.000000,\n00002.vtt\n#EXT-X-ENDLIST\n")
    assert "EXT-X-MAP" not in text


def test_chapters_are_cut_to_the_film() -> None:
    """On the output's clock, in order, without those outside; one without a title has its number."""
    given = [
        Chapter(Fraction(12), Fraction(20), ""),
        Chapter(Fraction(4), Fraction(12), "A <&> B"),
        Chapter(Fraction(0), Fraction(4), "x"),
    ]
    made = within(given, Fraction(5), Fraction(10))
    assert made == (Chapter(Fraction(0), Fraction(7), "A <&> B"), Chapter(Fraction(7), Fraction(10), "Chapter 2"))
    assert as_webvtt(made).splitlines()[2:4] == ["00:00:00.000 --> 00:00:07.000", "A &lt;&amp;&gt; B"]
    assert json.loads(as_json(made))[1] == {
        "chapter": 2, "start-time": 7.0, "duration": 3.0, "titles": [{"language": "und", "title": "Chapter 2"}],
    }  # fmt: skip


def test_names_stay_below_the_versions_prefix() -> None:
    """Keys of a track."""
    track = TextTrack("en", 3, "English")
    assert (track.folder, track.file) == ("subtitles/en", "subtitles/en.vtt")


@settings(deadline=None, max_examples=50)  # the machine's pace is not what is tested
@given(CUES)
def test_text_in_mp4_fills_its_time_without_a_hole(cues: list[Cue]) -> None:
    """Each segment lasts from border to border; each cue stands where it is shown; empty time is a sample too."""
    cues.sort(key=lambda cue: (cue.start, cue.end))
    borders = [16_000 * number for number in range(6)]
    track = read_init(wvtt.init(10_000))
    assert (track.timescale, track.codec, track.kind) == (10_000, "wvtt", "text")
    for data, begin, end in zip(wvtt.segments(cues, borders, 10_000), borders, borders[1:], strict=False):
        found = read_fragment(data)
        assert (found.start, found.duration, found.length) == (begin, end - begin, len(data))
        shown = [cue for cue in cues if cue.start * 10 < end and cue.end * 10 > begin]
        assert all(cue.text.encode() in data for cue in shown)
        assert (b"vtte" in data) or shown
        assert (b"payl" in data) == bool(shown)
