"""A colour that goes in comes out, whatever the input's range, matrix, primaries and depth; and rungs say what they are."""

import json
import subprocess
from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import Studio, ffmpeg

COLOUR = (32, 160, 224)
RGB = f"color=c=0x{''.join(f'{part:02x}' for part in COLOUR)}:s=160x90:r=25:d=0.4,format=gbrp"
FROM = "setparams=range=pc:color_primaries=bt709:color_trc=bt709:colorspace=gbr"
TO709 = f"{RGB},{FROM},zscale=matrix=bt709:range=tv"
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "1")
TAGS = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709")
KINDS: list[tuple[str, str, tuple[str, ...], str, str]] = [
    # name, filters, encoder, matrix of the rung, a note
    ("plain", f"{TO709},format=yuv420p", (*X264, *TAGS), "bt709", ""),
    ("full-range", f"{RGB},{FROM},zscale=matrix=bt709:range=pc,format=yuvj420p", (*X264, *TAGS, "-color_range", "pc"), "bt709", "full range"),
    ("full-range-10-bit", f"{RGB},{FROM},zscale=matrix=bt709:range=pc,format=yuv420p10le", (*X264, *TAGS, "-color_range", "pc"), "bt709", "full range"),
    ("yuv444-10-bit", f"{TO709},format=yuv444p10le", (*X264, *TAGS), "bt709", "reduced to 8 bits"),
    ("rgb", f"{RGB}", ("-c:v", "libx264rgb", "-crf", "1"), "bt709", "gbrp: converted"),
    ("bt601", f"{RGB},{FROM},zscale=matrix=smpte170m:range=tv,format=yuv420p", (*X264, "-colorspace", "smpte170m", "-color_primaries", "bt709", "-color_trc", "bt709"), "smpte170m", ""),
    ("untagged", f"{RGB},{FROM},zscale=matrix=smpte170m:range=tv,format=yuv420p,setparams=colorspace=unknown:color_primaries=unknown:color_trc=unknown", X264, "smpte170m", ""),
    ("wide-gamut", f"{RGB},{FROM},zscale=primaries=bt2020:matrix=bt2020nc:range=tv,format=yuv420p10le", (*X264, "-color_primaries", "bt2020", "-color_trc", "bt2020-10", "-colorspace", "bt2020nc"), "bt709", "converted to BT.709"),
    ("wide-gamut-odd", f"{RGB},{FROM},zscale=primaries=bt2020:matrix=bt2020nc:range=tv:w=161:h=91,format=yuv444p10le", (*X264, "-color_primaries", "bt2020", "-color_trc", "bt2020-10", "-colorspace", "bt2020nc"), "bt709", "converted to BT.709"),
]  # fmt: skip


def shown(playlist: Path, matrix: str) -> tuple[int, ...]:
    """The pixel in the middle of the first frame, as a player that reads the tags shows it."""
    back = f"zscale=matrixin={matrix}:rangein=tv:matrix=gbr:range=pc,format=gbrp,crop=2:2,format=rgb24"
    argv = ["ffmpeg", "-v", "error", "-i", str(playlist), "-vf", back, "-frames:v", "1", "-f", "rawvideo", "-"]
    return tuple(subprocess.run(argv, capture_output=True, timeout=60, check=True).stdout[:3])


def tags(playlist: Path) -> dict[str, str]:
    argv = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_streams", "-of", "json", str(playlist)]
    found: dict[str, str] = json.loads(subprocess.run(argv, capture_output=True, timeout=60, check=True).stdout)[
        "streams"
    ][0]
    return found


@pytest.mark.parametrize(
    ("graph", "encoder", "matrix", "note"), [pytest.param(*kind[1:], id=kind[0]) for kind in KINDS]
)
def test_a_colour_comes_out_as_it_went_in(
    studio: Studio, graph: str, encoder: tuple[str, ...], matrix: str, note: str
) -> None:
    """To three of 255 steps, in 8 bits and limited range, tagged with the matrix it has."""
    ffmpeg("-f", "lavfi", "-i", graph, *encoder, studio.input("in.mkv"))
    ended = studio.run(
        studio.order("in.mkv", spec={"ladder": {"renditions": [{"name": "low", "height": 48, "crf": 5}]}})
    )
    assert ended.reason is Reason.COMPLETED, ended.message
    playlist = studio.version / "low/media.m3u8"
    found = tags(playlist)
    assert (found["pix_fmt"], found["color_range"], found["color_space"]) == ("yuv420p", "tv", matrix)
    assert {"color_primaries", "color_transfer"} <= found.keys()
    assert all(abs(one - other) <= 3 for one, other in zip(shown(playlist, matrix), COLOUR, strict=True))
    assert note in " ".join(ended.notes)


@pytest.mark.parametrize("size", ["160x90", "161x91"])
def test_tone_mapped_pictures_are_tagged_bt709(studio: Studio, size: str) -> None:
    """Of odd sizes and of PQ that says nothing of its matrix too."""
    pq = f"testsrc2=s={size}:r=25:d=0.4,format=yuv444p10le,setparams=range=tv:color_trc=smpte2084"
    ffmpeg("-f", "lavfi", "-i", pq, *X264, "-color_trc", "smpte2084", studio.input("in.mkv"))
    ended = studio.run(studio.order("in.mkv", spec={"ladder": {"renditions": [{"name": "low", "height": 48}]}}))
    assert ended.reason is Reason.COMPLETED, ended.message
    found = tags(studio.version / "low/media.m3u8")
    assert [found[f"color_{name}"] for name in ("primaries", "transfer", "space")] == ["bt709"] * 3
