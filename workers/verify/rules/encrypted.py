"""Rules of what is encrypted, by what players see of it, and with the keys where they are known."""

import re
from collections.abc import Iterator
from typing import Final

from workers.verify.facts import Package
from workers.verify.rule import Finding, Rule, rule
from workers.verify.rules.texts import grammar

METHODS: Final = frozenset({"NONE", "AES-128", "SAMPLE-AES", "SAMPLE-AES-CTR"})
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


ENCRYPTED: Final[tuple[Rule, ...]] = (
    key_attributes,
    grammar(
        "encrypted-as-said",
        "RFC 8216 4.3.2.4, 5.2",
        "A segment is encrypted as its playlist says, and opens with that key and IV where the key is known.",
    ),
)
