"""Reads playlists by the grammar of RFC 8216 (section 4), not by what our writer does; with line numbers. Pure.

Nothing is raised: what breaks the grammar is a problem of the playlist, under the name of the rule it breaks.
"""

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final

import msgspec

_ATTRIBUTE: Final = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]+)(,|$)')
"""RFC 8216 section 4.2."""
_DECIMAL: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_RANGE: Final = re.compile(r"([0-9]{1,15})(?:@([0-9]{1,15}))?")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f]")
LISTS: Final = frozenset(
    f"EXT-X-{name}"
    for name in [
        "MEDIA",
        "STREAM-INF",
        "I-FRAME-STREAM-INF",
        "IMAGE-STREAM-INF",
        "MAP",
        "KEY",
        "SESSION-KEY",
        "SESSION-DATA",
        "START",
        "DATERANGE",
        "CONTENT-STEERING",
        "DEFINE",
        "TILES",
        "PART",
        "SERVER-CONTROL",
        "PART-INF",
        "PRELOAD-HINT",
        "RENDITION-REPORT",
        "SKIP",
    ]
)
"""Tags whose value is an attribute list."""
ONCE: Final = frozenset(
    f"EXT-X-{name}"
    for name in [
        "VERSION",
        "TARGETDURATION",
        "MEDIA-SEQUENCE",
        "DISCONTINUITY-SEQUENCE",
        "PLAYLIST-TYPE",
        "ENDLIST",
        "I-FRAMES-ONLY",
        "INDEPENDENT-SEGMENTS",
        "START",
    ]
)
"""Tags of which there is at most one."""
MASTER_TAGS: Final = frozenset(
    f"EXT-X-{name}"
    for name in ["MEDIA", "STREAM-INF", "I-FRAME-STREAM-INF", "SESSION-DATA", "SESSION-KEY", "IMAGE-STREAM-INF"]
)
MEDIA_TAGS: Final = frozenset(
    {"EXTINF"}
    | {
        f"EXT-X-{name}"
        for name in [
            "TARGETDURATION",
            "MEDIA-SEQUENCE",
            "DISCONTINUITY-SEQUENCE",
            "ENDLIST",
            "PLAYLIST-TYPE",
            "I-FRAMES-ONLY",
            "BYTERANGE",
            "DISCONTINUITY",
            "KEY",
            "MAP",
            "PROGRAM-DATE-TIME",
            "DATERANGE",
            "GAP",
            "BITRATE",
        ]
    }
)
Attributes = Mapping[str, str]


class Problem(msgspec.Struct, frozen=True):
    """A place where the grammar is broken."""

    rule: str
    line: int | None
    message: str


class Tag(msgspec.Struct, frozen=True):
    """A tag: its name without the #, what stands after the colon, its attributes where it has a list of them."""

    line: int
    name: str
    value: str
    attributes: Attributes = msgspec.field(default_factory=dict)


class Range(msgspec.Struct, frozen=True):
    """Bytes of an object."""

    start: int
    count: int


class Reference(msgspec.Struct, frozen=True):
    """A URI and, where not all of the object is meant, its bytes."""

    line: int
    uri: str
    range: Range | None = None


class Entry(msgspec.Struct, frozen=True):
    """A media segment as the playlist has it."""

    line: int
    uri: str
    duration: Fraction | None
    range: Range | None = None
    map: Reference | None = None
    discontinuity: bool = False
    encrypted: str | None = None
    """METHOD of the key; None for none."""
    key: Tag | None = None
    """The EXT-X-KEY that encrypts it, the last where several systems give the same key."""
    gap: bool = False
    tiles: Attributes | None = None
    """EXT-X-TILES: the layout of a sheet of thumbnails."""


class Variant(msgspec.Struct, frozen=True):
    """A variant stream: where its playlist is, and what is said of it. The line is that of its tag."""

    line: int
    uri: str
    attributes: Attributes


