"""A segment of an MPEG-2 transport stream: programs, times, pictures, continuity counters (ISO/IEC 13818-1). Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from workers.verify.boxes import DamagedSegmentError
from workers.verify.fragment import Fragment
from workers.verify.frames import adts, reader
from workers.verify.init import Track
from workers.verify.sps import avc_size

PACKET: Final = 188
SYNC: Final = 0x47
CLOCK: Final = 90_000
WRAP: Final = 1 << 33
NULL: Final = 0x1FFF
VIDEO_TYPES: Final = {0x1B: "avc1", 0x24: "hvc1"}
AUDIO_TYPES: Final = {0x0F: "mp4a", 0x03: "mp4a.40.34", 0x04: "mp4a.40.34", 0x81: "ac-3", 0x87: "ec-3"}
GAPS: Final = 10
"""Gaps of counters that are told of one segment."""


class Transport(msgspec.Struct, frozen=True):
    """What a segment has: tracks by PID, a fragment of each, and where packets are lost."""

    tracks: tuple[Track, ...]
    fragments: tuple[Fragment, ...]
    gaps: tuple[str, ...]
    counters: tuple[tuple[int, int, int], ...] = ()
    """First and last continuity counter of each PID that has some."""


@dataclass(slots=True)
class _Stream:
    kind: int
    begin: int = 0
    """Byte its first packet begins at."""
    end: int = 0
    """Byte after the last packet of its first access unit."""
    pts: list[int] = field(default_factory=list)
    dts: list[int] = field(default_factory=list)
    first: bytearray = field(default_factory=bytearray)
    """The first access unit, or all of the sound."""


def parse(data: bytes, tables: bytes = b"") -> Transport:
    """A segment. `tables` has the packets of PAT and PMT of a range that is without. Raises DamagedSegmentError."""
    if len(data) < PACKET or len(data) % PACKET or data[0] != SYNC:
        raise DamagedSegmentError(
            f"{len(data)} bytes are no whole number of {PACKET}-byte packets that begin with 0x47"
        )
    try:
        return _Demuxer(tables).run(data)
    except IndexError as error:
        raise DamagedSegmentError("a packet or table breaks off") from error


class _Demuxer:
    def __init__(self, tables: bytes) -> None:
        self.program: int | None = None
        self.streams: dict[int, _Stream] = {}
        self.gaps: list[str] = []
        self.counters: dict[int, tuple[int, int]] = {}
        for at in range(0, len(tables) - PACKET + 1, PACKET):
            self._packet(tables, at)
        self.gaps, self.counters = [], {}
        self.streams = {pid: _Stream(stream.kind) for pid, stream in self.streams.items()}

    def run(self, data: bytes) -> Transport:
        for at in range(0, len(data), PACKET):
            if data[at] != SYNC:
                raise DamagedSegmentError(f"the packet at byte {at} does not begin with 0x47")
            self._packet(data, at)
        if self.program is None or not self.streams:
            raise DamagedSegmentError("no PAT and PMT with a stream of video or sound")
        made = [found for pid, stream in self.streams.items() if stream.pts for found in [_made(pid, stream)]]
        if not made:
            raise DamagedSegmentError("no packet with a time stamp")
        counters = tuple((pid, first, last) for pid, (first, last) in sorted(self.counters.items()))
        return Transport(tuple(track for track, _ in made), tuple(part for _, part in made), tuple(self.gaps), counters)

    def _packet(self, data: bytes, at: int) -> None:
        start, pid = bool(data[at + 1] & 0x40), (data[at + 1] & 0x1F) << 8 | data[at + 2]
        control, counter = data[at + 3] >> 4 & 3, data[at + 3] & 0xF
        body, jump = at + 4, False
        if control & 2:
            jump = data[body] > 0 and bool(data[body + 1] & 0x80)
            body += 1 + data[body]
        if pid == NULL or not control & 1:
            return
        self._count(pid, counter, at, jump=jump)
        payload = data[body : at + PACKET]
        if pid == 0 and start:
            self._pat(payload)
        elif pid == self.program and start:
            self._pmt(payload)
        elif pid in self.streams:
            _take(self.streams[pid], payload, at, start=start)

    def _count(self, pid: int, counter: int, at: int, *, jump: bool) -> None:
        """continuity_counter (section 2.4.3.3): one more each time; the same again is a repeated packet."""
        first, last = self.counters.get(pid, (counter, None))
        if last is not None and not jump and counter not in {last, last + 1 & 0xF} and len(self.gaps) < GAPS:
            self.gaps.append(f"the continuity counter of PID {pid} goes from {last} to {counter} at byte {at}")
        self.counters[pid] = first, counter

    def _pat(self, payload: bytes) -> None:
        section = payload[1 + payload[0] :]
        end = 3 + ((section[1] & 0xF) << 8 | section[2]) - 4
        for at in range(8, min(end, len(section) - 3), 4):
            if section[at] << 8 | section[at + 1]:  # 0 is the network's
                self.program = (section[at + 2] & 0x1F) << 8 | section[at + 3]
                return

    def _pmt(self, payload: bytes) -> None:
        section = payload[1 + payload[0] :]
        end = min(3 + ((section[1] & 0xF) << 8 | section[2]) - 4, len(section))
        at = 12 + ((section[10] & 0xF) << 8 | section[11])
        while at + 5 <= end:
            kind, pid = section[at], (section[at + 1] & 0x1F) << 8 | section[at + 2]
            if kind in VIDEO_TYPES or kind in AUDIO_TYPES:
                self.streams.setdefault(pid, _Stream(kind))
            at += 5 + ((section[at + 3] & 0xF) << 8 | section[at + 4])


def _take(stream: _Stream, payload: bytes, at: int, *, start: bool) -> None:
    if start:
        stream.begin = stream.begin if stream.pts else at
        if payload[:3] != b"\0\0\1":
            raise DamagedSegmentError("a PES packet does not begin with its start code")
        flags = payload[7] >> 6
        if flags & 2:
            pts = _stamp(payload, 9)
            stream.pts.append(pts)
            stream.dts.append(_stamp(payload, 14) if flags & 1 else pts)
        payload = payload[9 + payload[8] :]
    if len(stream.pts) == 1:
        stream.end = at + PACKET
    if stream.kind in AUDIO_TYPES or len(stream.pts) == 1:
        stream.first += payload


def _stamp(data: bytes, at: int) -> int:
    """33 bits of time with markers between (section 2.4.3.6)."""
    return (
        (data[at] >> 1 & 7) << 30 | data[at + 1] << 22 | data[at + 2] >> 1 << 15 | data[at + 3] << 7 | data[at + 4] >> 1
    )


def _made(pid: int, stream: _Stream) -> tuple[Track, Fragment]:
    begin, ends, at = stream.dts[0], stream.end, stream.begin
    if stream.kind in AUDIO_TYPES:
        frames, rate, channels, codec = _adts(stream)
        track = Track(CLOCK, codec, channels=channels, sample_rate=rate, id=pid, kind="audio")
        last = max((pts - begin) % WRAP for pts in stream.pts)
        lasts = round(frames * 1024 * CLOCK / rate) if rate else last
        count = frames or len(stream.pts)
        return track, Fragment(begin, count, lasts, 0, 0, key=True, track=pid, first_end=ends, moof=at)
    shown = sorted((pts - begin) % WRAP for pts in stream.pts)
    span, count = shown[-1] - shown[0], len(shown)
    lasts = span + (span // (count - 1) if count > 1 else 0)
    units = dict(_units(bytes(stream.first)))
    codec, size = VIDEO_TYPES[stream.kind], (0, 0)
    if stream.kind == 0x1B and (sps := units.get(7)):
        codec, size = f"avc1.{sps[1]:02x}{sps[2]:02x}{sps[3]:02x}", avc_size(sps)
    key = 5 in units if stream.kind == 0x1B else bool({19, 20} & {unit for unit, _ in _units(bytes(stream.first), 1)})
    track = Track(CLOCK, codec, *size, id=pid, kind="video")
    offset = (stream.pts[0] - begin) % WRAP
    return track, Fragment(begin, count, lasts, offset, 0, key, track=pid, first_end=ends, moof=at)


def _units(data: bytes, shift: int = 0) -> Iterator[tuple[int, bytes]]:
    """NAL units of an access unit by type (annex B of ITU-T H.264, H.265); the first of each wins where a dict is made."""
    at = data.find(b"\0\0\1")
    found: dict[int, bytes] = {}
    while 0 <= at < len(data) - 3:
        following = data.find(b"\0\0\1", at + 3)
        unit = data[at + 3 : following if following >= 0 else len(data)]
        if unit:
            found.setdefault(unit[0] >> 1 & 0x3F if shift else unit[0] & 0x1F, unit)
        at = following
    yield from found.items()


def _adts(stream: _Stream) -> tuple[int, int, int, str]:
    """Frames, sampling rate, channels and codec of AAC; of other sound its codec alone, and zeros."""
    if stream.kind != 0x0F:
        return 0, 0, 0, AUDIO_TYPES[stream.kind]
    data, at, count = bytes(stream.first), 0, 0
    rate, channels, codec = 0, 0, "mp4a.40.2"
    while at + 7 <= len(data) and reader(data[at : at + 2]) is adts:
        frame = adts(data, at)
        if frame.size < 7:
            break
        rate, channels, codec = frame.rate, frame.channels, frame.codec
        count, at = count + frame.samples // 1024, at + frame.size
    return count, rate, channels, codec
