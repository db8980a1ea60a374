"""The facts of a package, collected once: what its texts say and what its bytes are. Frozen values; rules look at nothing else."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from workers.verify import webvtt
from workers.verify.encrypted import Lock
from workers.verify.fragment import Fragment
from workers.verify.given import Sample, Source
from workers.verify.init import Track
from workers.verify.mpd import Manifest, Representation
from workers.verify.playlist import Attributes, Playlist, Range, Reference, Tag, Variant

Kind = Literal["video", "audio", "subtitles", "i-frames", "images", "unknown"]
AUDIO_RATE: Final = 48_000
LONGEST_PACKET: Final = Fraction(2048, 44_100)
"""Seconds: HE-AAC's."""


class Object(msgspec.Struct, frozen=True):
    """An object as it answered."""

    size: int | None = None
    etag: str = ""
    content_type: str | None = None
    """As the server sent it; None where nothing sends one (a directory)."""
    redirected: str | None = None
    """Where a redirect led."""
    compressed: bool = False
    missing: str | None = None
    """Why it cannot be read."""
    status: int | None = None
    """HTTP status of the answer; None where none came, or none is sent (a directory)."""


class Segment(msgspec.Struct, frozen=True):
    """A segment as it is listed, and as it is."""

    uri: str
    line: int | None
    said: Fraction | None
    """Seconds it lasts by the list."""
    range: Range | None = None
    size: int | None = None
    """Bytes of it: of the range, where there is one."""
    tracks: tuple[Track, ...] = ()
    fragments: tuple[Fragment, ...] = ()
    text: webvtt.Text | None = None
    image: tuple[int, int] | None = None
    """Width and height of an image that could be read."""
    tiles: Attributes | None = None
    """The layout of a sheet of thumbnails, by the playlist."""
    init: Reference | None = None
    """Its init segment; the line is of who names it."""
    discontinuity: bool = False
    encrypted: str | None = None
    lock: Lock | None = None
    """What opens it, where it was opened: its fragments and tracks are those of its clear bytes, its size is as it is stored."""
    problem: str | None = None
    """Why its bytes cannot be read as what they should be; the object itself is there."""
    timed: bool | None = None
    """Packed audio: whether its ID3 tag says when it starts. None of anything else."""
    gaps: tuple[str, ...] = ()
    """Transport stream: where continuity counters jump."""
    counters: tuple[tuple[int, int, int], ...] = ()
    """Transport stream: the first and the last continuity counter of each PID, where it was read whole."""
    said_start: int | None = None
    """DASH: ticks at which it starts, by the manifest."""
    said_duration: int | None = None

    def of(self, track: Track) -> Fragment | None:
        """What it has of a track."""
        found = [one for one in self.fragments if one.track in {track.id, 0}]
        return found[0] if found else (self.fragments[0] if len(self.fragments) == len(self.tracks) == 1 else None)


class Stream(msgspec.Struct, frozen=True):
    """A media playlist or a Representation with its segments."""

    name: str
    """URI of the playlist; of a Representation the manifest's URI, # and its id."""
    kind: Kind
    container: str
    """fmp4, ts, text, image, packed (audio), unknown."""
    tracks: tuple[Track, ...]
    segments: tuple[Segment, ...]
    playlist: Playlist | None = None
    representation: Representation | None = None
    inits: tuple[str, ...] = ()
    init_problem: str | None = None

    @property
    def main(self) -> Track | None:
        """Its video track; without one the first."""
        return next((track for track in self.tracks if track.kind == "video"), self.tracks[0] if self.tracks else None)

    @property
    def wraps(self) -> bool:
        """Whether its times are of the clock of transport streams: 33 bits of 1/90000 s, durations derived from them."""
        return self.container in {"ts", "packed"}

    @property
    def whole(self) -> bool:
        """Whether every segment was read, so that sums over them mean something."""
        return bool(self.segments) and all(segment.fragments and not segment.problem for segment in self.segments)

    @property
    def protected(self) -> bool:
        """Whether its bits are encrypted."""
        return any(track.protected for track in self.tracks) or any(segment.encrypted for segment in self.segments)

    def parts(self, track: Track | None = None) -> Iterator[tuple[Segment, Fragment]]:
        """Each segment with what it has of a track, the main one unless said."""
        wanted = track or self.main
        for segment in self.segments:
            fragment = segment.of(wanted) if wanted else None
            if fragment is not None:
                yield segment, fragment

    def duration(self) -> Fraction:
        """Seconds that its segments last by their bytes."""
        track = self.main
        return Fraction(sum(part.duration for _, part in self.parts()), track.timescale) if track else Fraction(0)

    def samples(self) -> int:
        """Samples of its main track: frames of video, packets of audio."""
        return sum(part.samples for _, part in self.parts())

    def step(self) -> Fraction:
        """Seconds of one sample of its main track, on average."""
        samples = self.samples()
        return self.duration() / samples if samples else Fraction(0)

    def first_shown(self) -> Fraction | None:
        """Seconds at which its first sample is presented; None where its first segment was not read."""
        track = self.main
        first = self.segments[0].of(track) if track and self.segments else None
        if track is None or first is None or self.segments[0].timed is False:
            return None
        return Fraction(first.start + first.offset - track.edit, track.timescale)