class Playlist(msgspec.Struct, frozen=True):
    """A playlist, master or media."""

    uri: str
    tags: tuple[Tag, ...] = ()
    entries: tuple[Entry, ...] = ()
    variants: tuple[Variant, ...] = ()
    problems: tuple[Problem, ...] = ()

    def all(self, name: str) -> tuple[Tag, ...]:
        """All tags of a name."""
        return tuple(tag for tag in self.tags if tag.name == name)

    def first(self, name: str) -> Tag | None:
        """The first tag of a name."""
        return next((tag for tag in self.tags if tag.name == name), None)

    def has(self, name: str) -> bool:
        """Whether there is such a tag."""
        return self.first(name) is not None

    def number(self, name: str) -> int | None:
        """The value of a tag as a decimal integer; None where it is none."""
        tag = self.first(name)
        return int(tag.value) if tag and re.fullmatch("[0-9]{1,20}", tag.value.strip()) else None

    @property
    def master(self) -> bool:
        """Whether it is a master playlist, by its tags."""
        return bool(self.variants) or any(tag.name in MASTER_TAGS for tag in self.tags)

    @property
    def i_frames(self) -> bool:
        """Whether each of its entries is one picture."""
        return self.has("EXT-X-I-FRAMES-ONLY")

    @property
    def images(self) -> bool:
        """Whether its entries are images (Roku's image media playlist)."""
        return self.has("EXT-X-IMAGES-ONLY")

    @property
    def duration(self) -> Fraction:
        """The sum of its entries."""
        return sum((entry.duration or Fraction(0) for entry in self.entries), Fraction(0))

    @property
    def peak_target(self) -> Fraction:
        """The target duration in seconds; at least 1."""
        return Fraction(max(1, self.number("EXT-X-TARGETDURATION") or 1))


def parse(data: bytes, uri: str) -> Playlist:
    """A playlist."""
    return _Parser(uri).run(data)


def attributes(text: str) -> tuple[dict[str, str], str | None]:
    """An attribute list without its quotes, and what is wrong with it."""
    found: dict[str, str] = {}
    at, problem = 0, None
    while at < len(text):
        match = _ATTRIBUTE.match(text, at)
        if match is None:
            return found, f"the attribute list breaks off at: {text[at : at + 40]}"
        if match[1] in found and problem is None:
            problem = f"{match[1]} stands twice in the attribute list"
        found.setdefault(match[1], match[2].strip('"'))
        at = match.end()
    return found, problem


