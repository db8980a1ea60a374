"""A picture over the video: where it was asked for, as strong as it was asked for, on every frame of every rung."""

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode import stages
from tests.integration.transcode.studio import AAC, BUCKET, X264, Ended, Studio, assert_plays, ffmpeg, tone

GREY: Final = ("-f", "lavfi", "-i", "color=0x404040:s=320x180:r=25:d=2")
HDR: Final = ("-vf", "format=yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params")
PQ: Final = "log-level=none:colorprim=bt2020:colormatrix=bt2020nc:transfer=smpte2084"


def wish(**changed: Any) -> dict[str, Any]:
    """A rung of the input's size, and a watermark."""
    ladder = {"renditions": [{"name": "high", "height": 180, "crf": 12}, {"name": "low", "height": 90, "crf": 12}]}
    return {"ladder": ladder, "watermark": {"image": {"bucket": BUCKET, "key": "logo.png"}, **changed}}


def logo(path: Path, colour: str = "red") -> None:
    """A picture of 40x20: the left half of one colour, the right half transparent."""
    half = f"color={colour}:s=20x20,format=rgba[a];color=black@0:s=20x20,format=rgba[b];[a][b]hstack"
    ffmpeg("-filter_complex", half, "-frames:v", "1", "-update", "1", path)


