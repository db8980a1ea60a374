"""Legal inputs of every kind: each rung has exactly the frames it should, evenly apart, and the sound is in step."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import (
    AAC,
    CLIP,
    SMALL,
    X264,
    Ended,
    Studio,
    args,
    assert_plays,
    brightness,
    ffmpeg,
    picture,
    sound,
    tone,
)

FILM_NTSC, NTSC = "24000/1001", "30000/1001"
VFR = "select='not(eq(mod(n,7),3))*not(eq(mod(n,11),5))'"
KINDS: list[tuple[str, Sequence[str | Path], str, int, str]] = [
    # name, how it is made, file name, frames that must come out, a note that must be there
    ("24", args(picture(rate="24", seconds=3), X264), "in.mp4", 72, "no audio"),
    ("25", args(picture(), tone(), X264, AAC), "in.mp4", 80, ""),
    ("film-ntsc", args(picture(rate=FILM_NTSC, seconds=3.003), tone(), X264, AAC), "in.mp4", 72, ""),
    ("ntsc", args(picture(rate=NTSC, seconds=3.003), tone(), X264, AAC), "in.mp4", 90, ""),
    ("60", args(picture(rate="60", seconds=2.5), tone(), X264, AAC), "in.mp4", 150, ""),
    ("120", args(picture(rate="120", seconds=2), X264), "in.mp4", 120, "lowered to 60"),
    ("one-frame", args(picture(seconds=0.04), X264), "in.mp4", 1, ""),
    ("one-frame-with-sound", args(picture(seconds=0.04), tone(0.04), X264, ("-c:a", "aac")), "in.mp4", 1, ""),
    ("two-frames", args(picture(seconds=0.08), X264), "in.mp4", 2, ""),
    ("three-frames", args(picture(seconds=0.12), X264), "in.mp4", 3, ""),
    ("slideshow", args(picture(rate="1", seconds=12), tone(12), X264, AAC), "in.mp4", 12, ""),
    ("slow-slideshow", args(picture(rate="1/5", seconds=40), X264), "in.mkv", 8, ""),
    ("a-still-with-sound", args(picture("160x90", "1/24", 24), tone(24), X264, ("-c:a", "aac")), "in.mp4", 24, "shown again"),
    ("under-a-segment", args(picture(seconds=0.4), tone(0.4), X264, AAC), "in.mp4", 10, ""),
    ("matroska", args(picture(rate=FILM_NTSC, seconds=3.003), tone(), X264, AAC), "in.mkv", 72, ""),
    ("webm", args(picture(), tone(), ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus")), "in.webm", 80, ""),
    ("transport-stream", args(picture(), tone(), X264, AAC), "in.ts", 80, "moved to 0"),
    ("transport-stream-ntsc", args(picture(rate=NTSC, seconds=3.003), tone(), X264, AAC), "in.ts", 90, "moved to 0"),
    ("flash-video", args(picture(), tone(), X264, ("-c:a", "aac")), "in.flv", 80, ""),
    ("avi", args(picture(), tone(), ("-c:v", "mpeg4", "-c:a", "libmp3lame")), "in.avi", 81, ""),  # its second packet is empty: the first frame is shown twice
    ("fragmented", args(picture(), tone(), X264, AAC, ("-movflags", "frag_keyframe+empty_moov")), "in.mp4", 81, ""),  # FFmpeg gives the first frame 61 ms
    ("b-frames", args(picture(), X264, ("-preset", "fast", "-bf", "3", "-g", "50")), "in.mp4", 80, ""),
    ("open-gop", args(picture(), X264, ("-preset", "fast", "-g", "20", "-x264-params", "open-gop=1")), "in.mkv", 80, ""),
    ("odd-size", args(picture(), ("-vf", "scale=161:91", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p")), "in.mp4", 80, "odd size"),
    ("portrait", args(picture("90x160"), tone(), X264, AAC), "in.mp4", 80, ""),
    ("anamorphic", args(picture(), X264, ("-vf", "setsar=4/3")), "in.mp4", 80, "scaled to square pixels"),
    ("mono", args(picture(), tone(layout="mono"), X264, AAC), "in.mp4", 80, ""),
    ("surround", args(picture(), tone(layout="5.1"), X264, AAC), "in.mp4", 80, "6 channels"),
    ("sound-44100", args(picture(), tone(), X264, AAC, ("-ar", "44100")), "in.mp4", 80, ""),
    ("sound-shorter", args(picture(), tone(1.5), X264, ("-c:a", "aac")), "in.mp4", 80, ""),
    ("sound-longer", args(picture(), tone(5), X264, ("-c:a", "aac")), "in.mp4", 80, ""),
    ("variable-rate", args(picture(rate="30", seconds=4), X264, ("-vf", VFR, "-fps_mode", "vfr")), "in.mp4", 120, "variable frame rate"),
    ("late-start", args(picture(), tone(), X264, AAC, ("-output_ts_offset", "7.3")), "in.mkv", 80, "moved to 0"),
    ("ten-bit", args(picture(), ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le")), "in.mp4", 80, "reduced to 8 bits"),
    ("full-range", args(picture(), ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuvj420p")), "in.mp4", 80, ""),
    ("hevc", args(picture(), ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none")), "in.mp4", 80, ""),
    ("interlaced", args(picture(rate="50"), X264, ("-vf", "scale=160:96,tinterlace=4", "-flags", "+ilme+ildct")), "in.mp4", 80, "interlaced: deinterlaced"),
    ("high-dynamic-range", args(picture(), ("-vf", "format=yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc")), "in.mp4", 80, "tone-mapped"),
]  # fmt: skip


@pytest.mark.parametrize(("made", "name", "frames", "note"), [pytest.param(*kind[1:], id=kind[0]) for kind in KINDS])
def test_a_legal_input_comes_out_whole(
    studio: Studio, made: Sequence[str | Path], name: str, frames: int, note: str
) -> None:
    """Every rung plays to the exact number of frames; the gate found nothing; what was corrected is noted."""
    ffmpeg(*made, studio.input(name))
    spec = {"ladder": {"renditions": [{"name": "high", "height": 90}, {"name": "low", "height": 48}]}}
    ended = studio.run(studio.order(name, spec=spec))
    assert ended.reason is Reason.COMPLETED, ended.message
    for rung in ("high", "low"):
        assert_plays(studio.version / rung / "media.m3u8", frames)
    assert_sound_is_as_long(studio, ended)
    assert note in " ".join(ended.notes)


def assert_sound_is_as_long(studio: Studio, ended: Ended) -> None:
    plan = ended.report.plan
    assert plan is not None
    if plan.audio_tracks:
        samples = len(sound(studio.version / "audio/main/media.m3u8"))
        assert abs(samples / 48_000 - plan.duration_seconds) <= max(
            1024 / 48_000, 2048 / 48_000 - plan.duration_seconds
        )


def test_a_rotated_film_comes_out_upright(studio: Studio) -> None:
    """A phone's film with a display matrix: portrait rungs, picture and all."""
    plain = studio.input("plain.mp4")
    ffmpeg(*picture(), *X264, plain)
    ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v", "rotate=90", studio.input())
    ended = studio.run(studio.order())
    assert ended.reason is Reason.COMPLETED, ended.message
    assert "turned upright" in " ".join(ended.notes)
    assert "RESOLUTION=90x160" in (studio.output / "master.m3u8").read_text()


