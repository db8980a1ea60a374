"""How the segments of a TranscodingJob are encrypted. No key ever stands in a resource: only the name of its Secret."""

import re
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from narwhal_operator.contract.base import Check, Contract, Rule, Span, lasting, matching
from narwhal_operator.contract.common import LocalRef

_URI: Final = r"^(https?://|skd://|/)([A-Za-z0-9._~:/?#!$&()*+,;=%-]|\{kid\})+$"
_PLACE: Final = "{kid}"
_ROTATED: Final = "keyUri must hold {kid} where keys rotate: each key needs a URI of its own"


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
    )

    method: Literal["AES-128"] = Field(
        description="AES-128: whole segments, AES-CBC (RFC 8216 section 4.3.2.4); HLS only."
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

    @model_validator(mode="after")
    def _rotates(self) -> Self:
        if self.rotation is not None and _PLACE not in self.key_uri:
            raise ValueError(_ROTATED)
        return self
