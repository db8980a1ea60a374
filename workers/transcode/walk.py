"""What ffprobe lists of a file in one run: a line for each packet, then the container and its streams."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from workers.transcode import limits
from workers.transcode.damage import Span
from workers.transcode.media import MediaInfo
from workers.transcode.scan import Scan, Scanner

PACKET: Final = re.compile(
    rb'\s*\{ "stream_index": (\d+)(?:, "pts": (-?\d+))?(?:, "dts": (-?\d+))?(?:, "duration": (-?\d+))?'
    rb', "flags": "([^"]*)"'
)
"""What `-of json=c=1` writes of a packet on its line; a number that is not known is left out, side data follow on lines of their own."""


@dataclass(slots=True)
class Walk:
    """The packets as ffprobe lists them."""

    scanners: dict[int, Scanner] = field(default_factory=dict)
    starts: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)

    def packet(self, stream: int, shown: int | None, decoded: int | None, duration: int, flags: bytes) -> None:
        """One packet: stream, presentation and decoding time, duration (0: not known) in its ticks, ffprobe's flags."""
        time = decoded if shown is None else shown  # AVI has decoding times only
        if time is not None:
            self.starts[stream] = min(time, self.starts.get(stream, time))
            self.ends[stream] = max(time + duration, self.ends.get(stream, time))
        self.scanners.setdefault(stream, Scanner()).feed(time, duration, hidden=b"D" in flags)

    def length(self, info: MediaInfo) -> Fraction:
        """Seconds from the first packet to the end of the last; in Matroska, whose durations count so, from 0."""
        bases = info.time_bases
        ends = [time * bases[stream] for stream, time in self.ends.items() if stream in bases]
        starts = [time * bases[stream] for stream, time in self.starts.items() if stream in bases]
        first = min(starts, default=Fraction(0))
        if "matroska" in info.container:
            first = min(first, Fraction(0))
        return max(ends, default=Fraction(0)) - first

    def spans(self, info: MediaInfo) -> dict[int, Span]:
        """When the packets that are shown begin and end, of each stream."""
        found = {stream: scanner.result() for stream, scanner in self.scanners.items()}
        bases, sounds = info.time_bases, {track.index for track in info.audio}

        def end(stream: int, scan: Scan) -> int:
            # A short last packet of sound is what is left, not how a container counts.
            return self.ends[stream] if stream in sounds else scan.end

        return {
            stream: Span(scan.first * bases[stream], end(stream, scan) * bases[stream])
            for stream, scan in found.items()
            if scan is not None and stream in bases
        }

    def reach(self, info: MediaInfo, stream: int) -> str:
        """How far a stream comes, for a message."""
        span = self.spans(info).get(stream)
        return f"stream {stream} has no packet" if span is None else f"stream {stream} ends at {float(span.end):.2f} s"


@dataclass(slots=True)
class Listing:
    """Takes ffprobe's lines as they come: memory does not grow with the packets."""

    walk: Walk = field(default_factory=Walk)
    _rest: bytearray = field(default_factory=lambda: bytearray(b"{"))
    _packets: bool = True
    """Whether those are still listed: they come first."""

    def line(self, line: bytes) -> None:
        """One line of `ffprobe.scan`."""
        if not self._packets:
            self._rest += line[: limits.PROBE_OUTPUT - len(self._rest)]
        elif found := PACKET.match(line):
            stream, shown, decoded, duration, flags = found.groups()
            self.walk.packet(int(stream), _number(shown), _number(decoded), _number(duration) or 0, flags)
        else:
            self._packets = line.strip() != b"],"

    def header(self) -> dict[str, Any]:
        """The container, streams and chapters. Raises ValueError where ffprobe came to none."""
        found = json.loads(bytes(self._rest))
        if not isinstance(found, dict):
            raise ValueError("not an object")  # noqa: TRY004 - of a text, not of an argument
        return found


def lines(take: Callable[[bytes], Any], longest: int = 4096) -> Callable[[bytes], None]:
    """Cuts bytes as they come into lines; an endless one is cut off after so many bytes."""
    rest = b""

    def feed(data: bytes) -> None:
        nonlocal rest
        whole = (rest + data).split(b"\n")
        rest = whole.pop()[:longest]
        for line in whole:
            take(line)

    return feed


def _number(text: bytes | None) -> int | None:
    return None if text is None else int(text)