FLASH = "drawbox=c=white:t=fill:enable='between(t,2,2.5)'"
BEEP = "aevalsrc='if(between(t,2,2.5),0.8*sin(2*PI*1000*t),0)':s=48000:d=4"
SHIFTS: list[tuple[str, str, Sequence[str]]] = [
    ("mp4", "in.mp4", ()),
    ("transport-stream", "in.ts", ()),
    ("matroska-with-priming", "in.mkv", ()),
    ("late", "in.mkv", ("-output_ts_offset", "5")),
]


@pytest.mark.parametrize(("name", "extra"), [pytest.param(*shift[1:], id=shift[0]) for shift in SHIFTS])
def test_sound_and_picture_stay_in_step(studio: Studio, name: str, extra: Sequence[str]) -> None:
    """A flash and a beep at 2 s are at 2 s, to the frame and to 5 ms, whatever the container does at its start."""
    black = ("-f", "lavfi", "-i", f"color=black:s=160x90:r=25:d=4,{FLASH}")
    beep = ("-f", "lavfi", "-i", BEEP)
    ffmpeg(*black, *beep, *X264, "-c:a", "aac", *extra, studio.input(name))
    ended = studio.run(studio.order(name))
    assert ended.reason is Reason.COMPLETED, ended.message
    flash = next(number for number, value in enumerate(brightness(studio.version / "high/media.m3u8")) if value > 128)
    heard = next(
        number for number, value in enumerate(sound(studio.version / "audio/main/media.m3u8")) if abs(value) > 8000
    )
    assert flash == 50
    assert abs(heard / 48_000 - 2) < 0.005


