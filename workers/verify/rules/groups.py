"""Rules of renditions beside the video: groups, subtitles, I-frame playlists, images."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final

from workers.verify.facts import Package, Segment, Stream
from workers.verify.fragment import Fragment
from workers.verify.playlist import Attributes, Playlist, Tag, integer
from workers.verify.rule import SPEC, Finding, Rule, Severity, rule
from workers.verify.rules.media import MILLISECOND, place
from workers.verify.rules.variants import attribute, codecs_differ

GROUPS: Final = ("AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS")
SECOND: Final = Fraction(1)


def _groups(master: Playlist) -> dict[tuple[str, str], list[Tag]]:
    found: dict[tuple[str, str], list[Tag]] = {}
    for tag in master.all("EXT-X-MEDIA"):
        found.setdefault((attribute(tag, "TYPE"), attribute(tag, "GROUP-ID")), []).append(tag)
    return found


@rule("groups-exist", "RFC 8216 4.3.4.2", "Each group that a variant names is there.")
def groups_exist(package: Package) -> Iterator[Finding]:
    """A variant with a group that no EXT-X-MEDIA has."""
    for master in package.masters:
        groups = _groups(master)
        for variant in master.variants:
            for kind in GROUPS:
                name = variant.attributes.get(kind)
                if name is not None and (kind, name) not in groups and (kind, name) != ("CLOSED-CAPTIONS", "NONE"):
                    yield Finding(master.uri, variant.line, f'no EXT-X-MEDIA of TYPE={kind} has GROUP-ID="{name}"')


@rule("groups-used", f"{SPEC} 8.9", "Each audio or subtitles group is named by a variant; else it is never played.")
def groups_used(package: Package) -> Iterator[Finding]:
    """A group that no variant names."""
    for master in package.masters:
        for (kind, name), tags in _groups(master).items():
            used = any(variant.attributes.get(kind) == name for variant in master.variants)
            if kind in {"AUDIO", "SUBTITLES"} and not used:
                yield Finding(master.uri, tags[0].line, f'no variant names the group {kind}="{name}"')


@rule("group-names", "RFC 8216 4.3.4.1.1", "Renditions of a group have different names.")
def group_names(package: Package) -> Iterator[Finding]:
    """A NAME that stands twice in a group."""
    for master in package.masters:
        for tags in _groups(master).values():
            seen: set[str] = set()
            for tag in tags:
                name = attribute(tag, "NAME")
                if name in seen:
                    yield Finding(master.uri, tag.line, f'NAME="{name}" stands twice in its group')
                seen.add(name)


@rule(
    "default-once",
    f"RFC 8216 4.3.4.1.1, {SPEC} 8.10",
    "At most one rendition of a group is DEFAULT, and it is AUTOSELECT.",
)
def default_once(package: Package) -> Iterator[Finding]:
    """A second DEFAULT=YES, or one with AUTOSELECT=NO."""
    for master in package.masters:
        for tags in _groups(master).values():
            chosen = [tag for tag in tags if tag.attributes.get("DEFAULT") == "YES"]
            for tag in chosen[1:]:
                yield Finding(master.uri, tag.line, f"a second DEFAULT=YES in the group of line {chosen[0].line}")
            for tag in chosen:
                if tag.attributes.get("AUTOSELECT", "YES") != "YES":
                    yield Finding(master.uri, tag.line, "DEFAULT=YES with AUTOSELECT=NO")


@rule("media-uri", "RFC 8216 4.3.4.1", "Subtitles have a URI, closed captions have none.")
def media_uri(package: Package) -> Iterator[Finding]:
    """EXT-X-MEDIA with a URI too many or too few."""
    for master in package.masters:
        for tag in master.all("EXT-X-MEDIA"):
            kind, has = attribute(tag, "TYPE"), "URI" in tag.attributes
            if kind == "SUBTITLES" and not has:
                yield Finding(master.uri, tag.line, "TYPE=SUBTITLES without URI")
            elif kind == "CLOSED-CAPTIONS" and (has or "INSTREAM-ID" not in tag.attributes):
                yield Finding(master.uri, tag.line, "TYPE=CLOSED-CAPTIONS has INSTREAM-ID and no URI")


@rule("language-said", f"{SPEC} 8.9", "Renditions of sound and subtitles say their language.", Severity.ADVICE)
def language_said(package: Package) -> Iterator[Finding]:
    """EXT-X-MEDIA without LANGUAGE."""
    for master in package.masters:
        for tag in master.all("EXT-X-MEDIA"):
            if "LANGUAGE" not in tag.attributes:
                yield Finding(master.uri, tag.line, f"no LANGUAGE: {attribute(tag, 'NAME')}")


@rule("channels-true", "RFC 8216 4.3.4.1", "CHANNELS of an audio rendition, where it is said, are those of its sound.")
def channels_true(package: Package) -> Iterator[Finding]:
    """CHANNELS that are others."""
    for master in package.masters:
        for tag in master.all("EXT-X-MEDIA"):
            stream, said = package.named(master, tag.line), tag.attributes.get("CHANNELS")
            track = stream.main if stream else None
            if said is None or track is None or track.kind != "audio" or not track.channels:
                continue
            if integer(said.split("/")[0]) != track.channels:
                yield Finding(master.uri, tag.line, f"CHANNELS is {said}, the sound has {track.channels}")


@rule(
    "subtitles-readable",
    f"{SPEC} 5.2, W3C WebVTT 4",
    "Each subtitle segment is WebVTT whose cues end after they start.",
)
def subtitles_readable(package: Package) -> Iterator[Finding]:
    """A text that players refuse."""
    for stream in package.media:
        for segment in stream.segments:
            if segment.text is not None and segment.text.problem is not None:
                line, words = segment.text.problem
                yield Finding(segment.uri, line, words)


@rule(
    "subtitles-mapped", "RFC 8216 3.5", "Each WebVTT segment says X-TIMESTAMP-MAP where its zero is.", Severity.WARNING
)
def subtitles_mapped(package: Package) -> Iterator[Finding]:
    """A WebVTT segment without X-TIMESTAMP-MAP."""
    for stream in package.media:
        for segment in stream.segments:
            if segment.text is not None and segment.text.problem is None and not segment.text.mapped:
                yield Finding(*place(stream, segment), f"no X-TIMESTAMP-MAP: {segment.uri}")
                break


@rule("subtitles-in-place", "RFC 8216 3.5", "Each cue is in the segments whose time it falls into.")
def subtitles_in_place(package: Package) -> Iterator[Finding]:
    """A cue that is over before its segment begins, or begins after it ends, counted from the first segment's start.

    Beside transport streams by X-TIMESTAMP-MAP, from the first picture's time stamp on.
    """
    streams = [stream for stream in package.kinds("video", "audio") if stream.container == "ts"]
    begin = next((shown for stream in streams if (shown := stream.first_shown()) is not None), None)
    for stream in package.media:
        at = Fraction(0)
        for segment in stream.segments:
            ends = at + (segment.said or 0)
            late = Fraction(0)
            if segment.text and segment.text.mapped and begin is not None:
                late = segment.text.origin - begin
            for cue in segment.text.cues if segment.text else ():
                if cue.end + late <= at - MILLISECOND or cue.start + late >= ends + MILLISECOND:
                    first = float(cue.start + late)
                    words = f"the cue at {first:.3f} s is in the segment of {float(at):.3f} to {float(ends):.3f} s"
                    yield Finding(segment.uri, cue.line, words)
            at = ends


def _of_another_length(package: Package, kind: str) -> Iterator[Finding]:
    """Playlists of a kind that last longer or shorter than the video, by more than a second."""
    lasts = _lasts(package)
    for stream in package.media:
        if lasts is None or stream.kind != kind or stream.playlist is None:
            continue
        if abs(stream.playlist.duration - lasts) > SECOND:
            words = f"its entries last {float(stream.playlist.duration):.3f} s, the video {float(lasts):.3f} s"
            yield Finding(stream.name, None, words)


@rule("subtitles-full-length", f"{SPEC} 5.5", "Subtitle playlists last as long as the video.")
def subtitles_full_length(package: Package) -> Iterator[Finding]:
    """A playlist of subtitles that ends before or after, by more than a second."""
    yield from _of_another_length(package, "subtitles")


def _lasts(package: Package) -> Fraction | None:
    videos = [stream for stream in package.kinds("video", "audio") if stream.whole]
    return videos[0].duration() if videos else None


@rule("i-frames-present", f"{SPEC} 6.1", "There are I-frame playlists, for scrubbing.", Severity.WARNING)
def i_frames_present(package: Package) -> Iterator[Finding]:
    """A master playlist with video and no I-frame playlist."""
    for master, _, stream in package.variants():
        video = stream.main is not None and stream.main.kind == "video"
        if any(segment.encrypted == "AES-128" for segment in stream.segments):
            continue  # whole segments are encrypted: a picture by its byte range cannot be had
        if video and not master.has("EXT-X-I-FRAME-STREAM-INF"):
            yield Finding(master.uri, None, "no EXT-X-I-FRAME-STREAM-INF")
            return


@rule("i-frames-declared", "RFC 8216 4.3.3.6", "A playlist that is named as one of I-frames says EXT-X-I-FRAMES-ONLY.")
def i_frames_declared(package: Package) -> Iterator[Finding]:
    """EXT-X-I-FRAME-STREAM-INF with a URI of another playlist."""
    for master, tag, stream in _i_frames(package):
        if stream.playlist and not stream.playlist.i_frames:
            yield Finding(master.uri, tag.line, f"{stream.name} has no EXT-X-I-FRAMES-ONLY")


def _i_frames(package: Package) -> Iterator[tuple[Playlist, Tag, Stream]]:
    for master in package.masters:
        for tag in master.all("EXT-X-I-FRAME-STREAM-INF"):
            stream = package.named(master, tag.line)
            if stream is not None:
                yield master, tag, stream


@rule("i-frames-true", "RFC 8216 4.3.3.6", "Each entry of an I-frame playlist is the bytes of one key picture, whole.")
def i_frames_true(package: Package) -> Iterator[Finding]:
    """A range that does not begin with a key picture or ends within it."""
    whole = {s.uri: part for stream in package.kinds("video") for s, part in stream.parts()}
    told = {uri for uri, part in whole.items() if not part.key}
    for stream in package.media:
        if stream.kind != "i-frames" or stream.protected:
            continue
        for segment in stream.segments:
            where = place(stream, segment)
            if segment.problem is not None:
                yield Finding(*where, f"{segment.uri}: {segment.problem}")
                continue
            for part in segment.fragments[:1]:
                if not part.key and segment.uri not in told:
                    yield Finding(*where, f"the range of {segment.uri} does not begin with a key picture")
                elif segment.size is not None and _ends(stream, segment, part, whole) > segment.size:
                    words = f"the range of {segment.uri} has {segment.size} bytes, its picture ends at"
                    yield Finding(*where, f"{words} {_ends(stream, segment, part, whole)}")


def _ends(stream: Stream, segment: Segment, part: Fragment, whole: Mapping[str, Fragment]) -> int:
    """Byte of a range after its picture. That a transport stream breaks off is seen in the whole segment only."""
    known = whole.get(segment.uri)
    if stream.container != "ts" or known is None or segment.range is None or segment.range.start > known.moof:
        return part.first_end
    return known.first_end - segment.range.start


@rule("i-frames-full-length", "RFC 8216 4.3.3.6", "The durations of an I-frame playlist add up to the video's.")
def i_frames_full_length(package: Package) -> Iterator[Finding]:
    """An I-frame playlist that lasts longer or shorter, by more than a second."""
    yield from _of_another_length(package, "i-frames")


@rule("i-frames-attributes", f"{SPEC} 6.8, 9.3, 9.4", "I-frame playlists say CODECS and RESOLUTION, and they are true.")
def i_frames_attributes(package: Package) -> Iterator[Finding]:
    """CODECS, RESOLUTION or BANDWIDTH of an I-frame playlist that are not its pictures'."""
    for master, tag, stream in _i_frames(package):
        track = stream.main
        if track is None:
            continue
        yield from codecs_differ(master.uri, tag, [track.codec])
        if track.width and attribute(tag, "RESOLUTION") != f"{track.width}x{track.height}":
            words = f"RESOLUTION is {attribute(tag, 'RESOLUTION')}, the bytes say {track.width}x{track.height}"
            yield Finding(master.uri, tag.line, words)