class _Parser:
    """One pass over the lines; each tag that belongs to what follows is kept until then."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.problems: list[Problem] = []
        self.tags: list[Tag] = []
        self.entries: list[Entry] = []
        self.variants: list[Variant] = []
        self.pending: dict[str, Tag] = {}
        self.map: Reference | None = None
        self.key: Tag | None = None
        self.ends: dict[str, int] = {}

    def run(self, data: bytes) -> Playlist:
        text = self._text(data)
        for number, raw in enumerate(text.split("\n"), 1):
            line = raw.removesuffix("\r")
            if number == 1:
                self._header(line)
            elif line.startswith("#EXT"):
                self._tag(number, line)
            elif line.strip() and not line.startswith("#"):
                self._uri(number, line.strip())
        if (left := self.pending.get("EXT-X-STREAM-INF") or self.pending.get("EXTINF")) is not None:
            self._problem("uri-follows", left.line, f"no URI follows {left.name}")
        return Playlist(self.uri, tuple(self.tags), tuple(self.entries), tuple(self.variants), tuple(self.problems))

    def _problem(self, rule: str, line: int | None, message: str) -> None:
        self.problems.append(Problem(rule, line, message))

    def _text(self, data: bytes) -> str:
        if data.startswith(b"\xef\xbb\xbf"):
            self._problem("playlist-text", 1, "it begins with a byte order mark")
            data = data[3:]
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            self._problem("playlist-text", data[: error.start].count(b"\n") + 1, "it is not UTF-8")
            text = data.decode("utf-8", "replace")
        if match := _CONTROL.search(text):
            line = text[: match.start()].count("\n") + 1
            self._problem("playlist-text", line, f"it holds the control character {ord(match[0]):#04x}")
        return text

    def _header(self, line: str) -> None:
        if line.rstrip() != "#EXTM3U":
            self._problem("playlist-header", 1, f"the first line is not #EXTM3U but {line[:40]!r}")

    def _tag(self, number: int, line: str) -> None:
        name, _, value = line.removeprefix("#").partition(":")
        listed, problem = attributes(value) if name in LISTS else ({}, None)
        if problem:
            self._problem("attribute-lists", number, f"{name}: {problem}")
        if name in ONCE and any(tag.name == name for tag in self.tags):
            self._problem("tags-once", number, f"{name} stands twice")
        tag = Tag(number, name, value.strip(), listed)
        self.tags.append(tag)
        if name == "EXT-X-MAP":
            self.map = self._reference(tag)
        elif name == "EXT-X-KEY":
            self.key = None if listed.get("METHOD", "NONE") == "NONE" else tag
        elif name in {
            "EXTINF",
            "EXT-X-STREAM-INF",
            "EXT-X-BYTERANGE",
            "EXT-X-DISCONTINUITY",
            "EXT-X-GAP",
            "EXT-X-TILES",
        }:
            self.pending[name] = tag

    def _reference(self, tag: Tag) -> Reference:
        span = tag.attributes.get("BYTERANGE")
        return Reference(tag.line, tag.attributes.get("URI", ""), _range(span, 0) if span else None)

    def _uri(self, number: int, uri: str) -> None:
        stream = self.pending.pop("EXT-X-STREAM-INF", None)
        if stream is not None:
            self.variants.append(Variant(stream.line, uri, stream.attributes))
            return
        span = self.pending.pop("EXT-X-BYTERANGE", None)
        found = _range(span.value, self.ends.get(uri, 0)) if span else None
        if span is not None and found is None:
            self._problem("byte-ranges", span.line, f"EXT-X-BYTERANGE {span.value[:40]} is no range")
        if found is not None:
            self.ends[uri] = found.start + found.count
        self.entries.append(
            Entry(
                line=number,
                uri=uri,
                duration=self._duration(number, self.pending.pop("EXTINF", None)),
                range=found,
                map=self.map,
                discontinuity=self.pending.pop("EXT-X-DISCONTINUITY", None) is not None,
                encrypted=self.key.attributes["METHOD"] if self.key else None,
                key=self.key,
                gap=self.pending.pop("EXT-X-GAP", None) is not None,
                tiles=tiles.attributes if (tiles := self.pending.pop("EXT-X-TILES", None)) else None,
            )
        )

    def _duration(self, number: int, tag: Tag | None) -> Fraction | None:
        if tag is None:
            self._problem("extinf-each", number, "no EXTINF stands before this URI")
            return None
        value = tag.value.split(",", maxsplit=1)[0].strip()
        if not _DECIMAL.fullmatch(value):
            self._problem("extinf-each", tag.line, f"EXTINF {value[:40]!r} is no duration")
            return None
        return Fraction(value)


def _range(text: str, default: int) -> Range | None:
    match = _RANGE.fullmatch(text.strip())
    return Range(int(match[2]) if match[2] else default, int(match[1])) if match else None


def decimal(text: str | None) -> Fraction | None:
    """A decimal floating point value of an attribute; None where it is none."""
    return Fraction(text) if text and _DECIMAL.fullmatch(text) else None


def integer(text: str | None) -> int | None:
    """A decimal integer value of an attribute; None where it is none."""
    return int(text) if text and re.fullmatch("[0-9]{1,20}", text) else None


def references(playlist: Playlist) -> Iterator[tuple[Tag | Variant, str, str]]:
    """Each playlist that a master names: by which line, what it is (variant, audio, subtitles, i-frames, images), its URI."""
    for variant in playlist.variants:
        yield variant, "variant", variant.uri
    for tag in playlist.tags:
        uri = tag.attributes.get("URI")
        if uri and tag.name == "EXT-X-MEDIA":
            yield tag, tag.attributes.get("TYPE", "").lower(), uri
        elif uri and tag.name == "EXT-X-I-FRAME-STREAM-INF":
            yield tag, "i-frames", uri
        elif uri and tag.name == "EXT-X-IMAGE-STREAM-INF":
            yield tag, "images", uri
