"""Thumbnails: the grid, the frames, and what each kind of player reads of it."""

from fractions import Fraction
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from narwhal_operator.contract.tracks import Thumbnails
from narwhal_operator.contract.transcode import TranscodeOptions
from tests.unit.transcode.inputs import probed
from tests.unit.transcode.packages import good
from workers.transcode import command, dash, package, tiles
from workers.transcode.extras import Extras
from workers.transcode.ladder import plan
from workers.transcode.plan import Plan


def planned(size: str = "1920x1080", rate: str = "25", seconds: float = 300, **spec: Any) -> Plan:
    return plan(probed(size, rate, seconds), TranscodeOptions.model_validate(spec))


GRIDS = [
    pytest.param("1920x1080", 300, "10s", 320, (320, 180, 5, 5, 30, 2), id="five-minutes"),
    pytest.param("1080x1920", 300, "10s", 320, (180, 320, 5, 5, 30, 2), id="portrait"),
    pytest.param("1920x1080", 12, "10s", 320, (320, 180, 2, 1, 2, 1), id="two-of-them"),
    pytest.param("1920x1080", 3, "10s", 320, (320, 180, 1, 1, 1, 1), id="one"),
    pytest.param("1920x800", 60, "1s", 160, (160, 66, 5, 5, 60, 3), id="each-second"),
    pytest.param("200x100", 60, "10s", 320, (200, 100, 5, 2, 6, 1), id="nothing-is-upscaled"),
    pytest.param("1920x1080", 7200, "10m", 320, (320, 180, 5, 3, 12, 1), id="a-long-film"),
]


@pytest.mark.parametrize(("size", "seconds", "interval", "width", "expected"), GRIDS)
def test_the_grid_follows_the_film(
    size: str, seconds: float, interval: str, width: int, expected: tuple[int, ...]
) -> None:
    """Size of a thumbnail, columns, rows, thumbnails, sheets."""
    made = tiles.grid(planned(size, seconds=seconds), Thumbnails(interval=interval, width=width))
    assert (made.width, made.height, made.columns, made.rows, made.count, made.sheets) == expected


def test_frames_are_those_shown_at_the_time() -> None:
    """At 24000/1001 frames a second the tenth second shows frame 239; the last sheet ends with the film."""
    made = planned(rate="24000/1001", seconds=300)
    grid = tiles.grid(made, Thumbnails())
    assert tiles.frames(grid, 0, made.timeline)[:3] == [0, 239, 479]
    assert len(tiles.frames(grid, 1, made.timeline)) == grid.count - 25
    assert max(tiles.frames(grid, grid.sheets - 1, made.timeline)) < made.timeline.frames


def test_they_are_cut_from_the_smallest_rung_that_is_large_enough() -> None:
    """Decoding it is the least work; the poster is cut from the largest."""
    made = planned()
    assert tiles.source(made, tiles.grid(made, Thumbnails())).name == "360p"
    assert tiles.source(made, tiles.grid(made, Thumbnails(width=640))).name == "360p"
    small = replace(made, rungs=made.rungs[:1])
    assert tiles.source(small, tiles.grid(small, Thumbnails())).name == "1080p"
    assert tiles.poster_source(made).name == "1080p"


def test_web_players_find_each_thumbnail_by_its_place() -> None:
    """A cue each, its rectangle on the sheet."""
    text = tiles.index(tiles.grid(planned(seconds=300), Thumbnails()))
    assert text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:10.000\nthumbnails/00000.jpg#xywh=0,0,320,180\n")
    assert "\n00:01:10.000 --> 00:01:20.000\nthumbnails/00000.jpg#xywh=640,180,320,180\n" in text
    assert text.endswith("\n00:04:50.000 --> 00:05:00.000\nthumbnails/00001.jpg#xywh=1280,0,320,180\n")


PLAYLIST = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:250
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-IMAGES-ONLY
#EXTINF:250.000000,
#EXT-X-TILES:RESOLUTION=320x180,LAYOUT=5x5,DURATION=10.000000
00000.jpg
#EXTINF:50.000000,
#EXT-X-TILES:RESOLUTION=320x180,LAYOUT=5x5,DURATION=10.000000
00001.jpg
#EXT-X-ENDLIST
"""


def test_hls_has_an_image_playlist() -> None:
    """The master names it; sheets last as long as they serve."""
    made = tiles.grid(planned(seconds=300), Thumbnails()).with_sizes([50_000, 20_000])
    assert tiles.playlist(made, 7) == PLAYLIST
    title = replace(good().title, extras=Extras(tiles=made))
    assert package.master_playlist("v/x", title).splitlines()[-1] == (
        '#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=3200,RESOLUTION=320x180,CODECS="jpeg",URI="v/x/thumbnails/media.m3u8"'
    )


def test_dash_has_a_set_of_images() -> None:
    """Size of a sheet, its grid as an essential property, the time a sheet serves."""
    made = tiles.grid(planned(rate="24000/1001", seconds=300), Thumbnails()).with_sizes([50_000, 20_000])
    root = ET.fromstring(dash.manifest("v/x", replace(good().title, extras=Extras(tiles=made))))  # noqa: S314 - our own text
    space = "{urn:mpeg:dash:schema:mpd:2011}"
    (images,) = (one for one in root.iter(f"{space}AdaptationSet") if one.get("contentType") == "image")
    (template,) = images.iter(f"{space}SegmentTemplate")
    (representation,) = images.iter(f"{space}Representation")
    (grid,) = images.iter(f"{space}EssentialProperty")
    assert (template.get("media"), template.get("duration"), template.get("timescale")) == (
        "thumbnails/$Number%05d$.jpg",
        "250000",
        "1000",
    )
    assert (representation.get("width"), representation.get("height"), grid.get("value")) == ("1600", "900", "5x5")


def test_a_sheet_is_one_picture_of_chosen_frames() -> None:
    """Frames by number, scaled and tiled, as full-range JPEG."""
    made = planned()
    grid = tiles.grid(made, Thumbnails())
    argv = command.sheet(command.Source("/s/film.mp4"), made.rungs[-1], [0, 50], grid, "/s/0.jpg", 9)
    assert argv[:3] == ["nice", "-n", "19"]
    graph = argv[argv.index("-filter:v") + 1]
    assert graph.startswith("select='eq(n,0)+eq(n,50)',scale=320:180:")
    assert graph.endswith("out_range=full,setsar=1,format=yuvj420p,tile=5x5")
    assert argv[argv.index("-frames:v") + 1] == "1"


def test_high_dynamic_range_is_mapped_for_a_picture() -> None:
    """Where there is no rung of standard range, JPEG still is."""
    made = planned()
    rung = replace(made.rungs[0], dynamic_range="PQ")
    argv = command.posters(command.Source("/s/film.mp4"), rung, "/s/%d.jpg", 9)
    assert "tonemap=" in argv[argv.index("-filter:v") + 1]


def test_the_largest_sheet_is_its_bandwidth() -> None:
    """Bits over the time it serves."""
    made = replace(tiles.grid(planned(seconds=300), Thumbnails()), interval=Fraction(10)).with_sizes([1000, 100_000])
    assert made.bandwidth == 16_000
