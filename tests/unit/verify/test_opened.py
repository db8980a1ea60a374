"""Segments of AES-128 in clear: any part of one is that part of what was encrypted."""

import asyncio
from dataclasses import dataclass
from typing import Final

import pytest
from Crypto.Cipher import AES
from hypothesis import given
from hypothesis import strategies as st

from workers.verify.boxes import DamagedSegmentError
from workers.verify.encrypted import BLOCK, Lock, begins
from workers.verify.facts import Object
from workers.verify.opened import Opened

LOCK: Final = Lock(bytes(range(16)), bytes(range(16, 32)))
SKIPPED: Final = 7
"""Bytes of the object before the segment."""


def locked(clear: bytes) -> bytes:
    """AES-CBC with the padding of RFC 5652 section 6.3."""
    count = BLOCK - len(clear) % BLOCK
    return bytes(AES.new(LOCK.value, AES.MODE_CBC, iv=LOCK.iv).encrypt(clear + bytes([count]) * count))


@dataclass
class Bytes:
    """A Reader of one object in memory."""

    data: bytes
    remote: bool = False

    def join(self, base: str, reference: str) -> str:
        return base + reference

    async def read(self, uri: str, start: int = 0, count: int | None = None) -> tuple[bytes, Object]:
        assert uri == "a"
        return self.data[start:][:count], Object(size=len(self.data))


def opened(stored: bytes, lock: Lock = LOCK) -> Opened:
    """A segment that begins some bytes behind the start of its object."""
    return Opened(Bytes(bytes(SKIPPED) + stored + b"more"), "a", lock, SKIPPED, len(stored))


@given(st.binary(max_size=70), st.integers(0, 80), st.none() | st.integers(0, 80))
def test_any_part_is_that_part_of_the_clear_bytes(clear: bytes, start: int, count: int | None) -> None:
    """Wherever it starts and however long it is; the size that is told is that of the clear bytes."""
    data, found = asyncio.run(opened(locked(clear)).read("a", start, count))
    assert data == clear[start:][:count]
    assert found.size == len(clear)


def test_an_end_that_is_no_padding_is_told() -> None:
    """As with another key, or where the segment breaks off at a block."""
    for one in (opened(locked(bytes(40))[:-BLOCK]), opened(locked(bytes(40)), Lock(bytes(16), LOCK.iv))):
        with pytest.raises(DamagedSegmentError, match="padding"):
            asyncio.run(one.length())


def test_a_lock_shows_no_key() -> None:
    """Neither as text nor within what has it."""
    assert LOCK.value.hex() not in repr(LOCK)
    assert repr(LOCK.value) not in repr(opened(locked(b"x")))


@pytest.mark.parametrize("head", [b"\x47\x40\x11\x10", b"ID3\x04", b"\xff\xf1\x50", b"WEBVTT\n", b"\0\0\0\x18styp"])
def test_what_playlists_list_is_known_by_its_beginning(head: bytes) -> None:
    """Transport streams, packed audio, subtitles, fragmented MP4."""
    assert begins(head + bytes(16))


def test_what_did_not_decrypt_is_known_too() -> None:
    """By its beginning, mostly."""
    assert not begins(bytes(range(200, 216)))
