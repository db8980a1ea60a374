"""Reads a DASH manifest (ISO/IEC 23009-1) to the list of segments of each Representation, with line numbers. Pure.

expat, without document type: no entity can be declared, so none can be expanded. Elements and segments are counted.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final
from xml.parsers import expat

import msgspec

MOST_ELEMENTS: Final = 200_000
MOST_SEGMENTS: Final = 100_000
_SPAN: Final = re.compile(r"P(?:([0-9.]{1,12})D)?(?:T(?:([0-9.]{1,12})H)?(?:([0-9.]{1,12})M)?(?:([0-9.]{1,16})S)?)?")
_FIELD: Final = re.compile(r"\$(RepresentationID|Number|Time|Bandwidth|)(?:%0([0-9]{1,2})d)?\$")


class ManifestError(Exception):
    """A text that is no manifest; the message says why."""


@dataclass(slots=True)
class Node:
    """An element: its name without namespace, its line."""

    name: str
    line: int
    attributes: Mapping[str, str]
    children: "list[Node]" = field(default_factory=list)
    text: str = ""

    def all(self, name: str) -> "list[Node]":
        """Children of a name."""
        return [child for child in self.children if child.name == name]

    def first(self, name: str) -> "Node | None":
        """The first child of a name."""
        return next((child for child in self.children if child.name == name), None)


class Piece(msgspec.Struct, frozen=True):
    """A segment as the manifest has it. Times are in ticks of its timescale."""

    line: int
    uri: str
    start: int | None
    duration: int | None
    range: tuple[int, int] | None = None
    """First and last byte."""


class Representation(msgspec.Struct, frozen=True):
    """A Representation with what it inherits."""

    line: int
    name: str
    group: int
    """Number of its AdaptationSet, counted over the manifest."""
    period: int
    attributes: Mapping[str, str]
    base: tuple[str, ...]
    """BaseURLs from the manifest's own down to its own."""
    timescale: int
    offset: int
    """presentationTimeOffset."""
    init: str | None
    init_range: tuple[int, int] | None
    pieces: tuple[Piece, ...]
    channels: str | None = None
    timed: bool = False
    """Whether a SegmentTimeline says the time of each segment."""
    protections: tuple[Mapping[str, str], ...] = ()
    """Attributes of each ContentProtection."""
    indexed: bool = False
    """Whether it is one file with an index (SegmentBase)."""

    @property
    def seconds(self) -> Fraction | None:
        """What its segments last in sum; None when the manifest does not say."""
        durations = [piece.duration for piece in self.pieces]
        known = [duration for duration in durations if duration is not None]
        return Fraction(sum(known), self.timescale) if len(known) == len(durations) and known else None


class Manifest(msgspec.Struct, frozen=True):
    """A manifest."""

    uri: str
    line: int
    attributes: Mapping[str, str]
    duration: Fraction | None
    periods: int
    representations: tuple[Representation, ...]


def parse(data: bytes, uri: str) -> Manifest:
    """A manifest. Raises ManifestError."""
    root = tree(data)
    if root.name != "MPD":
        raise ManifestError(f"the root element is {root.name[:40]}, not MPD")
    total = seconds(root.attributes.get("mediaPresentationDuration"))
    found: list[Representation] = []
    periods = root.all("Period")
    group = 0
    for number, period in enumerate(periods):
        lasts = seconds(period.attributes.get("duration")) or (total if len(periods) == 1 else None)
        for adaptation in period.all("AdaptationSet"):
            for representation in adaptation.all("Representation"):
                path = (root, period, adaptation, representation)
                found.append(_representation(path, (group, number), lasts))
            group += 1
    return Manifest(uri, root.line, root.attributes, total, len(periods), tuple(found))


def tree(data: bytes) -> Node:
    """The elements of an XML text. Raises ManifestError, of a document type too."""
    parser = expat.ParserCreate(namespace_separator=" ")
    top: list[Node] = []
    stack: list[Node] = []
    count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MOST_ELEMENTS:
            raise ManifestError(f"more than {MOST_ELEMENTS} elements")
        plain = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        node = Node(name.rpartition(" ")[2], parser.CurrentLineNumber, plain)
        (stack[-1].children if stack else top).append(node)
        stack.append(node)

    def end(_name: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        stack[-1].text += data

    def refuse(*_: object) -> None:
        raise ManifestError("it has a document type; a manifest has none")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = refuse
    parser.buffer_text = True
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError) as error:
        raise ManifestError(f"it is no well-formed XML: {error}") from error
    return top[0]


def seconds(text: str | None) -> Fraction | None:
    """An xs:duration of days, hours, minutes, seconds; None where it is none."""
    match = _SPAN.fullmatch(text.strip()) if text else None
    if match is None or not any(match.groups()):
        return None
    try:
        days, hours, minutes, rest = (Fraction(part) if part else Fraction(0) for part in match.groups())
    except ValueError:
        return None
    return days * 86_400 + hours * 3600 + minutes * 60 + rest