class Package(msgspec.Struct, frozen=True):
    """All that the rules look at."""

    entries: tuple[str, ...]
    playlists: tuple[Playlist, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    streams: tuple[Stream, ...] = ()
    objects: Mapping[str, Object] = msgspec.field(default_factory=dict)
    targets: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Playlist by who names it: `master line` to the playlist's URI."""
    problems: tuple[tuple[str, str, int | None, str], ...] = ()
    """Found while collecting: rule, URI, line, words."""
    samples: tuple[Sample, ...] = ()
    source: Source | None = None
    remote: bool = False
    """Whether it is read from a server, as players do."""

    @property
    def masters(self) -> tuple[Playlist, ...]:
        """Master playlists."""
        return tuple(playlist for playlist in self.playlists if playlist.master)

    @property
    def media(self) -> tuple[Stream, ...]:
        """Streams of media playlists."""
        return tuple(stream for stream in self.streams if stream.playlist is not None)

    @property
    def dash(self) -> tuple[Stream, ...]:
        """Streams of Representations."""
        return tuple(stream for stream in self.streams if stream.representation is not None)

    def kinds(self, *kinds: Kind) -> tuple[Stream, ...]:
        """HLS streams of these kinds; where there is no HLS, those of DASH."""
        return tuple(stream for stream in self.media or self.dash if stream.kind in kinds)

    def named(self, master: Playlist, line: int) -> Stream | None:
        """The stream that a line of a master names."""
        uri = self.targets.get(f"{master.uri} {line}")
        return next((stream for stream in self.media if stream.name == uri), None)

    def group(self, master: Playlist, kind: str, name: str | None) -> tuple[tuple[Tag, Stream | None], ...]:
        """The renditions of a group."""
        tags = [
            t
            for t in master.all("EXT-X-MEDIA")
            if (t.attributes.get("TYPE"), t.attributes.get("GROUP-ID")) == (kind, name)
        ]
        return tuple((tag, self.named(master, tag.line)) for tag in tags)

    def variants(self) -> Iterator[tuple[Playlist, Variant, Stream]]:
        """Each variant whose playlist was read."""
        for master in self.masters:
            for variant in master.variants:
                stream = self.named(master, variant.line)
                if stream is not None:
                    yield master, variant, stream

    def with_samples(self, samples: tuple[Sample, ...], source: Source | None) -> "Package":
        """With what decoding found."""
        return replace(self, samples=samples, source=source)


class Known(msgspec.Struct, frozen=True):
    """What was read of an object before: good while its size and ETag are the same."""

    size: int
    etag: str
    fragments: tuple[Fragment, ...]
    tracks: tuple[Track, ...] = ()
    """Of a segment that says them itself, without an init segment."""


def peak(stream: Stream, target: Fraction) -> int | None:
    """The peak segment bit rate: the largest of any run of segments that lasts 0.5 to 1.5 target durations.

    RFC 8216 section 4.1. In bits per second, rounded up; of a stream shorter than that the rate of the whole; None where
    sizes or durations are not known.
    """
    timed = _timed(stream)
    if not timed:
        return None
    best = Fraction(0)
    for first in range(len(timed)):
        bits, length = 0, Fraction(0)
        for size, lasts in timed[first:]:
            bits, length = bits + 8 * size, length + lasts
            if length > Fraction(3, 2) * target:
                break
            if length >= target / 2:
                best = max(best, bits / length)
    return -int(-(best or _rate(timed)) // 1)


def average(stream: Stream) -> int | None:
    """Bits per second over the whole, rounded up (RFC 8216 section 4.1); None where it is not known."""
    timed = _timed(stream)
    return -int(-_rate(timed) // 1) if timed else None


def _rate(timed: list[tuple[int, Fraction]]) -> Fraction:
    return Fraction(8 * sum(size for size, _ in timed)) / sum((lasts for _, lasts in timed), Fraction(0))


def _timed(stream: Stream) -> list[tuple[int, Fraction]]:
    """Bytes and seconds of each segment; empty when one of them is not known."""
    track = stream.main
    found: list[tuple[int, Fraction]] = []
    for segment in stream.segments:
        fragment = segment.of(track) if track else None
        lasts = Fraction(fragment.duration, track.timescale) if fragment and track else segment.said
        clear = (
            fragment.length if fragment and not segment.encrypted else 0
        )  # encrypted, it may be longer than its boxes
        size = clear or segment.size
        if size is None or not lasts or segment.problem:
            return []
        found.append((size, lasts))
    return found


__all__ = [
    "Attributes",
    "Known",
    "Object",
    "Package",
    "Segment",
    "Stream",
    "average",
    "peak",
]
