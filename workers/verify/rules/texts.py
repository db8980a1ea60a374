"""Rules of the texts of playlists, whatever the bytes are."""

from collections.abc import Iterator
from typing import Final

from workers.verify.facts import Package
from workers.verify.playlist import MASTER_TAGS, MEDIA_TAGS, Playlist
from workers.verify.rule import SPEC, Finding, Rule, Severity, rule

REQUIRED: Final = {
    "EXT-X-MEDIA": ("TYPE", "GROUP-ID", "NAME"),
    "EXT-X-STREAM-INF": ("BANDWIDTH",),
    "EXT-X-I-FRAME-STREAM-INF": ("BANDWIDTH", "URI"),
    "EXT-X-IMAGE-STREAM-INF": ("BANDWIDTH", "URI"),
    "EXT-X-MAP": ("URI",),
    "EXT-X-KEY": ("METHOD",),
}
"""Attributes without which a tag means nothing (RFC 8216 sections 4.3.2.4, 4.3.2.5, 4.3.4)."""


def grammar(name: str, source: str, meaning: str) -> Rule:
    """A rule that the parser finds broken as it reads."""

    def check(package: Package) -> Iterator[Finding]:
        for playlist in package.playlists:
            for problem in playlist.problems:
                if problem.rule == name:
                    yield Finding(playlist.uri, problem.line, problem.message)
        for broken, uri, line, words in package.problems:
            if broken == name:
                yield Finding(uri, line, words)

    return Rule(name, source, Severity.ERROR, meaning, check)


@rule("playlist-kind", "RFC 8216 4.1", "A playlist is a master or a media playlist, never both or neither.")
def playlist_kind(package: Package) -> Iterator[Finding]:
    """Tags of both kinds in one text, or of none."""
    for playlist in package.playlists:
        tag = next((tag for tag in playlist.tags if tag.name in MEDIA_TAGS), None)
        if playlist.master and tag is not None:
            yield Finding(playlist.uri, tag.line, f"a master playlist has the tag {tag.name} of a media playlist")
        elif not playlist.master and tag is None:
            yield Finding(playlist.uri, None, "it has neither tags of a master nor of a media playlist")


@rule("attributes-required", "RFC 8216 4.3.4", "Each tag has the attributes without which it means nothing.")
def attributes_required(package: Package) -> Iterator[Finding]:
    """A tag without one of its attributes, or BANDWIDTH that is no number."""
    for playlist in package.playlists:
        for tag in playlist.tags:
            for name in REQUIRED.get(tag.name, ()):
                if name not in tag.attributes:
                    yield Finding(playlist.uri, tag.line, f"{tag.name} has no {name}")


@rule("version-covers", "RFC 8216 7", "EXT-X-VERSION is high enough for what the playlist uses.")
def version_covers(package: Package) -> Iterator[Finding]:
    """A playlist whose version is too low for a tag in it."""
    for playlist in package.playlists:
        least, why = _least_version(playlist)
        tag = playlist.first("EXT-X-VERSION")
        said = playlist.number("EXT-X-VERSION") or 1
        if said < least:
            yield Finding(playlist.uri, tag.line if tag else None, f"EXT-X-VERSION is {said}, {why} needs {least}")


def _least_version(playlist: Playlist) -> tuple[int, str]:
    # From the highest down: the first that is used is what counts.
    if any(str(tag.attributes.get("INSTREAM-ID", "")).startswith("SERVICE") for tag in playlist.tags):
        return 7, "INSTREAM-ID SERVICE"
    if playlist.has("EXT-X-MAP") and not playlist.i_frames:
        return 6, "EXT-X-MAP"
    if playlist.has("EXT-X-MAP") or any(
        "KEYFORMAT" in tag.attributes or tag.attributes.get("METHOD") == "SAMPLE-AES"
        for tag in playlist.all("EXT-X-KEY")
    ):
        return 5, "EXT-X-MAP, SAMPLE-AES or KEYFORMAT"
    if playlist.i_frames or playlist.has("EXT-X-BYTERANGE"):
        return 4, "EXT-X-BYTERANGE or EXT-X-I-FRAMES-ONLY"
    if any("." in tag.value.split(",")[0] for tag in playlist.all("EXTINF")):
        return 3, "a decimal EXTINF"
    return (2, "IV") if any("IV" in tag.attributes for tag in playlist.all("EXT-X-KEY")) else (1, "nothing")


@rule("target-duration", "RFC 8216 4.3.3.1", "EXT-X-TARGETDURATION is there, and no EXTINF rounds to more.")
def target_duration(package: Package) -> Iterator[Finding]:
    """No target duration, or an entry that lasts longer."""
    for stream in package.media:
        playlist = stream.playlist
        if playlist is None:
            continue
        target = playlist.number("EXT-X-TARGETDURATION")
        if target is None:
            yield Finding(playlist.uri, None, "EXT-X-TARGETDURATION is missing or no whole number")
            continue
        for entry in playlist.entries:
            if entry.duration is not None and int(entry.duration + entry.duration.__class__(1, 2)) > target:
                words = f"EXTINF {float(entry.duration):.3f} rounds to more than the target duration {target}"
                yield Finding(playlist.uri, entry.line, words)


