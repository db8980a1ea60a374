"""How ffprobe's JSON becomes values, and which audio is chosen."""

from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace

from narwhal_operator.contract.transcode import TranscodeOptions
from tests.unit.transcode.inputs import probed
from tests.unit.transcode.packages import good
from workers.transcode import dash, ladder, package
from workers.transcode.languages import NAMES, TWO_LETTERS, tag
from workers.transcode.media import About, Audio, Video, parse
from workers.transcode.tracks import choose


def video(**given: Any) -> dict[str, Any]:
    stream = {
        "index": 0, "codec_type": "video", "codec_name": "h264", "width": 1280, "height": 720, "time_base": "1/90000",
        "r_frame_rate": "30000/1001", "pix_fmt": "yuv420p", "field_order": "progressive", "nb_frames": "300",
    }  # fmt: skip
    return {**stream, **given}


def read(*streams: dict[str, Any], **container: Any) -> Any:
    return parse(
        {"streams": list(streams), "format": {"format_name": "mov,mp4", "nb_streams": len(streams), **container}}
    )


def test_a_plain_stream_is_read_whole() -> None:
    """Fractions stay fractions."""
    rate = Fraction(30000, 1001)
    expected = Video(0, "h264", 1280, 720, Fraction(1, 90_000), nominal_rate=rate, declared_frames=300)
    assert read(video()).video == expected


def test_what_ffprobe_does_not_know_is_absent() -> None:
    """N/A, 0/0, unknown and missing fields are no errors."""
    found = read(video(r_frame_rate="0/0", nb_frames="N/A", sample_aspect_ratio="0:1"), duration="N/A")
    assert (found.video.nominal_rate, found.video.declared_frames, found.video.sample_aspect) == (None, None, 1)
    assert found.duration is None


def test_a_cover_picture_is_no_film() -> None:
    """FFmpeg shows cover art as a video stream."""
    assert read(video(disposition={"attached_pic": 1})).video is None
    assert read(video(), video(disposition={"attached_pic": 1}), video()).films == 2


def test_the_default_stream_comes_first() -> None:
    """Of two films the one marked default is taken."""
    assert read(video(), video(index=3, disposition={"default": 1})).video.index == 3


def test_rotation_is_that_of_the_display_matrix() -> None:
    """Turned by a quarter, width and height change places."""
    found = read(video(side_data_list=[{"side_data_type": "Display Matrix", "rotation": -90}])).video
    assert (found.rotation, found.display) == (270, (720, 1280))


def test_what_a_film_is_called_is_read_and_may_be_replaced() -> None:
    """Tags in any case; the wish goes before the file, an empty one says nothing; players find it in both manifests."""
    found = read(video(), tags={"TITLE": 'The "Film"', "artist": "Someone"})
    assert found.about == About("The 'Film'", "Someone")
    made = ladder.plan(
        replace(probed(), about=found.about), TranscodeOptions.model_validate({"metadata": {"artist": ""}})
    )
    assert made.about == About("The 'Film'", "")
    title = replace(good().title, plan=replace(good().title.plan, about=About("A & B", "Someone")))
    lines = package.master_playlist("v/x", title).splitlines()
    assert lines[3:5] == [
        '#EXT-X-SESSION-DATA:DATA-ID="com.apple.hls.title",VALUE="A & B"',
        '#EXT-X-SESSION-DATA:DATA-ID="dev.narwhal.artist",VALUE="Someone"',
    ]
    assert "<Title>A &amp; B</Title>" in dash.manifest("v/x", title)


@pytest.mark.parametrize(
    ("language", "expected"),
    [("eng", "eng"), ("pt-BR", "pt-BR"), ("und", None), ("../../x", None), ('e"', None), ("", None)],
)
def test_a_language_is_a_language_tag_or_nothing(language: str, expected: str | None) -> None:
    """It becomes part of keys and playlists; a file may say anything."""
    audio = {"index": 1, "codec_type": "audio", "channels": 2, "tags": {"language": language}}
    assert read(video(), audio).audio[0].language == expected


def test_audio_without_channels_is_none() -> None:
    """A stream nobody can decode."""
    assert read(video(), {"index": 1, "codec_type": "audio", "channels": 0}).audio == ()


TRACKS = (
    Audio(1, "aac", 2, language="eng"),
    Audio(2, "ac3", 6, language="ger", default=True),
    Audio(3, "aac", 2),
)


@pytest.mark.parametrize(
    ("languages", "expected"),
    [("all", [2, 1, 3]), ("en", [1]), ("fr,en", [1]), ("en,de", [1, 2]), ("fr", [2]), ("eng,eng", [1])],
)
def test_tracks_are_chosen_by_wish_then_default(languages: str, expected: list[int]) -> None:
    """ISO 639-2 codes of files meet BCP 47 tags of wishes; the default plays first; none is left without sound."""
    assert [track.index for track in choose(TRACKS, languages)] == expected


def test_a_commentary_never_plays_by_itself() -> None:
    """Whatever its default flag says, the film's own sound stands first."""
    talk = Audio(1, "aac", 2, default=True, role="commentary")
    assert [track.index for track in choose((talk, Audio(2, "aac", 2)), "all")] == [2, 1]


def test_what_a_file_says_of_a_track_is_read() -> None:
    """Titles lose what a playlist could not quote; dispositions become a role."""
    tags = {"language": "eng", "title": 'The "director"\n talks\x00 '}
    found = read(
        video(),
        {"index": 1, "codec_type": "audio", "channels": 2, "tags": tags, "disposition": {"comment": 1}},
        {"index": 2, "codec_type": "audio", "channels": 2, "disposition": {"visual_impaired": 1}},
        {"index": 3, "codec_type": "subtitle", "disposition": {"forced": 1, "hearing_impaired": 1}},
    )
    assert [(track.title, track.role) for track in found.audio] == [
        ("The 'director' talks", "commentary"),
        (None, "description"),
    ]
    assert (found.subtitles[0].forced, found.subtitles[0].hearing_impaired) == (True, True)


def test_languages_have_the_shortest_tag() -> None:
    """Both codes of a language (bibliographic and terminological) give the same two letters."""
    assert (tag("ger"), tag("deu"), tag("GER"), tag("haw"), tag(None)) == ("de", "de", "de", "haw", None)
    assert all(len(short) == 2 and len(long) == 3 for long, short in TWO_LETTERS.items())
    assert set(TWO_LETTERS.values()) == set(NAMES)
