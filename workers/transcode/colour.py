"""The colours of an input and of its rungs: what is kept, what is converted, how it is tagged. Pure.

Names are FFmpeg's for the code points of ITU-T H.273. A rung always says its colours: players guess those of untagged video by
its size, so that two rungs of one ladder would differ.
"""

from typing import Final, Literal

import msgspec

DynamicRange = Literal["SDR", "PQ", "HLG"]

HDR: Final[dict[str, DynamicRange]] = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
"""Transfer characteristics of high dynamic range, and what VIDEO-RANGE calls them."""
PLAIN: Final = frozenset({"bt709", "smpte170m", "bt470bg"})
"""Matrices and primaries that every player knows."""
GAMMA: Final = frozenset({"bt709", "smpte170m", "iec61966-2-1"})
HD_LINES: Final = 720
"""Untagged video of so many lines is taken for BT.709, of less for BT.601, as players do."""
RGB: Final = ("rgb", "bgr", "gbr", "argb", "abgr", "pal8")


class Colour(msgspec.Struct, frozen=True):
    """Primaries, transfer characteristics and matrix."""

    primaries: str
    transfer: str
    matrix: str


BT709: Final = Colour("bt709", "bt709", "bt709")
BT601: Final = Colour("smpte170m", "smpte170m", "smpte170m")


class Mastering(msgspec.Struct, frozen=True):
    """The light of the mastering display and of the content (SMPTE ST 2086, CTA-861.3), where the input says it."""

    points: tuple[tuple[float, float], ...] = ()
    """Chromaticities of green, blue, red and white; none when they are not known."""
    luminance: tuple[float, float] = (0.0, 0.0)
    """Most and least, in candela per square metre."""
    content: tuple[int, int] | None = None
    """Of the brightest pixel and of the brightest frame on average (MaxCLL, MaxFALL)."""


def is_rgb(pixel_format: str) -> bool:
    """Whether pixels have no luma."""
    return pixel_format.startswith(RGB)


def standard(said: Colour, lines: int, *, rgb: bool) -> tuple[Colour, bool]:
    """The colours of the rungs of standard range, and whether the picture is converted to them.

    What every player knows is kept as it is; everything else becomes BT.709.
    """
    if said.transfer in HDR:
        return BT709, True
    if rgb or said.matrix not in {*PLAIN, "unknown"} or said.primaries not in {*PLAIN, "unknown"}:
        return BT709, not rgb
    usual = {"unknown": BT709 if lines >= HD_LINES else BT601, "bt709": BT709}.get(said.matrix, BT601)
    return (
        Colour(
            primaries=said.primaries if said.primaries in PLAIN else usual.primaries,
            transfer=said.transfer if said.transfer in GAMMA else usual.transfer,
            matrix=said.matrix if said.matrix in PLAIN else usual.matrix,
        ),
        False,
    )


def high(said: Colour) -> Colour:
    """The colours of the rungs of high dynamic range: the input's, or BT.2020's where it says none."""
    return Colour(
        primaries=said.primaries if said.primaries != "unknown" else "bt2020",
        transfer=said.transfer,
        matrix=said.matrix if said.matrix != "unknown" else "bt2020nc",
    )