def pixels(playlist: Path, frame: int = 10) -> tuple[int, bytes]:
    """Width of a rung, and a frame of it in RGB."""
    argv = ["ffmpeg", "-v", "error", "-i", str(playlist), "-vf", f"select=eq(n\\,{frame})", "-frames:v", "1"]
    done = subprocess.run([*argv, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
    width = 320 if len(done.stdout) == 320 * 180 * 3 else 160
    return width, done.stdout


def at(found: tuple[int, bytes], x: float, y: float) -> tuple[int, int, int]:
    """The colour at a place, in parts of width and height."""
    width, data = found
    place = (round(y * (width * 9 // 16)) * width + round(x * width)) * 3
    return data[place], data[place + 1], data[place + 2]


def red(colour: tuple[int, int, int]) -> bool:
    return colour[0] > 200 and max(colour[1:]) < 60


def grey(colour: tuple[int, int, int]) -> bool:
    return all(abs(value - 0x40) < 12 for value in colour)


def published(studio: Studio, **changed: Any) -> Ended:
    return studio.run(studio.order(spec=wish(**changed)))


# Of a picture of 320x180 and a mark of 20 % (64x32), 10 % (18 lines) from the edges: its red and its transparent middle.
PLACES: Final = {
    "TopLeft": ((0.1, 0.19), (0.21, 0.19)),
    "TopRight": ((0.79, 0.19), (0.9, 0.19)),
    "BottomLeft": ((0.1, 0.81), (0.21, 0.81)),
    "BottomRight": ((0.79, 0.81), (0.9, 0.81)),
    "Center": ((0.45, 0.5), (0.55, 0.5)),
}


@pytest.mark.parametrize("position", ["TopLeft", "BottomRight", "Center"])
def test_it_is_where_it_was_asked_for(studio: Studio, position: str) -> None:
    """Red on the mark's left half, the film on its transparent half and in the other corners, in both rungs, in every segment."""
    ffmpeg(*GREY, *tone(2), *X264, *AAC, studio.input())
    logo(studio.input("logo.png"))
    ended = published(studio, position=position, width=20, margin=10)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert_plays(studio.output / "master.m3u8", 50)
    for rung in ("high", "low"):
        for frame in (0, 49):
            found = pixels(studio.version / rung / "media.m3u8", frame)
            for name, (colour, clear) in PLACES.items():
                assert red(at(found, *colour)) == (name == position), (name, at(found, *colour))
                assert grey(at(found, *clear))


def test_a_resumed_run_lays_it_on_the_tail_too(studio: Studio) -> None:
    """The last of two segments is missing: it is encoded again, with the mark in its place."""
    ffmpeg(*GREY, *X264, studio.input())
    logo(studio.input("logo.png"))
    spec = {"position": "Center", "width": 20}
    assert published(studio, **spec).reason is Reason.COMPLETED
    studio.segments("high")[1].unlink()
    assert published(studio, **spec).reason is Reason.COMPLETED
    assert len(studio.segments("high")) == 2
    assert red(at(pixels(studio.version / "high" / "media.m3u8", 30), *PLACES["Center"][0]))
    assert_plays(studio.output / "master.m3u8", 50)


def test_every_pod_of_a_divided_title_makes_its_own(studio: Studio) -> None:
    """Stages with a scratch of their own each: the mark lies on the frames of every part."""
    ffmpeg(*GREY, *X264, studio.input())
    logo(studio.input("logo.png"))
    order = stages.divided(studio, spec=wish(position="Center", width=20))
    for index in reversed(range(stages.plan(studio, order))):
        ended = stages.part(studio, order, index)
        assert ended.reason is Reason.COMPLETED, ended.message
    shutil.rmtree(studio.base / "scratch")
    ended = studio.run(stages.staged(order, "Finish"))
    assert ended.reason is Reason.COMPLETED, ended.message
    for frame in (10, 40):
        assert red(at(pixels(studio.version / "high" / "media.m3u8", frame), *PLACES["Center"][0]))


def test_its_opacity_its_image_and_its_place_are_other_work(studio: Studio) -> None:
    """At half strength it is between the film and its colour; another image under the same key is another version."""
    ffmpeg(*GREY, *X264, studio.input())
    logo(studio.input("logo.png"))
    assert published(studio, position="Center", width=20, opacity=50).reason is Reason.COMPLETED
    value = at(pixels(studio.version / "high" / "media.m3u8"), *PLACES["Center"][0])
    assert 120 < value[0] < 200, value
    logo(studio.input("logo.png"), "blue")
    assert published(studio, position="Center", width=20).reason is Reason.COMPLETED
    assert len(list((studio.output / "v").iterdir())) == 2


def test_it_lies_upright_and_in_shape_on_a_turned_film_and_quality_sees_it_too(studio: Studio, tmp_path: Path) -> None:
    """A phone's film: 180x320 once upright; the mark is twice as wide as high. SSIM compares with what was encoded."""
    ffmpeg(*GREY, *X264, tmp_path / "plain.mp4")
    ffmpeg("-i", tmp_path / "plain.mp4", "-metadata:s:v", "rotate=90", "-c", "copy", studio.input())
    ffmpeg("-f", "lavfi", "-i", "color=red:s=40x20", "-frames:v", "1", "-update", "1", studio.input("logo.jpg"))
    image = {"bucket": BUCKET, "key": "logo.jpg"}
    spec = wish(image=image, position="TopLeft", width=40, margin=0) | {"quality": {"metric": "SSIM", "floor": 0.9}}
    ended = studio.run(studio.order(spec=spec))
    assert ended.reason is Reason.COMPLETED, ended.message
    argv = ["ffmpeg", "-v", "error", "-i", str(studio.version / "high" / "media.m3u8"), "-frames:v", "1"]
    argv += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    data = subprocess.run(argv, capture_output=True, check=True).stdout
    assert len(data) == 180 * 320 * 3

    def colour(x: int, y: int) -> tuple[int, int, int]:
        place = (y * 180 + x) * 3
        return data[place], data[place + 1], data[place + 2]

    assert red(colour(66, 30))
    assert grey(colour(80, 10))
    assert grey(colour(10, 44))


def bad_picture(path: Path) -> None:
    logo(path)
    path.write_bytes(path.read_bytes()[:60])


def playlist(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXTINF:1,\nin.mp4\n")


BAD: Final = [
    ("missing", lambda _: None, Reason.INPUT_NOT_FOUND, "spec.watermark.image media/logo.png does not exist"),
    ("playlist", playlist, Reason.INPUT_NOT_MEDIA, "neither a PNG nor a JPEG"),
    ("cut", bad_picture, Reason.INPUT_DAMAGED, "export the picture again"),
]


@pytest.mark.parametrize(("make", "reason", "words"), [pytest.param(*case[1:], id=case[0]) for case in BAD])
def test_a_bad_picture_ends_with_its_reason(studio: Studio, make: Any, reason: Reason, words: str) -> None:
    """Each names the field and the object, and nothing is published."""
    ffmpeg(*GREY, *X264, studio.input())
    make(studio.input("logo.png"))
    ended = published(studio)
    assert (ended.reason, words in ended.message) == (reason, True), ended.message
    assert not (studio.output / "master.m3u8").exists()


def test_high_dynamic_range_is_refused_by_name(studio: Studio) -> None:
    """A rung that would keep it; with dynamicRange SDR the mark lies on the tone-mapped film."""
    ffmpeg(*GREY, *HDR, PQ, studio.input())
    logo(studio.input("logo.png"))
    rung = {"name": "wide", "height": 180, "codec": "hevc"}
    refused = studio.run(studio.order(spec=wish() | {"ladder": {"renditions": [rung]}}))
    assert (refused.reason, "wide keep" in refused.message) == (Reason.NOT_SUPPORTED, True), refused.message
    mapped = {"ladder": {"renditions": [rung | {"dynamicRange": "SDR", "codec": "h264"}]}}
    ended = studio.run(studio.order(spec=wish(position="Center", width=20) | mapped))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert red(at(pixels(studio.version / "wide" / "media.m3u8"), *PLACES["Center"][0]))