@rule("i-frames-bandwidth", "RFC 8216 4.3.4.3", "BANDWIDTH of an I-frame playlist is no less than its pictures need.")
def i_frames_bandwidth(package: Package) -> Iterator[Finding]:
    """BANDWIDTH below the rate of the pictures, each over the time it stands for."""
    for master, tag, stream in _i_frames(package):
        timed = [(segment.size, segment.said) for segment in stream.segments if segment.size and segment.said]
        said = integer(tag.attributes.get("BANDWIDTH"))
        if not timed or said is None:
            continue
        mean = sum(8 * (size or 0) for size, _ in timed) / sum((lasts or SECOND for _, lasts in timed), Fraction(0))
        if said < mean:
            yield Finding(
                master.uri, tag.line, f"BANDWIDTH is {said}, the pictures need {float(mean):.0f}: {stream.name}"
            )


@rule("images-full-length", "Roku image media playlists", "Image playlists last as long as the video.")
def images_full_length(package: Package) -> Iterator[Finding]:
    """An image playlist that lasts shorter or longer, by more than one image."""
    lasts = _lasts(package)
    for stream in package.media:
        if lasts is None or stream.kind != "images" or stream.playlist is None:
            continue
        longest = max((entry.duration or Fraction(0) for entry in stream.playlist.entries), default=Fraction(0))
        if abs(stream.playlist.duration - lasts) > max(longest, SECOND):
            words = f"it lasts {float(stream.playlist.duration):.3f} s, the video {float(lasts):.3f} s"
            yield Finding(stream.name, None, words)


