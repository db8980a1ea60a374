"""Packets of a transport stream: tables, and PES packets cut into pieces (ISO/IEC 13818-1 sections 2.4.3 and 2.4.4). Pure."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from workers.verify.ts import PACKET, SYNC

ROOM: Final = PACKET - 4
"""Bytes of a packet after its header."""
COUNTERS: Final = 16
"""Values of a continuity counter."""
PROGRAM: Final = 0x1000
"""PID of the PMT."""
LEAST: Final = 20
"""Bytes that the first packet of a PES packet has at least: its header is in one piece."""
_POLYNOMIAL: Final = 0x04C11DB7


def tables(pid: int, kind: int, index: int) -> bytes:
    """PAT and PMT of the segment of this number: one each, their counters go on from the segment before."""
    counter = index % COUNTERS
    return b"".join(_table(where, section, counter) for where, section in _sections(pid, kind))


@cache
def _sections(pid: int, kind: int) -> tuple[tuple[int, bytes], ...]:
    """PID and section of both (sections 2.4.4.3 and 2.4.4.8): program 1, of one stream, which has the clock."""
    pat = b"\0\xb0\x0d\0\x01\xc1\0\0\0\x01" + (0xE000 | PROGRAM).to_bytes(2)
    where = (0xE000 | pid).to_bytes(2)
    pmt = b"\x02\xb0\x12\0\x01\xc1\0\0" + where + b"\xf0\0" + bytes([kind]) + where + b"\xf0\0"
    return tuple((place, section + checksum(section)) for place, section in ((0, pat), (PROGRAM, pmt)))


def checksum(data: bytes) -> bytes:
    """CRC_32 (annex A)."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (_POLYNOMIAL if value >> 31 else 0)) & 0xFFFFFFFF
    return value.to_bytes(4)


def _table(pid: int, section: bytes, counter: int) -> bytes:
    packet = bytes([SYNC, 0x40 | pid >> 8, pid & 0xFF, 0x10 | counter, 0]) + section
    return packet.ljust(PACKET, b"\xff")


def least(length: int, field: int) -> int:
    """Packets that so many bytes take when the first has an adaptation field of so many."""
    return 1 + max(0, -(-(length - (ROOM - field)) // ROOM))


def most(length: int) -> int:
    """Packets that so many bytes can fill: all but the first with one byte."""
    return max(1, length - LEAST + 1)


def filled(counts: Sequence[int], limits: Sequence[int]) -> list[int]:
    """As many packets of each as make the sum a multiple of 16, the last ones more than they need.

    So each segment begins with the counter that follows the last one's, whoever made that. Where all together cannot be so
    many the sum stays less: a segment of so few bytes is a title's last.
    """
    found, lacking = list(counts), -sum(counts) % COUNTERS
    for place in reversed(range(len(found))):
        more = min(lacking, max(0, limits[place] - found[place]))
        found[place], lacking = found[place] + more, lacking - more
    return found


def cut(pid: int, data: bytes, field: bytes, count: int, counter: int) -> Iterator[bytes]:
    """A PES packet in so many packets; the first has the adaptation field."""
    at, whole = 0, (pid >> 8).to_bytes() + (pid & 0xFF).to_bytes()
    heads = [bytes([SYNC]) + whole + bytes([0x10 | number]) for number in range(COUNTERS)]
    for number in range(count):
        size = min(ROOM - (len(field) if number == 0 else 0), len(data) - at - (count - number - 1))
        piece = data[at : at + size]
        if size == ROOM and number:
            yield heads[(counter + number) % COUNTERS]
        else:
            head = bytes([SYNC, (0x40 if number == 0 else 0) | pid >> 8, pid & 0xFF])
            inner = field if number == 0 else b""
            yield head + _padded(inner, ROOM - size, (counter + number) % COUNTERS)
        yield piece
        at += size


def _padded(field: bytes, room: int, counter: int) -> bytes:
    """The fourth byte of a packet and an adaptation field that fills so much; `field` begins with its length."""
    if room == 0:
        return bytes([0x10 | counter])
    content = field[1:] or (b"\0" if room > 1 else b"")
    return bytes([0x30 | counter, room - 1]) + content.ljust(room - 1, b"\xff")
