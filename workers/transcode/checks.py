"""What must be true of a package before it is published. Pure: each rule looks at the facts and names what is wrong.

A rule yields a finding for each thing that is wrong, in the words of the report; none when all is right.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final
from xml.etree import ElementTree as ET

from workers.transcode.groups import Variant, audio_groups, variants
from workers.transcode.layout import INIT, MEDIA, segment_name
from workers.transcode.package import Pointers, frame_rate, video_range
from workers.transcode.rendition import Rendition, Title
from workers.verify.playlist import Entry, Playlist, PlaylistError, attributes, parse

ROUNDING: Final = Fraction(1, 1_000_000)
"""What six decimals of EXTINF may be off."""
TRUE_BANDWIDTH: Final = Fraction(1, 10)
"""BANDWIDTH is within this part of the measured peak (HLS Authoring Specification 9.13)."""


ENTRIES: Final = {"h264": "avc1", "hevc": "hvc1", "av1": "av01"}
"""Sample entries: parameter sets are in the init segment only, as Apple's players want it (1.10)."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object as the store lists it."""

    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Package:
    """The facts: what was planned, what is stored, what the playlists say."""

    title: Title
    root: str
    """The version's prefix as the pointers write it."""
    objects: Mapping[str, Object]
    """Listed below the version's prefix, by path."""
    playlists: Mapping[str, str]
    """Stored media playlists, by path."""
    pointers: Pointers
    """What will be published."""


def stored(package: Package) -> Iterator[str]:
    """Each segment is stored as it was read back: there, of its size, and untouched since."""
    for rendition in package.title.renditions:
        for segment in rendition.segments:
            path = f"{rendition.path}/{segment_name(segment.index)}"
            found = package.objects.get(path)
            if found is None:
                yield f"{path} is not in the store"
            elif (found.size, found.etag) != (segment.size, segment.etag):
                yield f"{path} has {found.size} bytes ({found.etag}), stored were {segment.size} ({segment.etag})"
            elif segment.fragment.length != segment.size:
                yield f"{path} has {segment.size} bytes, its boxes {segment.fragment.length}"
        if f"{rendition.path}/{INIT}" not in package.objects:
            yield f"{rendition.path}/{INIT} is not in the store"


def continuous(package: Package) -> Iterator[str]:
    """Each segment starts where the one before it ends; the first at 0."""
    for rendition in package.title.renditions:
        expected = 0
        for number, segment in enumerate(rendition.segments):
            if segment.index != number or segment.fragment.start != expected:
                name = segment_name(segment.index)
                yield f"{rendition.path}/{name} starts at {segment.fragment.start}, the one before it ends at {expected}"
                break
            if rendition.track and segment.fragment.offset != rendition.track.edit:
                shown = (
                    f"{segment.fragment.offset} ticks after its start, the edit list takes off {rendition.track.edit}"
                )
                yield f"{rendition.path}/{segment_name(segment.index)}: the first picture is shown {shown}"
                break
            expected += segment.fragment.duration


def complete(package: Package) -> Iterator[str]:
    """Each rung has every frame of the source, each track every packet."""
    for video in package.title.videos:
        frames = package.title.timeline_of(video).frames
        if video.samples() != frames:
            yield f"{video.path} has {video.samples()} frames of {frames}"
    for audio in package.title.audios:
        if audio.audio and audio.samples() != audio.audio.packets:
            yield f"{audio.path} has {audio.samples()} packets of {audio.audio.packets}"


def independent(package: Package) -> Iterator[str]:
    """Each video segment starts with an IDR picture."""
    for video in package.title.videos:
        for segment in video.segments:
            if not segment.fragment.key:
                yield f"{video.path}/{segment_name(segment.index)} does not start with an IDR picture"


def aligned(package: Package) -> Iterator[str]:
    """Segments of all rungs start at the same times; that they join and last as long is for other rules."""
    first = package.title.videos[0]
    times = [segment.fragment.start for segment in first.segments]
    for video in package.title.videos[1:]:
        if [segment.fragment.start for segment in video.segments] != times:
            yield f"segments of {video.path} are not those of {first.path}"


