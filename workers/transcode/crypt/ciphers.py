"""AES over parts of a buffer, in place: a counter over all of them, a chain over some blocks of one. Pure.

By PyCryptodome, which the S3 client brings anyway; loaded late, for clear titles need none of it.
"""

from collections.abc import Sequence
from typing import Final, Protocol

BLOCK: Final = 16


class Cipher(Protocol):
    """A cipher in a mode that has begun."""

    def encrypt(self, data: bytes, /) -> bytes:
        """Encrypts what follows."""

    def decrypt(self, data: bytes, /) -> bytes:
        """Decrypts what follows."""


def chain(key: bytes, iv: bytes) -> Cipher:
    """AES-CBC."""
    from Crypto.Cipher import AES

    made: Cipher = AES.new(key, AES.MODE_CBC, iv=iv)
    return made


def counter(key: bytes, iv: bytes) -> Cipher:
    """AES-CTR: 8 bytes of IV, 8 of block number from 0 on."""
    from Crypto.Cipher import AES

    made: Cipher = AES.new(key, AES.MODE_CTR, nonce=iv, initial_value=0)
    return made


def counted(data: bytearray, spans: Sequence[tuple[int, int]], key: bytes, iv: bytes) -> None:
    """Encrypts or decrypts parts, start and size, as if they were one after the other."""
    joined = b"".join(data[start : start + size] for start, size in spans)
    turned, at = counter(key, iv).encrypt(joined), 0
    for start, size in spans:
        data[start : start + size] = turned[at : at + size]
        at += size


def chained(
    data: bytearray, span: tuple[int, int], key: bytes, iv: bytes, pattern: tuple[int, int], *, lock: bool
) -> None:
    """Encrypts or decrypts one block of each `1 + skip`, chained over what is left out; what is no whole block stays."""
    start, step = span[0], BLOCK * sum(pattern)
    count = (span[1] // BLOCK + pattern[1]) // sum(pattern)
    end = start + (count - 1) * step + BLOCK
    columns = [slice(start + byte, end, step) for byte in range(BLOCK)]
    if not count:
        return
    cipher, blocks = chain(key, iv), bytearray(count * BLOCK)
    for byte, column in enumerate(columns):
        blocks[byte::BLOCK] = data[column]
    turned = cipher.encrypt(bytes(blocks)) if lock else cipher.decrypt(bytes(blocks))
    for byte, column in enumerate(columns):
        data[column] = turned[byte::BLOCK]
