"""What goes with the renditions, filled as it is made: the playlists are written from it. Values."""

from dataclasses import dataclass, field

from workers.transcode.captions import TextTrack
from workers.transcode.chapters import Chapter
from workers.transcode.tiles import Tiles


@dataclass(slots=True)
class Extras:
    """Subtitles, chapters and thumbnails as they are stored, and notes on what was found while they were made."""

    subtitles: tuple[TextTrack, ...] = ()
    bits: dict[str, int] = field(default_factory=dict)
    """Bits per second of the largest segment of each subtitle track, by its name."""
    chapters: tuple[Chapter, ...] = ()
    tiles: Tiles | None = None
    metric: str | None = None
    """What the quality of the rungs was measured by."""
    notes: list[str] = field(default_factory=list)
