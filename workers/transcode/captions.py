"""Which subtitles become renditions, what is said about the rest, and how playlists name them. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from narwhal_operator.contract.base import clip
from narwhal_operator.contract.tracks import Subtitles as Wish
from narwhal_operator.contract.transcode import SubtitlePlan
from workers.transcode.languages import name_of, speaks, tag, unique
from workers.transcode.media import Subtitle

MOST: Final = 32
"""Tracks that are packaged."""
TEXT: Final = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})
IMAGES: Final = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub"})
GROUP: Final = "subtitles"


class TextTrack(msgspec.Struct, frozen=True):
    """One rendition of the subtitles. `label` is what a player's menu shows."""

    name: str
    index: int
    label: str
    language: str | None = None
    forced: bool = False
    hearing_impaired: bool = False

    @property
    def folder(self) -> str:
        """Where its segments are, below the version's prefix."""
        return f"subtitles/{self.name}"

    @property
    def file(self) -> str:
        """The one file with all of it."""
        return f"subtitles/{self.name}.vtt"

    def summary(self) -> SubtitlePlan:
        """As the status shows it."""
        return SubtitlePlan(name=self.name, title=clip(self.label, 48), language=self.language, forced=self.forced)


def choose(tracks: Sequence[Subtitle], wish: Wish) -> list[Subtitle]:
    """The tracks to package: text, all of it or that in the wished languages in their order."""
    if wish.mode == "None":
        return []
    text = [track for track in tracks if track.codec in TEXT]
    if wish.languages == "all":
        return text[:MOST]
    wished = [track for one in wish.languages.split(",") for track in text if speaks(track.language, one)]
    return list(dict.fromkeys(wished))[:MOST]


def renditions(tracks: Sequence[Subtitle], wish: Wish) -> tuple[TextTrack, ...]:
    """The renditions of the subtitles."""
    made: list[TextTrack] = []
    for track in choose(tracks, wish):
        language = tag(track.language)
        base = f"{language or 'main'}{'-forced' if track.forced else ''}"
        made.append(
            TextTrack(
                name=unique(base, [one.name for one in made]),
                index=track.index,
                label=unique(_label(track), [one.label for one in made], "{} ({})"),
                language=language,
                forced=track.forced,
                hearing_impaired=track.hearing_impaired,
            )
        )
    return tuple(made)


def _label(track: Subtitle) -> str:
    if track.title:
        return track.title
    name = name_of(tag(track.language)) or "Subtitles"
    return f"{name} (forced)" if track.forced else f"{name} (SDH)" if track.hearing_impaired else name


def note_subtitles(tracks: Sequence[Subtitle], wish: Wish) -> str | None:
    """What becomes of subtitles that are not packaged; nothing when all are."""
    lost = [track for track in tracks if track not in choose(tracks, wish)]
    if not lost:
        return None
    if wish.mode == "None":
        return f"subtitles: {len(lost)} tracks are left out, as spec.subtitles.mode says"
    images = [track for track in lost if track.codec in IMAGES]
    others = [track for track in lost if track not in images]
    parts = []
    if images:
        parts.append(f"{len(images)} tracks of pictures are lost ({_listed(images)}): give text tracks in their place")
    if others:
        parts.append(f"{len(others)} tracks are left out ({_listed(others)})")
    return f"subtitles: {'; '.join(parts)}"


def _listed(tracks: Sequence[Subtitle]) -> str:
    return ", ".join(f"{tag(track.language) or 'unknown'} {track.codec}" for track in tracks)[:96]


def media_tags(root: str, tracks: Sequence[TextTrack]) -> Iterator[str]:
    """EXT-X-MEDIA of each (RFC 8216 section 4.3.4.1). None plays by itself: a viewer's settings choose."""
    for track in tracks:
        heard = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
        fields = [
            "TYPE=SUBTITLES",
            f'GROUP-ID="{GROUP}"',
            f'NAME="{track.label}"',
            *([f'LANGUAGE="{track.language}"'] if track.language else []),
            "DEFAULT=NO",
            "AUTOSELECT=YES",
            *(["FORCED=YES"] if track.forced else []),
            *([f'CHARACTERISTICS="{heard}"'] if track.hearing_impaired else []),
            f'URI="{root}/{track.folder}/media.m3u8"',
        ]
        yield f"#EXT-X-MEDIA:{','.join(fields)}"
