"""What can be said of encrypted segments: without their keys, that they are none in clear; with them, that they open.

Sources: RFC 8216 sections 4.3.2.4 and 5.2. Pure.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from workers.verify.playlist import Tag

BLOCK: Final = 16
SAMPLES: Final = frozenset({"SAMPLE-AES", "SAMPLE-AES-CTR"})
"""Methods that encrypt samples and leave the boxes of fragmented MP4 as they are (RFC 8216 section 5.2, CMAF)."""
KeyOf = Callable[[str], bytes | None]
"""The key behind a URI, where it is known."""
_IV: Final = re.compile(r"0[xX][0-9a-fA-F]{32}")
_OTHERS: Final = (b"ID3", b"\xff\xf1", b"\xff\xf9", b"WEBVTT", b"\xef\xbb\xbfWEBVTT")
_BOXES: Final = frozenset({b"styp", b"moof", b"sidx", b"ftyp", b"prft", b"emsg"})


@dataclass(frozen=True, slots=True)
class Lock:
    """What opens a segment of AES-128."""

    value: bytes = field(repr=False)
    iv: bytes

    def opened(self, data: bytes, before: bytes = b"") -> bytes:
        """Whole blocks in clear, their padding included; `before` is the encrypted block before them, none at the start."""
        from Crypto.Cipher import AES  # late: most packages are clear

        return bytes(AES.new(self.value, AES.MODE_CBC, iv=before or self.iv).decrypt(data))


def lock_of(key: Tag | None, sequence: int, keys: KeyOf | None) -> Lock | None:
    """What opens the segment with this media sequence number, where its key is known and its IV is one."""
    iv, value = _iv(key, sequence), keys(key.attributes.get("URI", "")) if key and keys else None
    return Lock(value, iv) if iv is not None and value is not None else None


def unlocked(key: Tag | None, sequence: int, stored: tuple[bytes, int], keys: KeyOf | None) -> str | None:
    """What is wrong with a segment of AES-128, by its first block and its size; None when nothing is seen.

    `sequence` is its media sequence number: the IV, where the playlist gives none.
    """
    head, size = stored
    if media(head):
        return "is not encrypted, its playlist says it is"
    if size % BLOCK or not size:
        return f"has {size} bytes: what is encrypted with AES-128 has whole blocks of {BLOCK}"
    iv, value = _iv(key, sequence), keys(key.attributes.get("URI", "")) if key and keys else None
    if iv is None:
        return "has no IV: the IV of its EXT-X-KEY is no number of 128 bits"
    if keys is not None and value is None:
        return "cannot be decrypted: no key is known by the URI of its EXT-X-KEY"
    if value is not None and not begins(Lock(value, iv).opened(head)):
        return "does not decrypt to media with the key and IV that its playlist gives"
    return None


def media(head: bytes) -> bool:
    """Whether bytes begin as segments do: a box of ISO base media, a packet of a transport stream."""
    return head[4:8] in _BOXES or (head[:1] == b"\x47" and head[1:3] == b"\x40\x00")


def begins(head: bytes) -> bool:
    """Whether what was decrypted begins as anything that playlists list: media, packed audio (ID3, ADTS), WebVTT."""
    return media(head) or head[:1] == b"\x47" or head.startswith(_OTHERS)


def _iv(key: Tag | None, sequence: int) -> bytes | None:
    said = key.attributes.get("IV") if key else None
    if said is None:
        return sequence.to_bytes(BLOCK)
    return bytes.fromhex(said[2:]) if _IV.fullmatch(said) else None
