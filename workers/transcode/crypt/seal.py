"""What is done to segments between scratch and store, as the rest of the worker sees it."""

import base64
from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from narwhal_operator.contract.base import seconds_of
from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.protection import Encryption
from workers.transcode.crypt.keys import Key
from workers.transcode.crypt.samples import Samples
from workers.transcode.crypt.whole import WholeSegments
from workers.verify.init import Track


class Seal(Protocol):
    """Closes segments for the store and opens what is stored. `path` is that of the rendition in its version."""

    @property
    def pictures(self) -> bool:
        """Whether a picture can be had by a byte range of a segment, so that I-frame playlists make sense."""

    def init(self, path: str, data: bytes, track: Track, /) -> bytes:
        """The stored form of a clear init segment. Raises DamagedSegmentError."""

    def open_init(self, data: bytes) -> bytes:
        """The clear form of a stored one. Raises DamagedSegmentError."""

    def close(self, path: str, index: int, data: bytes, track: Track, /) -> bytes:
        """The stored form of a clear segment: always the same for the same work. Raises DamagedSegmentError."""

    def open(self, path: str, index: int, data: bytes, track: Track, /) -> bytes:
        """The clear form of a stored segment, all of it. Raises DamagedSegmentError."""

    def peek(self, path: str, index: int, head: bytes, size: int, /) -> bytes:
        """The boxes in the first bytes of a stored segment of so many."""

    def clear_size(self, path: str, index: int, tail: bytes, size: int, /) -> int:
        """Bytes of the clear form of a stored one, by its last 32 bytes. Raises DamagedSegmentError."""

    def tag(self, path: str, index: int, /) -> str | None:
        """The lines of a media playlist before a segment, where one is due."""

    def protections(self) -> Sequence[tuple[str, str, str | None, str | None]]:
        """Scheme, value, key id and pssh of each ContentProtection of a manifest."""

    def key_of(self, uri: str) -> bytes | None:
        """The key behind a URI of a playlist: for the gate, which reads them as a player does."""


def seal(wish: Encryption, keys: Sequence[Key], film: str, segment: str) -> Seal:
    """The seal of renditions of that `film` (delta.identity.sealed_by), whatever version they are in.

    Raises WorkError(SecretInvalid) when the Secret has too few keys, or too many.
    """
    secret = wish.keys_from.secret_ref.name
    if wish.method != "AES-128":
        return _samples(wish, keys, film)
    if wish.rotation is None:
        if len(keys) > 1:
            message = (
                f"The Secret {secret} holds {len(keys)} keys; set spec.packaging.encryption.rotation, or leave one."
            )
            raise WorkError(Reason.SECRET_INVALID, message)
        return WholeSegments(tuple(keys), 1, film, wish.key_uri)
    if len(keys) == 1:
        message = (
            f"The Secret {secret} holds one key; add others to rotate, or leave spec.packaging.encryption.rotation out."
        )
        raise WorkError(Reason.SECRET_INVALID, message)
    each = max(1, round(Fraction(seconds_of(wish.rotation.period)) / Fraction(seconds_of(segment))))
    return WholeSegments(tuple(keys), each, film, wish.key_uri)


def _samples(wish: Encryption, keys: Sequence[Key], film: str) -> Seal:
    if len(keys) > 1:
        secret = wish.keys_from.secret_ref.name
        message = f"The Secret {secret} holds {len(keys)} keys; {wish.method} takes one for the whole title: leave one."
        raise WorkError(Reason.SECRET_INVALID, message)
    boxes = tuple(base64.b64decode(text) for text in wish.pssh or [])
    for number, box in enumerate(boxes):
        if int.from_bytes(box[:4]) != len(box):
            message = (
                f"spec.packaging.encryption.pssh[{number}] is no whole box: it says {int.from_bytes(box[:4])} bytes and"
            )
            raise WorkError(Reason.INVALID_ORDER, f"{message} has {len(box)}. Copy it anew from the key server.")
    return Samples(wish.method, keys[0], film, wish.key_uri, wish.key_format or "identity", boxes)
