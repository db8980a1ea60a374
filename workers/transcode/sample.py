"""Decodes what is stored, strictly, while encoding goes on: a sample of each rendition, or all, at the lowest priority."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Literal, Self

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.transcode.decode import Piece, decode, source_is
from workers.transcode.inputfile import InputFile
from workers.transcode.layout import MEDIA
from workers.transcode.rendition import Rendition, Title
from workers.transcode.shelf import Shelf
from workers.transcode.tasks import stop
from workers.verify.given import Planned, Sample, Source

LOOKS: Final = 32
"""Times the source is looked at because the output is black or silent."""
ENTRIES: Final = {"h264": "avc1", "hevc": "hvc1", "av1": "av01", "aac": "mp4a", "opus": "Opus"}
"""Sample entries: parameter sets are in the init segment only, as Apple's players want it (1.10)."""

Batch = Sequence[tuple[Rendition, int]]
Extent = Literal["Sample", "Full"]


def chosen(segments: int, version: str) -> int:
    """The segment of a rendition to decode: another one in each version.

    Not the last while there is another: it is stored when nothing else is left to do, and would be waited for.
    """
    return int(version, 16) % max(1, segments - 1)


def batches(title: Title, version: str, extent: Extent) -> list[Batch]:
    """What is decoded in one process each: a segment of all rungs, or of all tracks of sound."""
    seconds = title.plan.timeline.segment_duration
    counts = [(audio, audio.audio.segments(seconds)) for audio in title.audios if audio.audio]
    segments = title.plan.timeline.segments
    if extent == "Sample":
        video = [(one, chosen(segments, version)) for one in title.videos]
        return [batch for batch in (video, [(one, chosen(count, version)) for one, count in counts]) if batch]
    found: list[Batch] = [[(one, index) for one in title.videos] for index in range(segments)]
    longest = max((count for _, count in counts), default=0)
    return [*found, *([(one, index) for one, count in counts if index < count] for index in range(longest))]


@dataclass(slots=True)
class Sampler:
    """Decodes batches as soon as they are stored. What it finds is said by `finish`. Left, it stops what it began."""

    shelf: Shelf
    scratch: Path
    title: Title
    given: InputFile
    extent: Extent = "Sample"
    _waiting: dict[tuple[str, int], Batch] = field(init=False)
    """What is not begun yet, by each rendition's path and segment in it."""
    _begun: "list[asyncio.Task[list[Sample]]]" = field(default_factory=list)
    _one: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    def __post_init__(self) -> None:
        found = batches(self.title, self.shelf.layout.version, self.extent)
        self._waiting = {(one.path, index): batch for batch in found for one, index in batch}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await stop(self._begun)

    def stored(self, rendition: Rendition, index: int) -> None:
        """A segment was stored: the batch it is of is decoded when all of that is there."""
        batch = self._waiting.get((rendition.path, index), ())
        if batch and all(number in one.stored for one, number in batch):
            self._begin(batch)

    async def finish(self) -> tuple[tuple[Sample, ...], Source]:
        """Decodes what is left of the sample; what was seen, and what is known of the source."""
        while self._waiting:
            self._begin(next(iter(self._waiting.values())))
        found = [sample for samples in await asyncio.gather(*self._begun) for sample in samples]
        return tuple(found), await self._source(found)

    def _begin(self, batch: Batch) -> None:
        for one, index in batch:
            del self._waiting[one.path, index]
        self._begun.append(asyncio.create_task(self._decode(batch)))

    async def _decode(self, batch: Batch) -> list[Sample]:
        async with self._one:
            with TemporaryDirectory(prefix="sample-", dir=self.scratch) as directory:
                pieces = []
                gone = []
                for place, (rendition, index) in enumerate(batch):
                    path, sample = Path(directory) / f"{place}.media", self._expected(rendition, index)
                    try:
                        await self.shelf.fetch_segment(rendition, index, path)
                    except WorkError as error:
                        if error.reason is not Reason.INPUT_NOT_FOUND:
                            raise
                        gone.append(sample)  # the listing says so too
                        continue
                    rate = rendition.track.sample_rate if rendition.audio and rendition.track else 0
                    pieces.append(Piece(path, "0", rate, sample))
                return [*gone, *await decode(pieces, self.scratch)]

    def _expected(self, rendition: Rendition, index: int) -> Sample:
        name, segment, track = f"{rendition.path}/{rendition.file(index)}", rendition.stored.get(index), rendition.track
        uri = f"{self.shelf.layout.relative}/{name}"
        if segment is None or track is None:
            return Sample(rendition.path, uri, None)
        part, ticks = segment.fragment, track.timescale
        lasts = Fraction(part.duration, ticks)
        expected = round(lasts * track.sample_rate) if rendition.audio else part.samples
        start = Fraction(part.start + part.offset - track.edit, ticks)
        return Sample(rendition.path, uri, expected, start=start, duration=lasts)

    async def _source(self, samples: Sequence[Sample]) -> Source:
        """What the rules may hold the output against. The source itself is looked at only where the output is empty."""
        plan, line = self.title.plan, self.title.plan.timeline
        dark: dict[str, bool] = {}
        silent: dict[str, bool] = {}
        seen: dict[tuple[int, Fraction], bool | None] = {}
        tracks = {audio.path: audio.audio.index for audio in self.title.audios if audio.audio}
        for sample in samples:
            # What is normalised may be quieter than it was, by design.
            if not (sample.dark or (sample.silent and plan.loudness is None)):
                continue
            stream = tracks[sample.stream] if sample.silent else plan.picture.index
            where = (stream, sample.start)
            if where not in seen and len(seen) < LOOKS:
                span, rate = (plan.origin + sample.start, sample.duration), 48_000 if sample.silent else 0
                source = self.given.source
                seen[where] = await source_is(source, self.given.fd, stream, rate, span, self.scratch)
            found = seen.get(where)
            if found is not None:
                (silent if sample.silent else dark)[sample.uri] = found
        return Source(line.duration, 1 / line.rate, dict(self._planned()), dark, silent)

    def _planned(self) -> Iterator[tuple[str, Planned]]:
        root = self.shelf.layout.relative
        for video in self.title.videos:
            frames = self.title.timeline_of(video).frames
            if video.rung:
                planned = Planned(frames, ENTRIES[video.rung.codec], video.rung.width, video.rung.height)
                yield f"{root}/{video.path}/{MEDIA}", planned
        for audio in self.title.audios:
            if audio.audio:
                planned = Planned(audio.audio.packets, ENTRIES[audio.audio.codec], channels=audio.audio.channels)
                yield f"{root}/{audio.path}/{MEDIA}", planned
