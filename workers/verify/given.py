"""What a package's maker knows beside its bytes: what decoding found, what was planned, what the source is.

Apart from the package's own facts, for a worker needs these while FFmpeg encodes and those at the end.
"""

from collections.abc import Mapping
from fractions import Fraction

import msgspec


class Sample(msgspec.Struct, frozen=True):
    """A segment that was decoded."""

    stream: str
    uri: str
    expected: int | None
    """Frames of video or samples of sound it must decode to; None where nothing says."""
    decoded: int = 0
    slack: int = 0
    """Samples that may be more or fewer: an encoder's priming that a decoder takes off."""
    error: str | None = None
    dark: bool | None = None
    """Whether every picture is black; None of sound, when nothing was decoded, or when it cannot be said."""
    silent: bool | None = None
    """Whether there is nothing to hear; None of pictures, when nothing was decoded, or when it cannot be said."""
    sound: bool = False
    start: Fraction = Fraction(0)
    duration: Fraction = Fraction(0)


class Planned(msgspec.Struct, frozen=True):
    """What a rendition was to be."""

    samples: int
    """Frames of video, packets of sound."""
    entry: str
    """Sample entry: avc1, hvc1, mp4a."""
    width: int = 0
    height: int = 0
    channels: int = 0


class Source(msgspec.Struct, frozen=True):
    """What is known of the source and of what was to be made of it, where it is known."""

    duration: Fraction
    frame: Fraction = Fraction(1, 25)
    """Seconds of a frame."""
    planned: Mapping[str, Planned] = msgspec.field(default_factory=dict)
    """By media playlist."""
    dark: Mapping[str, bool] = msgspec.field(default_factory=dict)
    """By segment: whether the source is black there."""
    silent: Mapping[str, bool] = msgspec.field(default_factory=dict)
    """By segment: whether the source is silent there."""
