"""Where an output's objects are, below its prefix. Pure.

PREFIX/master.m3u8, manifest.mpd      the pointers, replaced by one PUT each
PREFIX/v/VERSION/RUNG/                init.mp4, 00000.m4s …, media.m3u8, iframes.m3u8: never changed once published
PREFIX/v/VERSION/audio/TRACK/         the same; of transport streams 00000.ts … and no init.mp4
PREFIX/v/VERSION/subtitles/TRACK/      00000.vtt …, media.m3u8; TRACK.vtt beside it is the whole
PREFIX/v/VERSION/thumbnails/          00000.jpg …: sheets; media.m3u8; thumbnails.vtt and poster.jpg beside it
PREFIX/v/VERSION/chapters.vtt, .json  the chapters, where the input has some
PREFIX/v/VERSION/order.json           whose it is; written first
PREFIX/v/VERSION/renditions.json      digests of what the renditions are made of; written before any of them
PREFIX/v/VERSION/anew.json            all else was thrown away: nothing is taken of other versions; gone once it is published
PREFIX/v/VERSION/report.json          what the verification found
PREFIX/v/VERSION/outcome.json         what was published; written last
"""

import re
from typing import Final

import msgspec

VERSION: Final = re.compile(r"\bv/([0-9a-f]{16})/")
"""A version's name, in a pointer or a key."""
SEGMENT: Final = re.compile(r"([0-9]{5,})\.(?:m4s|ts)")
INIT: Final = "init.mp4"
MEDIA: Final = "media.m3u8"
IFRAMES: Final = "iframes.m3u8"
MASTER: Final = "master.m3u8"
MANIFEST: Final = "manifest.mpd"
RENDITIONS: Final = "renditions.json"
ANEW: Final = "anew.json"


class Layout(msgspec.Struct, frozen=True):
    """The keys of one version of one output."""

    prefix: str
    version: str

    @property
    def root(self) -> str:
        """Prefix of the version, without the slash."""
        return f"{self.prefix}/v/{self.version}"

    @property
    def master(self) -> str:
        """Key of the master playlist."""
        return f"{self.prefix}/{MASTER}"

    @property
    def manifest(self) -> str:
        """Key of the DASH manifest."""
        return f"{self.prefix}/{MANIFEST}"

    @property
    def order(self) -> str:
        """Key of the record of whose version this is."""
        return f"{self.root}/order.json"

    @property
    def report(self) -> str:
        """Key of the verification report."""
        return f"{self.root}/report.json"

    @property
    def outcome(self) -> str:
        """Key of the record of what was published."""
        return f"{self.root}/outcome.json"

    @property
    def relative(self) -> str:
        """The version's prefix as the pointers write it: relative to them."""
        return f"v/{self.version}"


def segment_name(index: int) -> str:
    """Name of a segment, as FFmpeg and the DASH template write it."""
    return f"{index:05d}.m4s"


def transport_name(index: int) -> str:
    """Name of a segment of a transport stream."""
    return f"{index:05d}.ts"


def text_name(index: int) -> str:
    """Name of a segment of subtitles."""
    return f"{index:05d}.vtt"


def segment_index(name: str) -> int | None:
    """The number in a segment's name; None for any other name."""
    match = SEGMENT.fullmatch(name)
    return int(match[1]) if match else None
