"""Rules of how a server hands a package out; they say nothing of a directory or a store."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from workers.verify.facts import Object, Package
from workers.verify.rule import SPEC, Finding, Rule, Severity, rule

PLAYLIST_TYPES: Final = frozenset(
    {"application/vnd.apple.mpegurl", "audio/mpegurl", "application/x-mpegurl", "audio/x-mpegurl"}
)
SEGMENT_TYPES: Final = {
    ".ts": {"video/mp2t"},
    ".m4s": {"video/mp4", "video/iso.segment", "audio/mp4"},
    ".mp4": {"video/mp4", "audio/mp4", "application/mp4"},
    ".vtt": {"text/vtt"},
    ".mpd": {"application/dash+xml"},
}
SMALL: Final = 2048
"""Bytes of a playlist below which compression saves nothing worth a finding."""


def _served(package: Package) -> Iterator[tuple[str, Object]]:
    if package.remote:
        yield from ((uri, found) for uri, found in package.objects.items() if found.missing is None)


def _type(found: Object) -> str:
    return (found.content_type or "").partition(";")[0].strip().lower()


@rule("no-redirects", f"{SPEC} 8.18", "No URI is redirected.")
def no_redirects(package: Package) -> Iterator[Finding]:
    """A URL that leads to another."""
    for uri, found in _served(package):
        if found.redirected:
            yield Finding(uri, None, f"it is redirected to {found.redirected[:200]}")


@rule("playlist-type", "RFC 8216 4", "A playlist's URI ends in .m3u8, or its Content-Type is that of playlists.")
def playlist_type(package: Package) -> Iterator[Finding]:
    """A playlist that cannot be told from another file."""
    names = {playlist.uri for playlist in package.playlists}
    for uri, found in _served(package):
        if uri in names and not urlsplit(uri).path.endswith((".m3u8", ".m3u")) and _type(found) not in PLAYLIST_TYPES:
            yield Finding(uri, None, f"Content-Type is {found.content_type}, and the path does not end in .m3u8")


@rule("content-types", f"{SPEC} 10.4", "Content-Type is that of the extension.", Severity.WARNING)
def content_types(package: Package) -> Iterator[Finding]:
    """Another Content-Type; told once of each extension."""
    told: set[str] = set()
    for uri, found in _served(package):
        extension = "." + urlsplit(uri).path.rpartition(".")[2]
        allowed = PLAYLIST_TYPES if extension == ".m3u8" else SEGMENT_TYPES.get(extension)
        if allowed and _type(found) not in allowed and extension not in told:
            told.add(extension)
            yield Finding(uri, None, f"Content-Type is {found.content_type}, of {extension} it is {min(allowed)}")


@rule("playlists-compressed", f"{SPEC} 10.1", "Playlists are sent compressed.", Severity.WARNING)
def playlists_compressed(package: Package) -> Iterator[Finding]:
    """A playlist that is not, though it was asked for so; told once."""
    names = {playlist.uri for playlist in package.playlists}
    for uri, found in _served(package):
        if uri in names and not found.compressed and (found.size or 0) > SMALL:
            yield Finding(uri, None, f"{found.size} bytes without Content-Encoding: gzip")
            return


@rule("transport-secure", f"{SPEC} 11, 12.1", "All is served over TLS.", Severity.WARNING)
def transport_secure(package: Package) -> Iterator[Finding]:
    """An http:// URL; told once."""
    for uri, _ in _served(package):
        if urlsplit(uri).scheme == "http":
            yield Finding(uri, None, "it is served without TLS")
            return


SERVED: Final[tuple[Rule, ...]] = (no_redirects, playlist_type, content_types, playlists_compressed, transport_secure)
