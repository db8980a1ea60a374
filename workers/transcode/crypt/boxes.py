"""Boxes of Common Encryption: what an init segment says of keys, what a fragment says of each sample (ISO/IEC 23001-7). Pure."""

import struct
from collections.abc import Sequence
from typing import Final

import msgspec

from workers.verify.boxes import DamagedSegmentError, boxes, find

COMMON_SYSTEM: Final = bytes.fromhex("1077efecc0b24d02ace33c1e52e2fb4b")
"""SystemID of the W3C's common pssh box: the key ids and nothing else, for ClearKey."""
HEADS: Final = {b"avc1": 78, b"hvc1": 78, b"mp4a": 28, b"Opus": 28}
"""Bytes of a sample entry before its boxes (ISO/IEC 14496-12 section 12)."""
PATH: Final = ("moov", "trak", "mdia", "minf", "stbl", "stsd")


class Scheme(msgspec.Struct, frozen=True):
    """How the samples of a track are encrypted: what tenc says."""

    name: str
    """cenc, cbcs."""
    kid: bytes
    iv_size: int
    """Bytes of each sample's own IV; 0: `iv` is that of all."""
    iv: bytes = b""
    pattern: tuple[int, int] = (0, 0)
    """Blocks that are encrypted and blocks that are not, in turn; 0 and 0: all are."""


def box(name: bytes, *parts: bytes) -> bytes:
    """A box."""
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), name) + content


def sealed_init(init: bytes, scheme: Scheme, pssh: Sequence[bytes]) -> bytes:
    """The init segment of encrypted samples: encv or enca with sinf, and pssh boxes. Raises DamagedSegmentError."""
    entries, _ = find(init, "/".join(PATH))
    at = entries + 8
    size, kind = struct.unpack_from(">I4s", init, at)
    if kind not in HEADS:
        raise DamagedSegmentError(f"samples of {kind.decode('latin-1')} cannot be encrypted")
    sinf = box(b"sinf", box(b"frma", kind), box(b"schm", bytes(4), scheme.name.encode(), bytes([0, 1, 0, 0])))
    sinf = box(b"sinf", sinf[8:], box(b"schi", _tenc(scheme)))
    grown = bytearray(init[: at + size] + sinf + init[at + size :])
    grown[at + 4 : at + 8] = b"encv" if HEADS[kind] == 78 else b"enca"
    struct.pack_into(">I", grown, at, size + len(sinf))
    for depth in range(1, len(PATH) + 1):
        _grow(grown, find(init, "/".join(PATH[:depth]))[0] - 8, len(sinf))
    moov, end = find(bytes(grown), "moov")
    systems = b"".join(pssh)
    grown[end:end] = systems
    _grow(grown, moov - 8, len(systems))
    return bytes(grown)


def _grow(data: bytearray, at: int, count: int) -> None:
    struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + count)


def _tenc(scheme: Scheme) -> bytes:
    crypt, skip = scheme.pattern
    head = bytes([1 if crypt else 0, 0, 0, 0, 0, crypt << 4 | skip, 1, scheme.iv_size])
    constant = bytes([len(scheme.iv)]) + scheme.iv if scheme.iv else b""
    return box(b"tenc", head, scheme.kid, constant)


def common_pssh(kid: bytes) -> bytes:
    """The W3C's common pssh box, version 1: the key id."""
    return box(b"pssh", b"\x01\0\0\0", COMMON_SYSTEM, struct.pack(">I", 1), kid, bytes(4))


def opened_init(init: bytes) -> bytes:
    """The init segment of the same samples in clear, of the same length: what told of encryption becomes free."""
    at = find(init, "/".join(PATH))[0] + 8
    kind = init[at + 4 : at + 8]
    head = 78 if kind == b"encv" else 28
    end = at + struct.unpack_from(">I", init, at)[0]
    frma, _ = find(init, "sinf/frma", at + 8 + head, end)
    made = bytearray(init)
    made[at + 4 : at + 8] = init[frma : frma + 4]
    sinf = find(init, "sinf", at + 8 + head, end)[0]
    made[sinf - 4 : sinf] = b"free"
    for name, start, _ in boxes(init, *find(init, "moov")):
        if name == b"pssh":
            made[start - 4 : start] = b"free"
    return bytes(made)
