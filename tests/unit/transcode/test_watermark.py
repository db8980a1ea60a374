"""Argument lists of a watermark, of tolerated damage, of sound alone and its cover."""

from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace

from narwhal_operator.contract.transcode import TranscodeOptions
from narwhal_operator.contract.watermark import Watermark
from tests.unit.transcode.inputs import heard, probed
from workers.transcode import command
from workers.transcode.command import Job, Range, Source
from workers.transcode.command.compare import compare
from workers.transcode.ladder import plan
from workers.transcode.media import Audio, Video
from workers.transcode.plan import Mark, Plan
from workers.transcode.watermark import place

JOB = Job(Source("/dev/fd/7"), "/s", 9, 3)
OWN = ["-protocol_whitelist", "file", "-format_whitelist", "png_pipe", "-f", "png_pipe", "-i", "file:/s/watermark.png"]
PART = Range(0, 1)


def marked(position: str = "TopLeft", **given: Any) -> Plan:
    """A plan of one rung with a watermark."""
    wish = TranscodeOptions.model_validate({"ladder": {"renditions": [{"name": "only", "height": 360}]}})
    return replace(plan(probed("640x360", **given), wish), watermark=Mark("/s/watermark.png", position, 20, 10))


def graph_of(argv: list[str]) -> str:
    return argv[argv.index("-filter_complex") + 1]


def test_the_watermark_is_the_input_behind_the_film() -> None:
    """Our own PNG, by its demuxer; in the rungs' colours it lies on the frames before they are scaled."""
    argv = command.encode_video(marked(), PART, JOB)
    at = argv.index("file:/s/watermark.png") + 1
    assert argv[at - len(OWN) : at] == OWN
    assert graph_of(argv) == (
        "[1:0]scale=out_color_matrix=bt601:out_range=tv,format=yuva420p[mark];"
        "[0:0]setpts=PTS-(0),fps=fps=25/1:start_time=0:round=near,tpad=stop=2:stop_mode=clone,trim=start_frame=0:end_frame=100,"
        "format=yuv420p[film];[film][mark]overlay=x=20:y=10:format=yuv420:eof_action=repeat[s0];"
        "[s0]scale=640:360:flags=bicubic,setsar=1,format=yuv420p[v0]"
    )


def test_a_comparison_has_it_behind_the_rungs() -> None:
    """Input 0 is the film, 1 the rung, 2 the watermark."""
    argv = compare(marked(), PART, "SSIM", [Source("/s/0.mp4")], JOB)
    assert argv.index("file:/s/0.mp4") < argv.index("file:/s/watermark.png")
    assert graph_of(argv).startswith("[2:0]scale=")


@pytest.mark.parametrize(
    ("position", "place"),
    [
        ("TopRight", "x=W-w-20:y=10"),
        ("BottomLeft", "x=20:y=H-h-10"),
        ("BottomRight", "x=W-w-20:y=H-h-10"),
        ("Center", "x=(W-w)/2:y=(H-h)/2"),
    ],
)
def test_each_position_has_its_place(position: str, place: str) -> None:
    """Margins count from the edges it is at."""
    assert f"overlay={place}:" in graph_of(command.encode_video(marked(position), PART, JOB))


def test_full_range_and_rgb_are_converted_before_it_lies_on_them() -> None:
    """The mark is in limited range and so are the frames; they are not converted a second time."""
    full = graph_of(command.encode_video(marked(full_range=True, pixel_format="yuvj420p"), PART, JOB))
    assert "scale=flags=bicubic:out_range=tv,format=yuv420p[film]" in full
    assert full.count(":out_range=tv") == 2
    rgb = graph_of(command.encode_video(marked(pixel_format="gbrp", matrix="gbr"), PART, JOB))
    assert "scale=flags=bicubic:out_color_matrix=bt709:out_range=tv,format=yuv420p[film]" in rgb


def test_sizes_are_of_what_is_shown() -> None:
    """10 % of the width and 5 % of the height, on square pixels, anamorphic ones, and a film that is turned."""
    wish = Watermark.model_validate({"image": {"bucket": "media", "key": "a.png"}, "width": 10, "margin": 5})
    video = Video(0, "h264", 1920, 1080, Fraction(1, 25))
    assert list(place(video, wish)) == [192, 192, Mark("", "BottomRight", 54, 54)]
    wide = replace(video, width=1440, sample_aspect=Fraction(4, 3))
    assert list(place(wide, wish)) == [144, 192, Mark("", "BottomRight", 40, 54)]
    assert list(place(replace(video, rotation=90), wish)) == [108, 108, Mark("", "BottomRight", 96, 96)]


def test_the_users_picture_is_opened_as_what_it_is_and_nothing_else() -> None:
    """One demuxer, strictly; a size of whole pairs of pixels."""
    argv = command.mark(
        Source("/s/watermark"), "jpeg_pipe", (Fraction(193), Fraction(96)), Fraction(1, 2), "/s/w.png", 9
    )
    assert argv[argv.index("-format_whitelist") + 1] == "jpeg_pipe"
    assert "-xerror" in argv
    assert "scale=w=192:h='min(4320,max(2,2*round(96.0000*ih/iw/2)))':flags=lanczos,format=rgba" in " ".join(argv)


def test_tolerated_damage_is_no_error_to_ffmpeg_and_the_last_frame_stands_until_the_end() -> None:
    """Without -xerror and explode, and however few packets decode; a survey lists the good frames only."""
    tolerant = replace(marked(), tolerant=True, watermark=None)
    argv = command.encode_video(tolerant, PART, JOB)
    assert "-xerror" not in argv
    assert argv[argv.index("-max_error_rate") + 1] == "1"
    assert "tpad=stop=-1:" in graph_of(argv)
    assert "-xerror" not in command.encode_audio(tolerant, tolerant.audio, JOB)
    look = command.survey(Source("/dev/fd/7"), 1, 3, 9)
    assert (look[look.index("-err_detect") + 1], "-xerror" in look, "-copyts" in look) == ("explode", False, True)


def test_sound_alone_is_encoded_in_every_bit_rate_by_one_process() -> None:
    """From its first packet on, cut at whole packets; a cover is one picture of its own stream."""
    made = plan(heard(Audio(0, "mp3", 2), cover=1), TranscodeOptions())
    argv = command.encode_title(made, PART, JOB)
    assert [argv[at + 1] for at, word in enumerate(argv) if word == "-b:a"] == ["160000", "96000", "64000"]
    assert {argv[at + 1] for at, word in enumerate(argv) if word == "-hls_time"} == {"4.010666"}
    assert graph_of(argv).startswith("[0:0]asetpts=PTS-round(1/40/TB),aresample=48000:async=1:first_pts=0,")
    cover = command.cover(Source("/dev/fd/7"), 1, "/s/poster.jpg", 9)
    assert (cover[cover.index("-map") + 1], cover[cover.index("-frames:v") + 1]) == ("0:1", "1")
    with pytest.raises(ValueError, match="no pictures"):
        _ = made.picture
