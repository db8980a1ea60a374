"""Sound in step with the picture, the real clip, mode Plan. The kinds of legal input are in tests/conformance."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import (
    CLIP,
    SMALL,
    X264,
    Studio,
    assert_plays,
    brightness,
    ffmpeg,
    picture,
    sound,
)

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
