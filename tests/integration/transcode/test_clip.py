"""A part of an input: its frames exactly, its sound in step, whatever the container and wherever it begins."""

from collections.abc import Sequence
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import X264, Studio, assert_plays, brightness, ffmpeg, picture, sound

FLASH = "drawbox=c=white:t=fill:enable='between(t,4,4.5)'"
BEEP = "aevalsrc='if(between(t,4,4.5),0.8*sin(2*PI*1000*t),0)':s=48000:d=7"
SOURCES: list[tuple[str, str, Sequence[str]]] = [
    ("mp4", "in.mp4", ()),
    ("long-gop", "in.mp4", ("-preset", "fast", "-g", "250", "-bf", "3")),
    ("transport-stream", "in.ts", ()),
    ("late-matroska", "in.mkv", ("-output_ts_offset", "7.3")),
]


@pytest.mark.parametrize(("name", "extra"), [pytest.param(*source[1:], id=source[0]) for source in SOURCES])
def test_a_clip_has_exactly_its_frames_and_its_sound(studio: Studio, name: str, extra: Sequence[str]) -> None:
    """From 3 s on for 2.6 s: the flash and the beep of second 4 are at second 1, and there are 65 frames."""
    black = ("-f", "lavfi", "-i", f"color=black:s=160x90:r=25:d=7,{FLASH}")
    ffmpeg(*black, "-f", "lavfi", "-i", BEEP, *X264, *extra, "-c:a", "aac", studio.input(name))
    ended = studio.run(studio.order(name, spec={"clip": {"start": "3s", "duration": "2600ms"}}))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert_plays(studio.version / "high/media.m3u8", 65)
    flash = next(number for number, value in enumerate(brightness(studio.version / "high/media.m3u8")) if value > 128)
    (track,) = (studio.version / "audio").iterdir()
    heard = next(number for number, value in enumerate(sound(track / "media.m3u8")) if abs(value) > 8000)
    assert flash == 25
    assert abs(heard / 48_000 - 1) < 0.005
    assert any(note.startswith("clip: 3.000 to 5.600 s of ") for note in ended.notes)


def test_a_clip_of_variable_rate_lasts_as_long_as_it_is_asked_to(studio: Studio) -> None:
    """Frames are made constant first, and then counted."""
    irregular = ("-vf", "select='not(eq(mod(n,7),3))*not(eq(mod(n,11),5))'", "-fps_mode", "vfr")
    ffmpeg(*picture(rate="30", seconds=5), *X264, *irregular, studio.input())
    ended = studio.run(studio.order(spec={"clip": {"start": "1s", "duration": "2s"}}))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert_plays(studio.version / "low/media.m3u8", 60)


def test_another_clip_is_another_version(studio: Studio) -> None:
    """Both are made, and the clip is named by what it is."""
    ffmpeg(*picture(), *X264, studio.input())
    wishes: list[dict[str, Any]] = [{}, {"clip": {"start": "1s"}}]
    assert [studio.run(studio.order(spec=spec)).reason for spec in wishes] == [Reason.COMPLETED] * 2
    assert len(list((studio.output / "v").iterdir())) == 2


def test_a_clip_after_the_end_is_refused(studio: Studio) -> None:
    """With the input's duration, and nothing is published."""
    ffmpeg(*picture(), *X264, studio.input())
    ended = studio.run(studio.order(spec={"clip": {"start": "4s"}}))
    assert ended.reason is Reason.CLIP_EMPTY
    assert "lasts 3.200 s" in ended.message
    assert not (studio.output / "master.m3u8").exists()