def test_sound_that_starts_later_is_heard_later(studio: Studio, tmp_path: Path) -> None:
    """A second without sound at the start stays one."""
    ffmpeg(*picture(seconds=4), *X264, tmp_path / "v.mp4")
    ffmpeg("-f", "lavfi", "-i", "sine=r=48000:d=2", "-c:a", "aac", tmp_path / "a.m4a")
    late = ("-i", tmp_path / "v.mp4", "-itsoffset", "1.5", "-i", tmp_path / "a.m4a")
    ffmpeg(*late, "-map", "0:v", "-map", "1:a", "-c", "copy", studio.input("in.mkv"))
    ended = studio.run(studio.order("in.mkv"))
    assert ended.reason is Reason.COMPLETED, ended.message
    heard = sound(studio.version / "audio/main/media.m3u8")
    first = next(number for number, value in enumerate(heard) if abs(value) > 1000)
    assert abs(first / 48_000 - 1.5) < 0.03
    assert len(heard) / 48_000 > 3.9


def test_the_clip_of_the_demo_becomes_a_ladder_with_a_manifest(studio: Studio) -> None:
    """The real clip: rungs of the preset below it, HLS and DASH over the same segments, both play."""
    studio.input().write_bytes(CLIP.read_bytes())
    spec: dict[str, Any] = {"ladder": {"preset": "h264-mobile"}, "packaging": {"manifests": ["HLS", "DASH"]}}
    ended = studio.run(studio.order(spec=spec))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.result is not None
    assert ended.result.result is not None
    assert ended.result.result.manifest_key == "out/manifest.mpd"
    for rung in ("480p", "360p", "240p"):
        assert_plays(studio.version / rung / "media.m3u8", 132)
    assert_plays(studio.output / "master.m3u8", 132)
    assert_plays(studio.output / "manifest.mpd", 132)


def test_plan_mode_says_what_would_be_done_and_writes_nothing(studio: Studio) -> None:
    """The plan is in the outcome; the output prefix stays empty."""
    studio.input().write_bytes(CLIP.read_bytes())
    ended = studio.run(studio.order(spec={"mode": "Plan", "ladder": {"preset": "h264-standard"}}))
    assert ended.reason is Reason.COMPLETED
    assert ended.result is not None
    plan = ended.result.plan
    assert plan is not None
    assert [rung.name for rung in plan.rungs] == ["720p", "480p", "360p"]
    assert plan.dropped == ["1080p: 1080 lines are above the input's 720; nothing is upscaled"]
    assert not studio.output.exists()
    assert plan.command is not None
    assert plan.command.startswith("ffmpeg -nostdin")
    assert "media/in.mp4" in plan.command
    assert str(studio.base) not in plan.command
    assert plan.estimated_seconds is not None
    assert 0.1 < plan.estimated_seconds < 120
    sizes = [rung.estimated_bytes or 0 for rung in plan.rungs]
    assert sizes == sorted(sizes, reverse=True)
    assert 100_000 < sizes[0] < 3_000_000


def test_small_ladder_is_the_default_of_these_tests() -> None:
    """The table above relies on it."""
    assert [rung["height"] for rung in SMALL["ladder"]["renditions"]] == [90, 48]