def lasting(package: Package) -> Iterator[str]:
    """All renditions last as long as the source, up to a frame of theirs."""
    line = package.title.plan.timeline
    margin = 1 / line.rate
    for rendition in package.title.renditions:
        packet = (
            Fraction(rendition.audio.frame, rendition.track.timescale)
            if rendition.audio and rendition.track
            else Fraction(0)
        )
        if abs(rendition.duration() - line.duration) > max(margin, packet):
            yield f"{rendition.path} lasts {float(rendition.duration()):.3f} s, the source {float(line.duration):.3f} s"


def shaped(package: Package) -> Iterator[str]:
    """The init segments say what was planned: size, codec, timescale."""
    for video in package.title.videos:
        track, rung = video.track, video.rung
        if track is None or rung is None or (track.width, track.height) != (rung.width, rung.height):
            yield f"{video.path}/{INIT} is not {rung.width if rung else 0}x{rung.height if rung else 0}: {track}"
        elif track.entry != ENTRIES[rung.codec] or track.timescale != package.title.plan.timeline.timescale:
            yield f"{video.path}/{INIT} has codec {track.codec} and timescale {track.timescale}"
    for audio in package.title.audios:
        if audio.track is None or audio.audio is None or audio.track.channels != audio.audio.channels:
            yield f"{audio.path}/{INIT} is not the planned track: {audio.track}"


def media_playlists(package: Package) -> Iterator[str]:
    """Each media playlist lists each segment, once and in order, with its true duration, and says what it must."""
    target = package.title.target
    for rendition in package.title.renditions:
        path = f"{rendition.path}/{MEDIA}"
        try:
            found = parse(package.playlists.get(path, ""))
            findings = [*_media_tags(found, target), *_entries(rendition, found.entries)]
        except PlaylistError as error:
            findings = [str(error)]
        yield from (f"{path}: {finding}" for finding in findings)


def _media_tags(found: Playlist, target: int) -> Iterator[str]:
    version = found.value("EXT-X-VERSION") or "0"
    if not version.isdecimal() or int(version) < 6:
        yield f"EXT-X-VERSION is {version}; EXT-X-MAP needs 6 (RFC 8216 section 7)"
    if found.value("EXT-X-TARGETDURATION") != str(target):
        yield f"EXT-X-TARGETDURATION is {found.value('EXT-X-TARGETDURATION')}, all playlists need {target}"
    if found.value("EXT-X-PLAYLIST-TYPE") != "VOD" or found.value("EXT-X-ENDLIST") is None:
        yield "EXT-X-PLAYLIST-TYPE:VOD or EXT-X-ENDLIST is missing"
    if found.value("EXT-X-INDEPENDENT-SEGMENTS") is None:
        yield "EXT-X-INDEPENDENT-SEGMENTS is missing"
    if attributes(found.value("EXT-X-MAP") or "").get("URI") != INIT:
        yield f"EXT-X-MAP does not name {INIT}"


def _entries(rendition: Rendition, entries: Sequence[Entry]) -> Iterator[str]:
    segments = rendition.segments
    if len(entries) != len(segments):
        yield f"{len(entries)} entries for {len(segments)} segments"
        return
    for entry, segment in zip(entries, segments, strict=True):
        if entry.uri != segment_name(segment.index):
            yield f"{entry.uri} stands where {segment_name(segment.index)} belongs"
        elif entry.duration is None or abs(entry.duration - rendition.seconds(segment)) > ROUNDING:
            said, true = float(entry.duration or 0), float(rendition.seconds(segment))
            yield f"{entry.uri}: EXTINF {said:.6f}, the segment lasts {true:.6f} s"


