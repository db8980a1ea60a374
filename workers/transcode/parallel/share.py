"""What of a title one pod makes, and how a title is divided among pods. Pure."""

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final

import msgspec

from narwhal_operator.contract.transcode import TranscodeProgress
from workers.transcode.command.common import Range
from workers.transcode.command.encoders import WORK
from workers.transcode.command.video import first_segment
from workers.transcode.plan import Plan, Rung
from workers.transcode.progress import Meter
from workers.transcode.rates import Timeline
from workers.transcode.rendition import Rendition, Title

PIXELS_PER_CPU_SECOND: Final = 60_000_000
"""Pixels of H.264 that one CPU encodes in a second, all of a ladder counted; bench/transcode.py has more exact figures. An
estimate: a range that is half or twice as long as it was thought is as good."""
NEAR: Final = 4
"""Segments that are rather encoded again than in a process of their own: the decoder of each begins before its range."""
RANGES_PER_POD: Final = 3
"""Ranges are divided finer than there are pods, so that a slow node holds up less of the end."""


class Share(msgspec.Struct, frozen=True):
    """Parts of the video, and whether the sound is made too."""

    video: tuple[Range, ...]
    sound: bool

    @classmethod
    def whole(cls, segments: int) -> "Share":
        """All of a title."""
        return cls((Range(0, segments),), sound=True)

    def totals(self, title: Title) -> dict[str, int]:
        """Segments of each rendition in it: rungs by name, audio by path."""
        count = sum(part.stop - part.start for part in self.video)
        totals = {video.name: count for video in title.videos} if count else {}
        seconds = title.plan.timeline.segment_duration
        sounds = [audio for audio in title.audios if self.sound]
        return totals | {one.path: one.audio.segments(seconds) for one in sounds if one.audio}

    def count(self, rendition: Rendition) -> int:
        """Segments of a rendition in it that are stored."""
        if rendition.audio:
            return len(rendition.stored) if self.sound else 0
        return sum(1 for index in rendition.stored if any(part.start <= index < part.stop for part in self.video))


ALL: Final = Share((Range(0, 2**31),), sound=True)
"""Whatever a title has."""


def progress_of(title: Title) -> TranscodeProgress:
    """How far a title is, by what is stored of it."""
    line, whole = title.plan.timeline, Share.whole(title.plan.timeline.segments)
    left = sum(line.frames_of(index) for index in missing(title, whole.video[0]))
    meter = Meter(whole.totals(title), line.frames, float(line.rate), line.frames - left, 0)
    for one in title.renditions:
        meter.stored(one.name if one.rung else one.path, len(one.stored))
    return meter.progress()


def frames_of(line: Timeline, part: Range) -> int:
    """Frames of a range."""
    return max(0, min(part.stop * line.gop, line.frames) - part.start * line.gop)


def missing(title: Title, part: Range) -> list[int]:
    """Segments of a range that at least one rung lacks."""
    return [index for index in range(part.start, part.stop) if any(index not in one.stored for one in title.videos)]


class Gap(msgspec.Struct, frozen=True):
    """A run of missing segments, as one process can encode it, and the rungs that lack them."""

    part: Range
    rungs: frozenset[str]


def gaps(title: Title, part: Range) -> list[Gap]:
    """The runs of missing segments of a range; next to each other where they lack different rungs."""
    found: list[Gap] = []
    for index in missing(title, part):
        one = Gap(Range(index, index + 1), frozenset(video.name for video in title.videos if index not in video.stored))
        joined = _joined(found[-1], one, same=True) if found else None
        found = [*found[:-1], joined] if joined else [*found, one]
    near: list[Gap] = []
    for gap in found:
        joined = _joined(near[-1], gap, same=False) if near else None
        near = [*near[:-1], joined] if joined else [*near, gap]
    return [Gap(Range(max(0, first_segment(title.plan, gap.part.start)), gap.part.stop), gap.rungs) for gap in near]


def _joined(one: Gap, after: Gap, *, same: bool) -> Gap | None:
    """Both as one, where they meet and that costs no more than it saves; none where it must be for the same rungs."""
    rungs = one.rungs | after.rungs
    again = sum(length(gap.part) * len(rungs - gap.rungs) for gap in (one, after))
    if one.part.stop != after.part.start or again > (0 if same else NEAR):
        return None
    return Gap(Range(one.part.start, after.part.stop), rungs)


def length(part: Range) -> int:
    """Segments of a range."""
    return part.stop - part.start


def runs(numbers: Iterable[int]) -> list[Range]:
    """Ascending numbers as ranges without a hole."""
    found: list[Range] = []
    for number in numbers:
        if found and found[-1].stop == number:
            found[-1] = Range(found[-1].start, number + 1)
        else:
            found.append(Range(number, number + 1))
    return found


def seconds(title: Title, numbers: Sequence[int], cpus: float) -> float:
    """Estimated seconds that one pod takes to encode what is missing of these segments."""
    line = title.plan.timeline
    pixels = sum(
        _cost(video.rung) * sum(line.frames_of(index) for index in numbers if index not in video.stored)
        for video in title.videos
        if video.rung
    )
    return pixels / PIXELS_PER_CPU_SECOND / max(cpus, 0.1)


def _cost(rung: Rung) -> float:
    """Pixels of a frame of the timeline, as H.264 would have them."""
    return rung.width * rung.height * WORK[rung.codec] / (2 if rung.halved else 1)


def divide(title: Title, pods: int, cpus: float, least: float) -> list[tuple[Range, ...]]:
    """What is missing of the video in parts of about the same length, the longest first; one part where more do not pay.

    `least` is the least estimated seconds of a part.
    """
    plan, line = title.plan, title.plan.timeline
    lacking = missing(title, Range(0, line.segments))
    work = seconds(title, lacking, cpus)
    # Without an index a range is decoded from the title's start: that work would grow with their number.
    most = RANGES_PER_POD * pods if plan.seekable and pods > 1 else 1
    count = max(1, min(most, len(lacking), int(work / least)))
    parts = [tuple(runs(part)) for part in _pieces(plan, lacking, count)]
    return sorted(parts, key=_length, reverse=True)


def _pieces(plan: Plan, numbers: Sequence[int], count: int) -> list[Sequence[int]]:
    borders = {math.ceil(Fraction(len(numbers) * piece, count)) for piece in range(1, count)}
    # A last segment too short to be encoded alone stays with the one before it.
    cuts = [border for border in sorted(borders) if first_segment(plan, numbers[border]) == numbers[border]]
    edges = [0, *cuts, len(numbers)]
    return [numbers[start:stop] for start, stop in pairwise(edges)]


def _length(part: Sequence[Range]) -> int:
    return sum(length(one) for one in part)
