"""Reads playlists for the verification: by the RFC's grammar, not by what our writer does. Pure."""

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

ATTRIBUTE: Final = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)(?:,|$)')
"""RFC 8216 section 4.2."""


class PlaylistError(Exception):
    """A text that is no playlist; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A URI with the tag before it: a duration of a media playlist, attributes of a variant."""

    uri: str
    duration: Fraction | None = None
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Playlist:
    """A playlist: its tags by name (each with the text after the colon), and its URIs."""

    tags: dict[str, list[str]]
    entries: tuple[Entry, ...]

    def value(self, tag: str) -> str | None:
        """The text of a tag that may stand once; None when it is absent or stands twice."""
        found = self.tags.get(tag, [])
        return found[0] if len(found) == 1 else None


def parse(text: str) -> Playlist:
    """A playlist. Raises PlaylistError."""
    lines = text.split("\n")
    if lines[0] != "#EXTM3U":
        raise PlaylistError("the first line is not #EXTM3U")
    tags: dict[str, list[str]] = {}
    entries: list[Entry] = []
    duration: Fraction | None = None
    variant: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if line.startswith("#EXT"):
            tags.setdefault(name.removeprefix("#"), []).append(value)
            duration = _duration(value) if name == "#EXTINF" else duration
            variant = attributes(value) if name == "#EXT-X-STREAM-INF" else variant
        elif line and not line.startswith("#"):
            entries.append(Entry(line, duration, variant))
            duration, variant = None, {}
    return Playlist(tags, tuple(entries))


def attributes(text: str) -> dict[str, str]:
    """An attribute list; quotes are taken off. Raises PlaylistError when it is none or names one twice."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = ATTRIBUTE.match(text, at)
        if match is None or match[1] in found:
            raise PlaylistError(f"the attribute list breaks off at: {text[at : at + 40]}")
        found[match[1]] = match[2].strip('"')
        at = match.end()
    return found


def _duration(text: str) -> Fraction:
    number = text.split(",", maxsplit=1)[0]
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", number):
        raise PlaylistError(f"EXTINF {number[:40]} is no duration")
    return Fraction(number)
