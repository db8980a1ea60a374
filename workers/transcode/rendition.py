"""A rendition as it is stored: its track and segments, as read back from the store. Values, and what follows from them."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from narwhal_operator.contract.transcode import LoudnessPlan
from workers.transcode.extras import Extras
from workers.transcode.layout import segment_name, transport_name
from workers.transcode.plan import AUDIO_RATE, AudioTrack, Plan, Rung
from workers.transcode.rates import Timeline
from workers.verify.fragment import Fragment
from workers.verify.init import Track

if TYPE_CHECKING:  # few titles are encrypted or transport streams
    from workers.transcode.crypt import Seal
    from workers.transcode.transport import Ticks


class Stored(msgspec.Struct, frozen=True):
    """A segment in the store."""

    index: int
    size: int
    etag: str
    fragment: Fragment
    media: int
    """Bytes of its media: of an encrypted one before its encryption."""


@dataclass(slots=True)
class Rendition:
    """One rendition: a rung of video or a track of audio."""

    name: str
    path: str
    """Below the version's prefix: 720p, audio/en."""
    rung: Rung | None = None
    audio: AudioTrack | None = None
    loudness: LoudnessPlan | None = None
    quality: float | None = None
    """Of a rung, where it is measured."""
    init: bytes | None = None
    """The init segment; of transport streams that of what is encoded here, which is not stored."""
    track: Track | None = None
    stored: dict[int, Stored] = field(default_factory=dict)
    transport: "Ticks | None" = None
    """Where its segments are transport streams: its time, which those have rounded. None: they are fragmented MP4."""

    def file(self, index: int) -> str:
        """Name of a segment."""
        return transport_name(index) if self.transport else segment_name(index)

    @property
    def segments(self) -> list[Stored]:
        """The segments by number."""
        return [self.stored[index] for index in sorted(self.stored)]

    def contiguous(self) -> int:
        """Segments from the first on without a hole, each where the one before it ends."""
        ticks = 0
        for index in range(len(self.stored)):
            segment = self.stored.get(index)
            if segment is None or segment.fragment.start != ticks:
                return index
            ticks += segment.fragment.duration
        return len(self.stored)

    def samples(self) -> int:
        """Samples of all segments: frames of video, packets of audio."""
        return sum(segment.fragment.samples for segment in self.stored.values())

    def seconds(self, segment: Stored) -> Fraction:
        """Duration of a segment."""
        return Fraction(segment.fragment.duration, self.track.timescale if self.track else 1)

    def duration(self) -> Fraction:
        """Duration of all segments."""
        return sum((self.seconds(segment) for segment in self.stored.values()), Fraction(0))


class Title(msgspec.Struct, frozen=True):
    """What is made of an input: the plan and its renditions."""

    plan: Plan
    videos: tuple[Rendition, ...]
    audios: tuple[Rendition, ...]
    extras: Extras = msgspec.field(default_factory=Extras)
    seal: "Seal | None" = None

    @property
    def renditions(self) -> tuple[Rendition, ...]:
        """All of them, video first."""
        return (*self.videos, *self.audios)

    def timeline_of(self, rendition: Rendition) -> Timeline:
        """The time of a rendition's frames."""
        return self.plan.timeline_of(rendition.rung) if rendition.rung else self.plan.timeline

    @property
    def transport(self) -> bool:
        """Whether its segments are transport streams."""
        return any(rendition.transport for rendition in self.renditions)

    @property
    def target(self) -> int:
        """EXT-X-TARGETDURATION of all playlists: the longest segment, rounded (RFC 8216 sections 4.3.3.1 and 6.2.4)."""
        longest = max(rendition.seconds(segment) for rendition in self.renditions for segment in rendition.segments)
        return max(1, int(longest + Fraction(1, 2)))


def title(plan: Plan, seal: "Seal | None" = None, *, transport: bool = False) -> Title:
    """The renditions of a plan, nothing of them stored yet."""
    videos = [Rendition(rung.name, rung.name, rung=rung) for rung in plan.rungs]
    audios = [Rendition(track.name, f"audio/{track.name}", audio=track) for track in plan.audio]
    for one in (*videos, *audios) if transport else ():
        one.transport = _ticks(plan, one)
    return Title(plan, tuple(videos), tuple(audios), seal=seal)


def _ticks(plan: Plan, one: Rendition) -> "Ticks":
    from workers.transcode.transport import Ticks

    if one.audio:
        return Ticks(AUDIO_RATE, one.audio.frame)
    line = plan.timeline_of(one.rung) if one.rung else plan.timeline
    return Ticks(line.timescale, line.frame_ticks)


def peak_bandwidth(rendition: Rendition, target: int) -> int:
    """The peak segment bit rate: the largest of any run of segments that lasts 0.5 to 1.5 target durations.

    RFC 8216 section 4.1. In bits per second, rounded up; of a rendition shorter than that the rate of the whole.
    """
    segments = rendition.segments
    peak = Fraction(0)
    for first in range(len(segments)):
        bits, seconds = 0, Fraction(0)
        for segment in segments[first:]:
            bits += 8 * segment.size
            seconds += rendition.seconds(segment)
            if seconds > Fraction(3, 2) * target:
                break
            if seconds >= Fraction(1, 2) * target:
                peak = max(peak, bits / seconds)
    return -int(-(peak or _average(rendition)) // 1)


def average_bandwidth(rendition: Rendition) -> int:
    """Bits per second over the whole, rounded up (RFC 8216 section 4.1)."""
    return -int(-_average(rendition) // 1)


def _average(rendition: Rendition) -> Fraction:
    bits = 8 * sum(segment.size for segment in rendition.stored.values())
    return Fraction(bits) / rendition.duration() if rendition.stored else Fraction(0)
