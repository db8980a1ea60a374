"""What is done to segments between scratch and store, as the rest of the worker sees it."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from narwhal_operator.contract.base import seconds_of
from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.protection import Encryption
from workers.transcode.crypt.keys import Key
from workers.transcode.crypt.whole import WholeSegments


class Seal(Protocol):
    """Closes segments for the store and opens what is stored. `path` is that of the rendition in its version."""

    @property
    def pictures(self) -> bool:
        """Whether a picture can be had by a byte range of a segment, so that I-frame playlists make sense."""

    def close(self, path: str, index: int, data: bytes) -> bytes:
        """The stored form of a clear segment: always the same for the same work."""

    def open(self, path: str, index: int, data: bytes, size: int) -> bytes:
        """The clear form of a stored segment of that many bytes, as far as its first bytes `data` go."""

    def clear_size(self, path: str, index: int, tail: bytes, size: int) -> int:
        """Bytes of the clear form of a stored one, by its last 32 bytes. Raises DamagedSegmentError."""

    def tag(self, path: str, index: int) -> str | None:
        """The line of a media playlist before a segment, where one is due."""

    def key_of(self, uri: str) -> bytes | None:
        """The key behind a URI of a playlist: for the gate, which reads them as a player does."""


def seal(wish: Encryption, keys: Sequence[Key], version: str, segment: str) -> Seal:
    """The seal of a version. Raises WorkError(SecretInvalid) when the Secret has too few keys, or too many."""
    secret = wish.keys_from.secret_ref.name
    if wish.rotation is None:
        if len(keys) > 1:
            message = (
                f"The Secret {secret} holds {len(keys)} keys; set spec.packaging.encryption.rotation, or leave one."
            )
            raise WorkError(Reason.SECRET_INVALID, message)
        return WholeSegments(tuple(keys), 1, version, wish.key_uri)
    if len(keys) == 1:
        message = (
            f"The Secret {secret} holds one key; add others to rotate, or leave spec.packaging.encryption.rotation out."
        )
        raise WorkError(Reason.SECRET_INVALID, message)
    each = max(1, round(Fraction(seconds_of(wish.rotation.period)) / Fraction(seconds_of(segment))))
    return WholeSegments(tuple(keys), each, version, wish.key_uri)
