"""The presets: which rungs a name stands for, with the caps of their bit rates. Pure.

The caps are for 30 frames per second. h264: between the two lowest steps of a size in the HLS Authoring Specification for
Apple Devices (table of video average bit rates); hevc: the same table's column for HEVC, standard range; av1: four fifths of hevc. A cap
is what a hard scene may take; most of a film stays below it by the constant rate factor (docs/ladders.md).
"""

from typing import Final

import msgspec

from narwhal_operator.contract.ladder import Codec

CRF: Final[dict[Codec, int]] = {"h264": 23, "hevc": 25, "av1": 35}
"""Constant rate factors of about one quality (docs/ladders.md)."""
RANK: Final[tuple[Codec, ...]] = ("h264", "hevc", "av1")
"""The order of codecs in a master playlist: what plays everywhere comes first."""
LEAST_SIDE: Final[dict[Codec, int]] = {"h264": 2, "hevc": 16, "av1": 64}
"""Pixels of the short side that the codec's encoder takes at least."""
LEAST_GOP: Final[dict[Codec, int]] = {"h264": 1, "hevc": 1, "av1": 2}
"""Frames of a segment at least: asked for key frames only, SVT-AV1 makes frames that no decoder may start at."""
TIMED_GOP: Final = 2
"""Those of a transport stream: nothing in one says how long a single picture is, and hls.js takes it for 33 ms."""

HALVED_RATE: Final = 50
"""Frames per second from which on low rungs have every other frame."""


class Wish(msgspec.Struct, frozen=True):
    """A rung that is wished for: lines of the short side, cap in bits per second."""

    name: str
    lines: int
    codec: Codec
    crf: int
    cap: int | None = None
    halved: bool = False
    """Every other frame."""
    keeps_range: bool = False
    """High dynamic range stays."""


def _rungs(codec: Codec, caps: dict[int, int], suffix: str = "") -> tuple[Wish, ...]:
    keeps = codec != "h264"
    return tuple(
        Wish(f"{lines}p{suffix}", lines, codec, CRF[codec], cap * 1000, keeps_range=keeps)
        for lines, cap in caps.items()
    )


_H264: Final = {1080: 5000, 720: 2800, 480: 1400, 360: 800}
_HEVC: Final = {2160: 11_600, 1440: 8100, 1080: 4500, 720: 2400, 480: 1000, 360: 500}
_AV1: Final = {2160: 9300, 1440: 6500, 1080: 3600, 720: 1900, 480: 800, 360: 400}

PRESETS: Final[dict[str, tuple[Wish, ...]]] = {
    "h264-standard": _rungs("h264", _H264),
    "h264-mobile": _rungs("h264", {480: 1200, 360: 700, 240: 350}),
    "hevc-standard": _rungs("hevc", _HEVC),
    "av1-standard": _rungs("av1", _AV1),
    "hevc+h264": _rungs("h264", _H264) + _rungs("hevc", {k: v for k, v in _HEVC.items() if k >= 480}, "-hevc"),
}
"""Rungs of the presets by name; widths follow the input."""
