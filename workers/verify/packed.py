"""A segment of packed audio: frames of AAC, MP3, AC-3 or Enhanced AC-3 behind an ID3 tag (RFC 8216 section 3.4). Pure."""

from typing import Final

import msgspec

from workers.verify.boxes import DamagedSegmentError
from workers.verify.fragment import Fragment
from workers.verify.frames import Frame, frames, reader
from workers.verify.init import Track
from workers.verify.ts import CLOCK

OWNER: Final = b"com.apple.streaming.transportStreamTimestamp\0"
"""Of the PRIV frame that says when the segment starts: 8 bytes, of which 33 bits count, in 1/90000 s."""


class Packed(msgspec.Struct, frozen=True):
    """What a segment has; `timed`: whether its tag says when it starts. One that does not starts at 0 here."""

    track: Track
    fragment: Fragment
    timed: bool


def looks(head: bytes) -> bool:
    """Whether bytes begin as packed audio does: with an ID3 tag, or a frame that may stand in such a segment."""
    return head[:3] == b"ID3" or reader(head) is not None


def parse(data: bytes) -> Packed:
    """A whole segment. Raises DamagedSegmentError for one that breaks off or has other bytes between its frames."""
    try:
        start, at = _tags(data)
        return _packed(start, list(frames(data, at)))
    except IndexError as error:
        raise DamagedSegmentError("its last frame breaks off") from error


def _packed(start: int | None, found: list[Frame]) -> Packed:
    if not found:
        raise DamagedSegmentError("it has no frame of sound")
    first, samples = found[0], sum(frame.samples for frame in found)
    track = Track(CLOCK, first.codec, channels=first.channels, sample_rate=first.rate, kind="audio")
    lasts = round(samples * CLOCK / first.rate)
    return Packed(track, Fragment(start or 0, len(found), lasts, 0, 0, key=True), start is not None)


def _tags(data: bytes) -> tuple[int | None, int]:
    """The time in the ID3 tags that a segment begins with, None where none says it; and the byte after them."""
    start, at = None, 0
    while data[at : at + 3] == b"ID3":
        end = at + 10 + _seven(data, at + 6)
        found = data.find(OWNER, at, end)
        if found >= 0 and found + len(OWNER) + 8 <= end:
            start = int.from_bytes(data[found + len(OWNER) :][:8]) & (1 << 33) - 1
        at = end
    return start, at


def _seven(data: bytes, at: int) -> int:
    """A number of 28 bits, seven in each byte (ID3v2.4 section 6.2)."""
    return data[at] << 21 | data[at + 1] << 14 | data[at + 2] << 7 | data[at + 3]