@rule("images-true", "Roku image media playlists", "Each image is a JPEG or PNG, as large as its layout of tiles says.")
def images_true(package: Package) -> Iterator[Finding]:
    """Bytes that are no image, or one of another size. The last sheet may have fewer rows."""
    for stream in package.media:
        for number, segment in enumerate(stream.segments if stream.kind == "images" else ()):
            found = package.objects.get(segment.uri)
            if found is None or found.missing is not None:
                continue
            if segment.image is None:
                yield Finding(*place(stream, segment), f"{segment.uri} is neither a JPEG nor a PNG")
            elif (said := _sheet(segment.tiles or {})) is not None:
                last = number == len(stream.segments) - 1
                fits = segment.image[0] <= said[0] and segment.image[1] <= said[1] if last else segment.image == said
                if not fits:
                    words = (
                        f"{segment.uri} is {segment.image[0]}x{segment.image[1]}, its tiles make {said[0]}x{said[1]}"
                    )
                    yield Finding(*place(stream, segment), words)


def _sheet(tiles: Attributes) -> tuple[int, int] | None:
    """Width and height of a sheet by EXT-X-TILES; None where it does not say."""
    size, layout = (tiles.get(name, "").split("x") for name in ("RESOLUTION", "LAYOUT"))
    numbers = [integer(part) for part in (*size, *layout)]
    if len(numbers) != len(("width", "height", "columns", "rows")) or None in numbers:
        return None
    width, height, columns, rows = (number or 0 for number in numbers)
    return width * columns, height * rows


RENDITIONS: Final[tuple[Rule, ...]] = (
    groups_exist,
    groups_used,
    group_names,
    default_once,
    media_uri,
    language_said,
    channels_true,
    subtitles_readable,
    subtitles_mapped,
    subtitles_in_place,
    subtitles_full_length,
    i_frames_present,
    i_frames_declared,
    i_frames_true,
    i_frames_full_length,
    i_frames_attributes,
    i_frames_bandwidth,
    images_full_length,
    images_true,
)
