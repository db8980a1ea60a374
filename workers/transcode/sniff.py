"""What the bytes of a file say before any demuxer sees it: which container it claims to be, and whether all of it is there.

Only lengths are read: the chain of boxes of an MP4, the Segment of a Matroska file, the RIFF of an AVI. So a file that
was cut is told from one that is damaged by a fact and not by FFmpeg's words.
"""

from typing import BinaryIO, Final

import msgspec

BOXES: Final = 100_000
"""Boxes at the top level that are walked; a fragmented file has two a fragment."""
KNOWN_BOXES: Final = frozenset(
    {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx", b"moof"}
)
EBML: Final = b"\x1a\x45\xdf\xa3"
SEGMENT: Final = b"\x18\x53\x80\x67"
TS_PACKET: Final = 188


class Sniff(msgspec.Struct, frozen=True):
    """What a file claims to be (None: no media container that is known) and how it is known to be cut, if it is."""

    container: str | None
    cut: str | None = None
    ragged: str | None = None
    """A sign of a cut that alone proves nothing: recorders end transport streams anywhere."""


def sniff(file: BinaryIO, size: int) -> Sniff:
    """Reads the lengths in a file that can seek."""
    file.seek(0)
    head = file.read(4096)
    if head[4:8] in KNOWN_BOXES:
        return Sniff("mp4", _boxes(file, size))
    if head.startswith(EBML):
        return Sniff("matroska", _matroska(head, size))
    if head.startswith(b"RIFF"):
        return Sniff("riff", _riff(head, size))
    if head.startswith(b"FLV\x01"):
        return Sniff("flv")
    if head[:1] == b"\x47" and head[TS_PACKET : TS_PACKET + 1] in {b"\x47", b""}:
        return Sniff("mpegts", ragged=_transport(size))
    audio = (b"ID3", b"fLaC", b"OggS", b"\xff\xfa", b"\xff\xfb", b"\xff\xf2", b"\xff\xf3", b"\xff\xf1", b"\xff\xf9")
    return Sniff("audio" if head.startswith(audio) else None)


def _boxes(file: BinaryIO, size: int) -> str | None:
    """ISO/IEC 14496-12 section 4.2: size, type, 64-bit size when the size is 1; 0 reaches to the end of the file."""
    offset, seen = 0, set[bytes]()
    for _ in range(BOXES):
        if offset >= size:
            break
        file.seek(offset)
        head = file.read(16)
        if len(head) < 8:
            return f"its last box breaks off at byte {offset}"
        seen.add(head[4:8])
        length = int.from_bytes(head[:4])
        if length == 1:
            length = int.from_bytes(head[8:16])
        elif length == 0:
            length = size - offset
        if length < 8:
            break
        if offset + length > size and head[4:8] not in KNOWN_BOXES:
            break  # what follows the last box is no box
        if offset + length > size:
            return (
                f"box {_word(head[4:8])} at byte {offset} has {length} bytes, but the file ends after {size - offset}"
            )
        offset += length
    return None if b"moov" in seen else "it has no index (moov)"


def _matroska(head: bytes, size: int) -> str | None:
    """RFC 8794 section 4: the Segment's length, unless it says unknown (all ones)."""
    at = head.find(SEGMENT)
    if at < 0:
        return None
    at += len(SEGMENT)
    width = 9 - head[at].bit_length() if at < len(head) and head[at] else 0
    if not width or at + width > len(head):
        return None
    length = int.from_bytes(head[at : at + width]) & ((1 << 7 * width) - 1)
    unknown = (1 << 7 * width) - 1
    end = at + width + length
    if length != unknown and end > size:
        return f"its Segment ends at byte {end}, but the file has {size}"
    return None


def _riff(head: bytes, size: int) -> str | None:
    end = int.from_bytes(head[4:8], "little") + 8
    return f"its RIFF list ends at byte {end}, but the file has {size}" if end > size else None


def _transport(size: int) -> str | None:
    return f"its last packet has {size % TS_PACKET} of {TS_PACKET} bytes" if size % TS_PACKET else None


def _word(name: bytes) -> str:
    return name.decode("ascii", "replace")
