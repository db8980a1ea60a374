"""Rules of what is encrypted, by what players see of it, and with the keys where they are known."""

import re
from collections.abc import Iterator
from typing import Final

from workers.verify.facts import Package
from workers.verify.rule import Finding, Rule, rule
from workers.verify.rules.texts import grammar

METHODS: Final = frozenset({"NONE", "AES-128", "SAMPLE-AES", "SAMPLE-AES-CTR"})
SCHEMES: Final = {"cbcs": "SAMPLE-AES", "cenc": "SAMPLE-AES-CTR"}
"""METHOD of each scheme of Common Encryption."""
MP4: Final = "urn:mpeg:dash:mp4protection:2011"
IDENTITY: Final = "identity"
_IV: Final = re.compile(r"0[xX][0-9a-fA-F]{1,32}")


@rule(
    "key-attributes",
    "RFC 8216 4.3.2.4",
    "EXT-X-KEY has a METHOD there is and a URI, and its IV is a number of 128 bits; AES-128 gives the key itself.",
)
def key_attributes(package: Package) -> Iterator[Finding]:
    """A key that no player can use."""
    for playlist in package.playlists:
        for tag in playlist.all("EXT-X-KEY"):
            method, said = tag.attributes.get("METHOD", "NONE"), tag.attributes
            words = ""
            if method not in METHODS:
                words = f"METHOD {method[:40]} is none of {', '.join(sorted(METHODS))}"
            elif method != "NONE" and not said.get("URI"):
                words = f"METHOD is {method}, and there is no URI"
            elif "IV" in said and not _IV.fullmatch(said["IV"]):
                words = "its IV is no hexadecimal number of at most 128 bits"
            elif method == "AES-128" and said.get("KEYFORMAT", IDENTITY) != IDENTITY:
                words = f"METHOD is AES-128, which KEYFORMAT {said['KEYFORMAT'][:60]} does not go with"
            if words:
                yield Finding(playlist.uri, tag.line, words)


@rule(
    "samples-encrypted-as-said",
    "RFC 8216 5.2, ISO/IEC 23001-7",
    "Tracks whose samples are encrypted have a key in their playlist, of their scheme; others have none.",
)
def samples_encrypted_as_said(package: Package) -> Iterator[Finding]:
    """Samples of cbcs without SAMPLE-AES, a clear track behind a key, encrypted samples without their IVs."""
    for stream in package.media:
        track, first = stream.main, next(iter(stream.segments), None)
        if track is None or first is None or stream.container != "fmp4" or first.encrypted == "AES-128":
            continue
        scheme = track.protection.scheme if track.protection else "no scheme" if track.protected else None
        expected = SCHEMES.get(scheme) if scheme else None
        if first.encrypted != expected or (scheme and expected is None):
            said = first.encrypted or "no key"
            yield Finding(stream.name, first.line, f"its playlist says {said}, its init segment {scheme or 'clear'}")
        elif track.protection and track.protection.iv_size:
            for segment, part in stream.parts():
                if not part.sealed:
                    yield Finding(
                        stream.name, segment.line, f"{segment.uri} has no IVs of its samples: is it in clear?"
                    )


@rule(
    "mpd-protection",
    "ISO/IEC 23001-7 11, DASH-IF IOP 7",
    "A Representation whose samples are encrypted says so: mp4protection with its scheme and its default_KID.",
)
def mpd_protection(package: Package) -> Iterator[Finding]:
    """ContentProtection that is missing, or of another scheme or key id."""
    for stream in package.dash:
        track, one = stream.main, stream.representation
        if track is None or one is None:
            continue
        said = next((p for p in one.protections if p.get("schemeIdUri", "").lower() == MP4), None)
        true = (track.protection.scheme, track.protection.kid.hex()) if track.protection else None
        found = (said.get("value", ""), said.get("default_KID", "").replace("-", "").lower()) if said else None
        if found != true:
            uri = stream.name.partition("#")[0]
            yield Finding(
                uri, one.line, f"ContentProtection of {one.name} says {_words(found)}, the bytes {_words(true)}"
            )


def _words(found: tuple[str, str] | None) -> str:
    return f"{found[0]} with key id {found[1]}" if found else "clear"


ENCRYPTED: Final[tuple[Rule, ...]] = (
    key_attributes,
    samples_encrypted_as_said,
    mpd_protection,
    grammar(
        "encrypted-as-said",
        "RFC 8216 4.3.2.4, 5.2",
        "A segment is encrypted as its playlist says, and opens with that key and IV where the key is known.",
    ),
)