def _representation(path: tuple[Node, ...], place: tuple[int, int], lasts: Fraction | None) -> Representation:
    attributes: dict[str, str] = {}
    for node in path[2:]:
        attributes |= {key: value for key, value in node.attributes.items() if key != "id" or node is path[-1]}
    base = tuple(node.text.strip() for parent in path for node in parent.all("BaseURL")[:1])
    channels = next((n for parent in reversed(path[2:]) for n in parent.all("AudioChannelConfiguration")), None)
    kind, about, nodes = _addressing(path)
    timescale = _whole(about.get("timescale")) or 1
    name = attributes.get("id", "")
    values = {"RepresentationID": name, "Bandwidth": attributes.get("bandwidth", "")}
    span = _bytes(next((n.attributes.get("range") for node in nodes for n in node.all("Initialization")), None))
    init = _init(about, nodes, values)
    pieces: tuple[Piece, ...]
    if kind == "SegmentTemplate":
        pieces = tuple(_templated(about, nodes, values, lasts, timescale))
    elif kind == "SegmentList":
        pieces = tuple(_listed(about, nodes[-1]))
    else:
        pieces = (Piece(path[-1].line, "", 0, int(lasts * timescale) if lasts else None),)
    return Representation(
        line=path[-1].line,
        name=name,
        group=place[0],
        period=place[1],
        attributes=attributes,
        base=base,
        timescale=timescale,
        offset=_whole(about.get("presentationTimeOffset")) or 0,
        init=init if kind != "SegmentBase" else "",
        init_range=span,
        pieces=pieces,
        channels=channels.attributes.get("value") if channels else None,
        protections=tuple(n.attributes for parent in path[2:] for n in parent.all("ContentProtection")),
        timed=any(node.all("SegmentTimeline") for node in nodes),
        indexed=kind == "SegmentBase",
    )


def _addressing(path: tuple[Node, ...]) -> tuple[str, dict[str, str], list[Node]]:
    """How segments are found: the kind, the attributes from outer to inner, and the elements they are of."""
    for kind in ("SegmentTemplate", "SegmentList", "SegmentBase"):
        nodes = [found for node in path[1:] for found in node.all(kind)[:1]]
        if nodes:
            return kind, {key: value for node in nodes for key, value in node.attributes.items()}, nodes
    return "SegmentBase", {}, []


def _init(about: Mapping[str, str], nodes: list[Node], values: Mapping[str, str]) -> str | None:
    if "initialization" in about:
        return fill(about["initialization"], values)
    return next((n.attributes.get("sourceURL", "") for node in nodes for n in node.all("Initialization")), None)


def _templated(
    about: Mapping[str, str], nodes: list[Node], values: Mapping[str, str], lasts: Fraction | None, timescale: int
) -> Iterator[Piece]:
    media, number = about.get("media", ""), _whole(about.get("startNumber", "1")) or 0
    timeline = next((found for node in reversed(nodes) for found in node.all("SegmentTimeline")), None)
    runs = _timeline(timeline, lasts, timescale) if timeline else _even(about, nodes[-1].line, lasts, timescale)
    for count, (line, start, duration) in enumerate(runs):
        if count >= MOST_SEGMENTS:
            raise ManifestError(f"more than {MOST_SEGMENTS} segments in a Representation")
        uri = fill(media, {**values, "Number": str(number + count), "Time": str(start)})
        yield Piece(line, uri, start, duration)


def _timeline(timeline: Node, lasts: Fraction | None, timescale: int) -> Iterator[tuple[int, int, int | None]]:
    """Line, start and duration of each segment of a SegmentTimeline (section 5.3.9.6)."""
    at, runs = 0, timeline.all("S")
    for place, run in enumerate(runs):
        at = _whole(run.attributes.get("t")) if "t" in run.attributes else at
        duration = _whole(run.attributes.get("d"))
        again = run.attributes.get("r", "0")
        if duration == 0:
            raise ManifestError(f"S in line {run.line} has no duration")
        following = runs[place + 1].attributes.get("t") if place + 1 < len(runs) else None
        until = _whole(following) if following else int((lasts or 0) * timescale)
        repeat = -(-(until - at) // duration) - 1 if again.startswith("-") else _whole(again)
        for _ in range(max(0, repeat) + 1):
            yield run.line, at, duration
            at += duration


def _even(
    about: Mapping[str, str], line: int, lasts: Fraction | None, timescale: int
) -> Iterator[tuple[int, int, int | None]]:
    """Segments of one duration; the last one's own is not said."""
    duration = _whole(about.get("duration"))
    if not duration or lasts is None:
        raise ManifestError(f"the SegmentTemplate in line {line} says neither SegmentTimeline nor duration of all")
    whole = int(lasts * timescale)
    for at in range(0, max(1, whole), duration):
        yield line, at, min(duration, whole - at)


def _listed(about: Mapping[str, str], node: Node) -> Iterator[Piece]:
    duration = _whole(about.get("duration")) or None
    for count, url in enumerate(node.all("SegmentURL")):
        span = _bytes(url.attributes.get("mediaRange"))
        yield Piece(url.line, url.attributes.get("media", ""), count * duration if duration else None, duration, span)


def fill(template: str, values: Mapping[str, str]) -> str:
    """A template with its identifiers replaced (section 5.3.9.4.4)."""

    def one(match: re.Match[str]) -> str:
        if not match[1]:
            return "$"
        value = values.get(match[1], "")
        return value.zfill(int(match[2])) if match[2] else value

    return _FIELD.sub(one, template)


def _whole(text: str | None) -> int:
    if text is None:
        return 0
    if not re.fullmatch("[0-9]{1,18}", text.strip()):
        raise ManifestError(f"{text[:40]!r} is no whole number")
    return int(text)


def _bytes(text: str | None) -> tuple[int, int] | None:
    match = re.fullmatch("([0-9]{1,15})-([0-9]{1,15})", text) if text else None
    return (int(match[1]), int(match[2])) if match else None
