"""Thumbnails through the real worker: the right pictures at the right places, made once."""

import subprocess
from pathlib import Path
from typing import Any

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import SMALL, X264, Studio, assert_plays, ffmpeg

FLASH = "color=black:s=320x180:r=25:d=6.4,drawbox=c=white:t=fill:enable='between(t,3,3.99)'"
SPEC: dict[str, Any] = {
    "ladder": {"renditions": [{"name": "high", "height": 180}, {"name": "low", "height": 90}]},
    "packaging": {**SMALL["packaging"], "segmentDuration": "2s", "manifests": ["HLS", "DASH"]},
    "thumbnails": {"interval": "1s", "width": 64},
}


def grey(picture: Path) -> tuple[int, int, bytes]:
    """Width, height and brightness of a picture, row by row."""
    probe = ["ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0", str(picture)]
    size = subprocess.run(probe, capture_output=True, text=True, check=True, timeout=60).stdout.strip().split(",")
    raw = ["ffmpeg", "-v", "error", "-i", str(picture), "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    done = subprocess.run(raw, capture_output=True, check=True, timeout=60)
    return int(size[0]), int(size[1]), done.stdout


def test_each_thumbnail_shows_its_time(studio: Studio) -> None:
    """Of seven pictures a second apart the fourth is the white one; sheet, poster, playlist and index are there."""
    ffmpeg("-f", "lavfi", "-i", FLASH, *X264, studio.input())
    ended = studio.run(studio.order(spec=SPEC))
    assert ended.reason is Reason.COMPLETED, ended.message
    width, height, picture = grey(studio.version / "thumbnails/00000.jpg")
    assert (width, height) == (5 * 64, 2 * 36)
    centres = [picture[(36 * (number // 5) + 18) * width + 64 * (number % 5) + 32] for number in range(7)]
    assert [value > 200 for value in centres] == [False, False, False, True, False, False, False]
    assert grey(studio.version / "poster.jpg")[:2] == (320, 180)
    assert (studio.version / "thumbnails.vtt").read_text().count("#xywh=") == 7
    assert "EXT-X-TILES:RESOLUTION=64x36,LAYOUT=5x2" in (studio.version / "thumbnails/media.m3u8").read_text()
    assert_plays(studio.output / "master.m3u8", 160)
    assert_plays(studio.output / "manifest.mpd", 160)


def test_a_repeated_run_makes_no_picture_again(studio: Studio) -> None:
    """What the record says is stored stays as it is; the outcome is made again from it."""
    ffmpeg("-f", "lavfi", "-i", FLASH, *X264, studio.input())
    assert studio.run(studio.order(spec=SPEC)).reason is Reason.COMPLETED
    sheet = studio.version / "thumbnails/00000.jpg"
    before, master = sheet.stat().st_mtime_ns, (studio.output / "master.m3u8").read_text()
    (studio.version / "outcome.json").unlink()
    assert studio.run(studio.order(spec=SPEC)).reason is Reason.COMPLETED
    assert sheet.stat().st_mtime_ns == before
    assert (studio.output / "master.m3u8").read_text() == master
