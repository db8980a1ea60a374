"""How segments are made: what beside FFmpeg's version decides which bytes an encode gives."""

from typing import Final

RECIPE: Final = 3
"""Number of the way segments are made. Segments of two recipes may not join: part of the version of an output."""
PRESET: Final = "veryfast"
"""x264's preset; see bench/transcode.py for what others cost."""
HEVC_PRESET: Final = "veryfast"
AV1_PRESET: Final = "10"


def engine(version: str) -> list[str | int]:
    """What makes segments, FFmpeg's version first: part of the names of versions and of what renditions are made of."""
    return [version, RECIPE, PRESET, HEVC_PRESET, AV1_PRESET]
