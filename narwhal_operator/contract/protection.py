"""How the segments of a TranscodingJob are encrypted. No key ever stands in a resource: only the name of its Secret."""

import re
from typing import Annotated, ClassVar, Final, Literal, Self

from narwhal_operator.contract.base import Span, lasting
from narwhal_operator.contract.common import LocalRef
from narwhal_operator.contract.model import AfterValidator, Contract, Field, model_validator
from narwhal_operator.contract.rules import Check, Rule, matches, matching

_URI: Final = r"^(https?://|skd://|/)([A-Za-z0-9._~:/?#!$&()*+,;=%-]|\{kid\})+$"
_PSSH: Final = r"^AAA[A-M][A-Za-z0-9+/][HXn3]Bzc2g[AB][A-Za-z0-9+/]{32,}={0,2}$"
"""In base64: four bytes of size, the letters pssh, a version of 0 or 1."""
_PLACE: Final = "{kid}"
_ROTATED: Final = "keyUri must hold {kid} where keys rotate: each key needs a URI of its own"
_ONE_KEY: Final = "rotation must be left out with cbcs and cenc: one key encrypts the whole title"
_SYSTEMS: Final = "keyFormat and pssh must be left out with AES-128: they are of cbcs and cenc"


def _distinct(boxes: list[str]) -> list[str]:
    if len(set(boxes)) != len(boxes):
        raise ValueError("pssh must not have a box twice")
    return boxes


Pssh = Annotated[
    str,
    Field(min_length=44, max_length=4096),
    matches(
        _PSSH,
        "must be a whole pssh box in base64; it begins with AAA and has HBzc2g, XBzc2g, nBzc2g or 3Bzc2g after that",
    ),
]


class KeysSource(Contract):
    """Where content keys come from."""

    secret_ref: LocalRef = Field(
        description="Secret whose keys are key ids (32 hex digits; before it, to order several, a word and a dot, as in"
        " 01.KID) and whose values are the content keys: 16 bytes, as they are, in hex or in base64."
    )


class Rotation(Contract):
    """When the next key begins."""

    period: Annotated[Span, lasting("1s", "24h")] = Field(
        description="How long a key is used, 1s to 24h, rounded to whole segments. Keys follow in the order of their"
        " names in the Secret; after the last comes the first again."
    )


class Encryption(Contract):
    """Encrypts the segments of video and audio. Subtitles, thumbnails and chapters stay clear."""

    cel: ClassVar[tuple[Rule, ...]] = (
        Rule("!has(self.rotation) || self.keyUri.contains('{kid}')", _ROTATED, field="keyUri"),
        Rule("!has(self.rotation) || self.method == 'AES-128'", _ONE_KEY, field="rotation"),
        Rule("self.method != 'AES-128' || (!has(self.keyFormat) && !has(self.pssh))", _SYSTEMS, field="method"),
    )

    method: Literal["AES-128", "cbcs", "cenc"] = Field(
        description="AES-128: whole segments, AES-CBC; HLS only (RFC 8216 section 4.3.2.4). cbcs and cenc: samples by Common"
        " Encryption (ISO/IEC 23001-7), for DRM systems and ClearKey, in HLS and DASH; h264 and hevc only. cbcs is what"
        " all systems of today take, cenc what older ones do, and Apple's never."
    )
    keys_from: KeysSource = Field(description="The content keys.")
    key_uri: Annotated[
        str,
        Field(min_length=2, max_length=512),
        Check(
            matching(_URI),
            "keyUri must be an http, https or skd URL or an absolute path, with no blank, quote or user name; {kid} stands"
            " for the key id",
            lambda value: re.fullmatch(_URI, value) is not None,
            forbidden=True,  # what was put there by mistake may be a password, or a key
        ),
    ] = Field(
        description="Where players fetch a key, as playlists name it; {kid} is replaced by the key id, 32 hex digits."
        " Everyone who may read the playlists sees it: who may have a key is the key server's to decide."
    )
    rotation: Rotation | None = Field(None, description="Several keys, one after the other; absent: one for all.")

    key_format: (
        Annotated[
            str,
            Field(min_length=1, max_length=128),
            matches(
                r"^[A-Za-z0-9.:_-]+$", "must be letters, digits, . : _ or -, such as com.apple.streamingkeydelivery"
            ),
        ]
        | None
    ) = Field(
        None,
        description="Of cbcs and cenc: KEYFORMAT of keyUri in HLS, such as com.apple.streamingkeydelivery; absent means"
        " identity: keyUri answers with the key itself.",
    )
    pssh: Annotated[list[Pssh], AfterValidator(_distinct)] | None = Field(
        None,
        min_length=1,
        max_length=8,
        description="Of cbcs and cenc: pssh boxes of DRM systems, in base64, as their key servers give them. They go into"
        " init segments, manifest and playlists. The common one (W3C) is always there.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )

    @model_validator(mode="after")
    def _fits_method(self) -> Self:
        if self.rotation is not None and self.method != "AES-128":
            raise ValueError(_ONE_KEY)
        if self.method == "AES-128" and (self.key_format is not None or self.pssh is not None):
            raise ValueError(_SYSTEMS)
        return self

    @model_validator(mode="after")
    def _rotates(self) -> Self:
        if self.rotation is not None and _PLACE not in self.key_uri:
            raise ValueError(_ROTATED)
        return self
