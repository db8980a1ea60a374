"""AES-128 of whole segments: AES-CBC with the padding of RFC 5652 (RFC 8216 sections 4.3.2.4 and 5.2). Pure."""

import hashlib
from collections.abc import Sequence

import msgspec

from workers.transcode.crypt.ciphers import BLOCK, chain
from workers.transcode.crypt.keys import Key, uri_of
from workers.verify.boxes import DamagedSegmentError
from workers.verify.init import Track


class WholeSegments(msgspec.Struct, frozen=True):
    """A seal that encrypts each segment as a whole; each key is used for `each` segments.

    The same key serves all renditions, so the media sequence number, which stands in for an IV that a playlist does not
    give, would repeat: each segment has an IV of its own, from the film, the rendition and the number.
    """

    keys: tuple[Key, ...]
    each: int
    film: str
    uri: str
    pictures: bool = False

    def init(self, _path: str, data: bytes, _track: Track, /) -> bytes:
        """As it is: clear."""
        return data

    def open_init(self, data: bytes) -> bytes:
        """As it is."""
        return data

    def close(self, path: str, index: int, data: bytes, _track: Track, /) -> bytes:
        """Pads and encrypts."""
        count = BLOCK - len(data) % BLOCK
        return chain(self._key(index).value, self._iv(path, index)).encrypt(data + bytes([count]) * count)

    def open(self, path: str, index: int, data: bytes, _track: Track, /) -> bytes:
        """Decrypts, and takes the padding off."""
        return self.peek(path, index, data, len(data))

    def peek(self, path: str, index: int, head: bytes, size: int) -> bytes:
        """Decrypts whole blocks; the padding goes where the end is there."""
        whole = len(head) - len(head) % BLOCK
        clear = chain(self._key(index).value, self._iv(path, index)).decrypt(head[:whole])
        return clear[: -_padding(clear)] if whole == size else clear

    def clear_size(self, path: str, index: int, tail: bytes, size: int) -> int:
        """The size without the padding."""
        if size % BLOCK or size < BLOCK:
            raise DamagedSegmentError(f"{size} bytes are no whole number of encrypted blocks")
        before = tail[-2 * BLOCK : -BLOCK] if size > BLOCK else self._iv(path, index)
        return size - _padding(chain(self._key(index).value, before).decrypt(tail[-BLOCK:]))

    def tag(self, path: str, index: int) -> str | None:
        """EXT-X-KEY of each segment, for its IV."""
        uri = uri_of(self.uri, self._key(index))
        return f'#EXT-X-KEY:METHOD=AES-128,URI="{uri}",IV=0x{self._iv(path, index).hex()}'

    def key_of(self, uri: str) -> bytes | None:
        """The key behind a URI."""
        return next((key.value for key in self.keys if uri_of(self.uri, key) == uri), None)

    def protections(self) -> Sequence[tuple[str, str, str | None, str | None]]:
        """None: DASH has no such thing."""
        return ()

    def _key(self, index: int) -> Key:
        return self.keys[index // self.each % len(self.keys)]

    def _iv(self, path: str, index: int) -> bytes:
        return hashlib.sha256(f"{self.film}/{path}/{index}".encode()).digest()[:BLOCK]


def _padding(clear: bytes) -> int:
    count = clear[-1] if clear else 0
    if not 1 <= count <= BLOCK or clear[-count:] != bytes([count]) * count:
        raise DamagedSegmentError("it does not decrypt with this key: its padding is none")
    return count