@rule("target-equal", f"{SPEC} 8.2, RFC 8216 6.2.4", "Variants and audio renditions have the same target duration.")
def target_equal(package: Package) -> Iterator[Finding]:
    """A playlist whose target duration is not that of the first."""
    found = [s.playlist for s in package.media if s.playlist and s.kind in {"video", "audio"}]
    known = [one for one in found if one.number("EXT-X-TARGETDURATION") is not None]
    for one in known[1:]:
        tag = one.first("EXT-X-TARGETDURATION")
        if one.number("EXT-X-TARGETDURATION") != known[0].number("EXT-X-TARGETDURATION") and tag:
            first = known[0].number("EXT-X-TARGETDURATION")
            yield Finding(one.uri, tag.line, f"EXT-X-TARGETDURATION is {tag.value}, that of {known[0].uri} is {first}")


@rule("vod-ends", "RFC 8216 4.3.3.4", "A video on demand ends: EXT-X-ENDLIST; else players wait for more.")
def vod_ends(package: Package) -> Iterator[Finding]:
    """A media playlist that goes on."""
    for stream in package.media:
        if stream.playlist and not stream.playlist.has("EXT-X-ENDLIST"):
            yield Finding(stream.name, None, "EXT-X-ENDLIST is missing; a live playlist is not judged by this")


@rule("vod-type", f"{SPEC} 8.6", "A video on demand says EXT-X-PLAYLIST-TYPE:VOD.", Severity.WARNING)
def vod_type(package: Package) -> Iterator[Finding]:
    """A media playlist of another type, or of none."""
    for stream in package.media:
        tag = stream.playlist.first("EXT-X-PLAYLIST-TYPE") if stream.playlist else None
        if tag is None or tag.value != "VOD":
            said = "missing" if tag is None else f"{tag.value[:20]}, not VOD"
            yield Finding(stream.name, tag.line if tag else None, f"EXT-X-PLAYLIST-TYPE is {said}")


@rule(
    "independent-declared",
    f"{SPEC} 9.11, 9.12",
    "EXT-X-INDEPENDENT-SEGMENTS is in the master or in all video playlists.",
)
def independent_declared(package: Package) -> Iterator[Finding]:
    """Neither the master nor a video playlist says it."""
    if any(master.has("EXT-X-INDEPENDENT-SEGMENTS") for master in package.masters):
        return
    for stream in package.media:
        if stream.kind == "video" and stream.playlist and not stream.playlist.has("EXT-X-INDEPENDENT-SEGMENTS"):
            yield Finding(stream.name, None, "EXT-X-INDEPENDENT-SEGMENTS is neither here nor in the master playlist")


@rule("tags-known", "RFC 8216 4.3", "Tags are those of the specification; players pass over others.", Severity.ADVICE)
def tags_known(package: Package) -> Iterator[Finding]:
    """Tags that begin with #EXT and are none."""
    known = MASTER_TAGS | MEDIA_TAGS | KNOWN
    for playlist in package.playlists:
        for name in sorted({tag.name for tag in playlist.tags} - known):
            tag = playlist.first(name)
            yield Finding(playlist.uri, tag.line if tag else None, f"{name[:60]} is no tag of RFC 8216")


KNOWN: Final = frozenset(
    f"EXT-X-{name}"
    for name in [
        "VERSION",
        "INDEPENDENT-SEGMENTS",
        "START",
        "DEFINE",
        "CONTENT-STEERING",
        "SERVER-CONTROL",
        "PART-INF",
        "PART",
        "PRELOAD-HINT",
        "RENDITION-REPORT",
        "SKIP",
        "IMAGES-ONLY",
        "TILES",
        "ALLOW-CACHE",
    ]
)

TEXTS: Final = (
    grammar("playlist-header", "RFC 8216 4.3.1.1", "The first line of a playlist is #EXTM3U."),
    grammar("playlist-text", "RFC 8216 4.1", "A playlist is UTF-8 without byte order mark and control characters."),
    grammar("attribute-lists", "RFC 8216 4.2", "Attribute lists follow the grammar, and name nothing twice."),
    grammar("tags-once", "RFC 8216 4.3.1.2, 4.3.3", "Tags that may stand once stand once."),
    grammar("extinf-each", "RFC 8216 4.3.2.1", "A decimal EXTINF stands before each media segment's URI."),
    grammar("uri-follows", "RFC 8216 4.3.4.2", "A URI follows each EXT-X-STREAM-INF and EXTINF."),
    playlist_kind,
    attributes_required,
    version_covers,
    target_duration,
    target_equal,
    vod_ends,
    vod_type,
    independent_declared,
    tags_known,
)
