"""FFmpeg's `-progress` lines, and what they add up to: percent that never goes back, speed, time that remains."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from narwhal_operator.contract.transcode import RungProgress, TranscodeProgress

LINE_LIMIT: Final = 4096
ENCODE_SHARE: Final = 95
"""Percent of the whole that encoding is; the rest is verification and publishing."""
SETTLED_SECONDS: Final = 1.0
"""A speed is told once this much has been seen."""


class Block(msgspec.Struct, frozen=True):
    """One report of FFmpeg."""

    frame: int
    out_time_us: int
    ended: bool


class Parser:
    """Takes bytes as they come, gives whole reports. What it cannot read it leaves out: `N/A` is usual at the start."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, str] = {}

    def feed(self, data: bytes) -> Iterable[Block]:
        """The reports that are whole with these bytes."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()[-LINE_LIMIT:]
        for line in lines:
            key, _, value = line.decode("utf-8", "replace").partition("=")
            if key.strip() == "progress":
                yield Block(self._number("frame"), self._number("out_time_us"), value.strip() == "end")
                self._fields.clear()
            elif len(self._fields) < 256:
                self._fields[key.strip()] = value.strip()

    def _number(self, name: str) -> int:
        text = self._fields.get(name, "")
        return max(0, int(text)) if text.removeprefix("-").isdecimal() else 0


@dataclass(slots=True)
class Meter:
    """How far an encode is. Times are seconds of any steady clock, given by the caller."""

    rungs: Mapping[str, int]
    """Segments of each rendition."""
    frames: int
    rate: float
    before: int
    """Frames that were stored before this run."""
    started: float
    _frame: int = 0
    _earlier: int = 0
    _seen: float | None = None
    _percent: int = 0
    _done: dict[str, int] = field(default_factory=dict)

    def stored(self, rung: str, count: int) -> None:
        """So many segments of a rendition are stored."""
        self._done[rung] = count

    def encoded(self, frame: int, now: float) -> None:
        """FFmpeg has encoded so many frames in this run."""
        self._frame, self._seen = max(self._frame, frame), now

    def another(self) -> None:
        """The next process begins, and counts from 0."""
        self._earlier, self._frame = self._earlier + self._frame, 0

    def reach(self, percent: int) -> None:
        """The whole is at least this far."""
        self._percent = max(self._percent, min(100, percent))

    def progress(self) -> TranscodeProgress:
        """The figures now."""
        done = min(self.frames, self.before + self._earlier + self._frame)
        self.reach(ENCODE_SHARE * done // max(1, self.frames))
        speed = self._speed()
        left = (self.frames - done) / self.rate
        return TranscodeProgress(
            percent=self._percent,
            segments_done=sum(self._done.values()),
            segments_total=sum(self.rungs.values()),
            rungs=[self._rung(name, total) for name, total in self.rungs.items()][:13],
            speed=None if speed is None else round(speed, 2),
            eta_seconds=None if not speed else round(left / speed),
        )

    def _rung(self, name: str, total: int) -> RungProgress:
        done = min(total, self._done.get(name, 0))
        return RungProgress(name=name, percent=100 * done // max(1, total), segments_done=done)

    def _speed(self) -> float | None:
        if self._seen is None or self._seen - self.started < SETTLED_SECONDS:
            return None
        return (self._earlier + self._frame) / self.rate / (self._seen - self.started)
