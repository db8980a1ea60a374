"""Thumbnails: which frames they are, and how each kind of player is told of the sheets they lie on. Pure.

WebVTT with #xywh (what web players take), the HLS image media playlist (Roku and others, version 0.4), DASH-IF IOP 6.2.6.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

import msgspec
from msgspec.structs import replace

from narwhal_operator.contract.base import seconds_of
from narwhal_operator.contract.tracks import Thumbnails as Wish
from workers.transcode.plan import Plan, Rung
from workers.transcode.rates import Timeline
from workers.transcode.webvtt import stamp

FOLDER: Final = "thumbnails"
INDEX: Final = "thumbnails.vtt"
POSTER: Final = "poster.jpg"
ACROSS: Final = 5
"""Thumbnails in a row and in a column of a whole sheet: of 320x180, a picture of 1600x900."""
CODECS: Final = ("h264", "hevc", "av1")
"""By the work of decoding them."""


class Tiles(msgspec.Struct, frozen=True):
    """The grid of all thumbnails. `sizes` are the bytes of each sheet once it is made."""

    width: int
    height: int
    columns: int
    rows: int
    interval: Fraction
    count: int
    duration: Fraction
    sizes: tuple[int, ...] = ()

    @property
    def each(self) -> int:
        """Thumbnails of a whole sheet."""
        return self.columns * self.rows

    @property
    def sheets(self) -> int:
        """Sheets; the last may not be full."""
        return -(-self.count // self.each)

    @property
    def bandwidth(self) -> int:
        """Bits per second of the largest sheet over the time it serves."""
        seconds = [self.lasting(number) for number in range(self.sheets)]
        rates = [8 * size / time for size, time in zip(self.sizes, seconds, strict=True)]
        return max(1, -int(-max(rates, default=Fraction(1)) // 1))

    def lasting(self, sheet: int) -> Fraction:
        """Seconds a sheet serves."""
        whole = self.each * self.interval
        return min(whole, self.duration - sheet * whole)

    def with_sizes(self, sizes: Sequence[int]) -> "Tiles":
        """The same, made."""
        return replace(self, sizes=tuple(sizes))


def sheet_name(sheet: int) -> str:
    """Name of a sheet in its folder."""
    return f"{sheet:05d}.jpg"


def grid(plan: Plan, wish: Wish) -> Tiles:
    """The thumbnails of a title: one at each whole interval from 0 on. `width` is that of the longer side."""
    top = max(plan.rungs, key=lambda rung: rung.width * rung.height)
    scale = Fraction(min(wish.width, max(top.width, top.height)), max(top.width, top.height))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (top.width, top.height))
    interval = Fraction(seconds_of(wish.interval)).limit_denominator(1000)
    count = -int(-plan.timeline.duration // interval)
    columns, rows = min(ACROSS, count), min(ACROSS, -(-count // ACROSS))
    return Tiles(width, height, columns, rows, interval, count, plan.timeline.duration)


def source(plan: Plan, tiles: Tiles) -> Rung:
    """The rung they are cut from: the smallest that is large enough, standard range and cheap to decode first."""

    def rank(rung: Rung) -> tuple[bool, int, bool, int]:
        small = rung.width < tiles.width
        pixels = rung.width * rung.height
        return rung.dynamic_range != "SDR", CODECS.index(rung.codec), small, -pixels if small else pixels

    return min(plan.rungs, key=rank)


def poster_source(plan: Plan) -> Rung:
    """The rung the poster is cut from: the largest in standard range, cheap to decode."""
    return min(
        plan.rungs, key=lambda rung: (rung.dynamic_range != "SDR", CODECS.index(rung.codec), -rung.width * rung.height)
    )


def frames(tiles: Tiles, sheet: int, line: Timeline) -> list[int]:
    """The frames of a sheet by their number in the rung: each shown at its thumbnail's time."""
    first = sheet * tiles.each
    wanted = range(first, min(first + tiles.each, tiles.count))
    return [min(line.frames - 1, int(number * tiles.interval * line.rate)) for number in wanted]


def index(tiles: Tiles) -> str:
    """The WebVTT file: a cue for each thumbnail, its place on a sheet as a media fragment (#xywh in pixels)."""
    blocks = ["WEBVTT\n"]
    for number in range(tiles.count):
        start, end = number * tiles.interval, min((number + 1) * tiles.interval, tiles.duration)
        sheet, place = divmod(number, tiles.each)
        row, column = divmod(place, tiles.columns)
        box = f"{column * tiles.width},{row * tiles.height},{tiles.width},{tiles.height}"
        times = f"{stamp(round(start * 1000))} --> {stamp(max(round(start * 1000) + 1, round(end * 1000)))}"
        blocks.append(f"{times}\n{FOLDER}/{sheet_name(sheet)}#xywh={box}\n")
    return "\n".join(blocks)


def playlist(tiles: Tiles, version: int) -> str:
    """The HLS image playlist. Its segments are sheets, so its target duration is its own."""
    longest = max(1, int(tiles.lasting(0) + Fraction(1, 2)))
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{version}", f"#EXT-X-TARGETDURATION:{longest}", "#EXT-X-MEDIA-SEQUENCE:0"]
    lines += ["#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-IMAGES-ONLY"]
    size, layout = f"{tiles.width}x{tiles.height}", f"{tiles.columns}x{tiles.rows}"
    for sheet in range(tiles.sheets):
        lines += [
            f"#EXTINF:{float(tiles.lasting(sheet)):.6f},",
            f"#EXT-X-TILES:RESOLUTION={size},LAYOUT={layout},DURATION={float(tiles.interval):.6f}",
            sheet_name(sheet),
        ]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def stream_tags(root: str, tiles: Tiles | None) -> Iterator[str]:
    """The line of the master playlist; players that do not know it leave it out (RFC 8216 section 6.3.1)."""
    if tiles is not None:
        about = f'BANDWIDTH={tiles.bandwidth},RESOLUTION={tiles.width}x{tiles.height},CODECS="jpeg"'
        yield f'#EXT-X-IMAGE-STREAM-INF:{about},URI="{root}/{FOLDER}/media.m3u8"'
