"""AES-128 of whole segments: AES-CBC with the padding of RFC 5652 (RFC 8216 sections 4.3.2.4 and 5.2). Pure."""

import hashlib
from dataclasses import dataclass
from typing import Final, Protocol

from workers.transcode.crypt.keys import Key
from workers.verify.boxes import DamagedSegmentError

BLOCK: Final = 16


class Cipher(Protocol):
    """A cipher in a mode that has begun."""

    def encrypt(self, data: bytes, /) -> bytes:
        """Encrypts what follows."""

    def decrypt(self, data: bytes, /) -> bytes:
        """Decrypts what follows."""


@dataclass(frozen=True, slots=True)
class WholeSegments:
    """A seal that encrypts each segment as a whole; each key is used for `each` segments.

    The same key serves all renditions, so the media sequence number, which stands in for an IV that a playlist does not
    give, would repeat: each segment has an IV of its own, from the version, the rendition and the number.
    """

    keys: tuple[Key, ...]
    each: int
    version: str
    uri: str
    pictures: bool = False

    def close(self, path: str, index: int, data: bytes) -> bytes:
        """Pads and encrypts."""
        count = BLOCK - len(data) % BLOCK
        return _cipher(self._key(index), self._iv(path, index)).encrypt(data + bytes([count]) * count)

    def open(self, path: str, index: int, data: bytes, size: int) -> bytes:
        """Decrypts whole blocks; the padding goes where the end is there."""
        whole = len(data) - len(data) % BLOCK
        clear = _cipher(self._key(index), self._iv(path, index)).decrypt(data[:whole])
        return clear[: -_padding(clear)] if whole == size else clear

    def clear_size(self, path: str, index: int, tail: bytes, size: int) -> int:
        """The size without the padding."""
        if size % BLOCK or size < BLOCK:
            raise DamagedSegmentError(f"{size} bytes are no whole number of encrypted blocks")
        before = tail[-2 * BLOCK : -BLOCK] if size > BLOCK else self._iv(path, index)
        return size - _padding(_cipher(self._key(index), before).decrypt(tail[-BLOCK:]))

    def tag(self, path: str, index: int) -> str | None:
        """EXT-X-KEY of each segment, for its IV."""
        uri = uri_of(self.uri, self._key(index))
        return f'#EXT-X-KEY:METHOD=AES-128,URI="{uri}",IV=0x{self._iv(path, index).hex()}'

    def key_of(self, uri: str) -> bytes | None:
        """The key behind a URI."""
        return next((key.value for key in self.keys if uri_of(self.uri, key) == uri), None)

    def _key(self, index: int) -> Key:
        return self.keys[index // self.each % len(self.keys)]

    def _iv(self, path: str, index: int) -> bytes:
        return hashlib.sha256(f"{self.version}/{path}/{index}".encode()).digest()[:BLOCK]


def uri_of(template: str, key: Key) -> str:
    """A key's URI."""
    return template.replace("{kid}", key.kid.hex())


def _cipher(key: Key, iv: bytes) -> Cipher:
    from Crypto.Cipher import AES  # late: only encrypted titles load it

    made: Cipher = AES.new(key.value, AES.MODE_CBC, iv=iv)
    return made


def _padding(clear: bytes) -> int:
    count = clear[-1] if clear else 0
    if not 1 <= count <= BLOCK or clear[-count:] != bytes([count]) * count:
        raise DamagedSegmentError("it does not decrypt with this key: its padding is none")
    return count