def master_playlist(package: Package) -> Iterator[str]:
    """The master lists each rung once, with attributes that are true of the bytes, and each track of its audio group."""
    try:
        found = parse(package.pointers.master)
        groups = [attributes(text) for text in found.tags.get("EXT-X-MEDIA", [])]
    except PlaylistError as error:
        yield str(error)
        return
    if found.value("EXT-X-INDEPENDENT-SEGMENTS") is None:
        yield "EXT-X-INDEPENDENT-SEGMENTS is missing"
    if [entry.uri for entry in found.entries] != [
        f"{package.root}/{variant.video.path}/{MEDIA}" for variant in variants(package.title)
    ]:
        yield f"it lists {', '.join(entry.uri for entry in found.entries)[:200]}"
        return
    listed = [
        (group.get("TYPE"), group.get("GROUP-ID"), group.get("URI")) for group in groups if group.get("TYPE") == "AUDIO"
    ]
    if listed != [
        ("AUDIO", group.name, f"{package.root}/{audio.path}/{MEDIA}")
        for group in audio_groups(package.title)
        for audio in group.members
    ]:
        yield f"its audio group is {groups}"[:300]
    if sum(group.get("DEFAULT") == "YES" for group in groups) > len(audio_groups(package.title)):
        yield "more than one track is DEFAULT (RFC 8216 section 4.3.4.1.1)"
    for entry, variant in zip(found.entries, variants(package.title), strict=True):
        for finding in _variant(package, entry.attributes, variant):
            yield f"{variant.video.name}: {finding}"


def _variant(package: Package, said: Mapping[str, str], variant: Variant) -> Iterator[str]:
    peak, average = variant.bandwidths(package.title.target)
    for name, true in (("BANDWIDTH", peak), ("AVERAGE-BANDWIDTH", average)):
        value = int(said.get(name, "0")) if said.get(name, "0").isdecimal() else 0
        if not true <= value <= true * (1 + TRUE_BANDWIDTH):
            yield f"{name} is {value}, measured {true}"
    track = variant.video.track
    true_values = {
        "CODECS": variant.codecs(),
        "RESOLUTION": f"{track.width}x{track.height}" if track else None,
        "FRAME-RATE": frame_rate(package.title.timeline_of(variant.video)),
        "VIDEO-RANGE": video_range(package.title, variant.video),
        "AUDIO": variant.group.name if variant.group else None,
    }
    for name, true_value in true_values.items():
        if said.get(name) != true_value:
            yield f"{name} is {said.get(name)}, the bytes say {true_value}"


def dash_manifest(package: Package) -> Iterator[str]:
    """The DASH manifest has every rendition, and its timeline is that of the segments."""
    if package.pointers.manifest is None:
        return
    space = "{urn:mpeg:dash:schema:mpd:2011}"
    root = ET.fromstring(package.pointers.manifest)  # noqa: S314 - our own text, written by the worker that reads it
    found = {
        element.get("id"): [
            int(run.get("d", "0")) for run in element.iter(f"{space}S") for _ in range(int(run.get("r", "0")) + 1)
        ]
        for element in root.iter(f"{space}Representation")
    }
    true = {
        rendition.path.replace("/", "-"): [segment.fragment.duration for segment in rendition.segments]
        for rendition in package.title.renditions
    }
    borders = pairwise(package.title.plan.timeline.border_ticks)
    text = [end - begin for begin, end in borders]
    true |= {f"subtitles-{track.name}": text for track in package.title.extras.subtitles}
    for name in sorted({*true, *(name for name in found if name)}):
        if found.get(name) != true.get(name):
            yield f"the timeline of {name} is not that of its segments"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, where it comes from, and how it is checked."""

    name: str
    source: str
    check: Callable[[Package], Iterator[str]]


RULES: Final = (
    Rule("segments-stored", "every playlist entry has its object", stored),
    Rule("timeline-continuous", "HLS Authoring Specification 7.1-7.3", continuous),
    Rule("frames-complete", "no frame is lost", complete),
    Rule("starts-with-idr", "HLS Authoring Specification 7.4", independent),
    Rule("rungs-aligned", "RFC 8216 section 6.2.4", aligned),
    Rule("durations-equal", "HLS Authoring Specification 8.3", lasting),
    Rule("init-as-planned", "HLS Authoring Specification 9.1, 9.2", shaped),
    Rule("media-playlists", "RFC 8216 section 4.3", media_playlists),
    Rule("master-playlist", "RFC 8216 section 4.3.4", master_playlist),
    Rule("dash-manifest", "ISO/IEC 23009-1 section 5.3.9", dash_manifest),
)
