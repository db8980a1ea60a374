"""Decodes a sample of what is stored, strictly, while encoding goes on: at the lowest priority, a process for all rungs."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Self

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.files import scratch_errors
from workers.transcode import command, runner
from workers.transcode.layout import segment_name
from workers.transcode.rendition import Rendition, Stored, Title
from workers.transcode.shelf import Shelf
from workers.transcode.tasks import stop

PIECE: Final = 4 * 1024 * 1024
"""Bytes of a segment that are in memory at once while it is fetched."""
LINES: Final = 1_000_000
"""Bytes of FFmpeg's list of frames that are read: 600 frames of 13 streams take a tenth."""

Batch = Sequence[tuple[Rendition, int]]


def chosen(segments: int, version: str) -> int:
    """The segment of a rendition to decode: another one in each version.

    Not the last while there is another: it is stored when nothing else is left to do, and would be waited for.
    """
    return int(version, 16) % max(1, segments - 1)


@dataclass(slots=True)
class Sampler:
    """Decodes one segment of each rendition: that of all rungs in one process as soon as they are stored, and the sound.

    What it finds is said by `finish`. Left, it stops what it began.
    """

    shelf: Shelf
    scratch: Path
    title: Title
    _batches: dict[str, Batch] = field(init=False)
    _begun: dict[str, "asyncio.Task[list[str]]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        version, line = self.shelf.layout.version, self.title.plan.timeline
        seconds = line.segment_duration
        self._batches = {
            "video": [(video, chosen(line.segments, version)) for video in self.title.videos],
            "audio": [
                (audio, chosen(audio.audio.segments(seconds), version)) for audio in self.title.audios if audio.audio
            ],
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await stop(self._begun.values())

    def stored(self) -> None:
        """Something was stored: what of the sample is now there is decoded."""
        for name, batch in self._batches.items():
            if name not in self._begun and all(index in rendition.stored for rendition, index in batch):
                self._begun[name] = asyncio.create_task(self._decode(batch))

    async def finish(self) -> list[str]:
        """Decodes what is left of the sample; all findings."""
        for name, batch in self._batches.items():
            if name not in self._begun:
                self._begun[name] = asyncio.create_task(self._decode(batch))
        found = await asyncio.gather(*self._begun.values())
        return [finding for findings in found for finding in findings]

    async def _decode(self, batch: Batch) -> list[str]:
        """Decodes a batch in one process; when it fails, each alone, to know which it is."""
        if not batch:
            return []
        found = await self._together(batch)
        if found and len(batch) > 1:
            apart = [await self._together([one]) for one in batch]
            return [finding for findings in apart for finding in findings] or found
        return found

    async def _together(self, batch: Batch) -> list[str]:
        try:
            with TemporaryDirectory(prefix="sample-", dir=self.scratch) as directory:
                paths = [Path(directory) / f"{place}.mp4" for place in range(len(batch))]
                for (rendition, index), path in zip(batch, paths, strict=True):
                    await self.shelf.call(self._fetch, rendition, rendition.stored.get(index), path)
                return await self._count(batch, paths)
        except WorkError as error:
            if error.reason is not Reason.INPUT_NOT_FOUND:
                raise
            return [f"{_names(batch)}: {error.message}"]

    async def _count(self, batch: Batch, paths: Sequence[Path]) -> list[str]:
        lines = bytearray()

        def take(data: bytes) -> None:
            lines.extend(data[: LINES - len(lines)])

        sources = [command.Source(str(path)) for path in paths]
        ended = await runner.run(lambda fd: command.count(sources, fd), on_output=take)
        if ended.code != 0:
            return [f"{_names(batch)}: {ended.tail[-400:].strip() or f'exit code {ended.code}'}"]
        counts = Counter(int(line.split(b",")[0]) for line in lines.splitlines() if line[:1].isdigit())
        expected = [_samples(rendition, index) for rendition, index in batch]
        return [
            f"{_names([one])}: {counts[place]} frames decode of {frames}"
            for place, (one, frames) in enumerate(zip(batch, expected, strict=True))
            if counts[place] != frames
        ]

    def _fetch(self, rendition: Rendition, segment: Stored | None, path: Path) -> None:
        with scratch_errors(path), path.open("wb") as out:
            out.write(rendition.init or b"")
            start = 0
            while segment is not None and start < segment.size:
                key = self.shelf.key(rendition, segment_name(segment.index))
                piece = self.shelf.store.read(self.shelf.bucket, key, start, min(PIECE, segment.size - start))
                if not piece:
                    break  # shorter than it was; its listing says so too
                out.write(piece)
                start += len(piece)


def _samples(rendition: Rendition, index: int) -> int:
    segment = rendition.stored.get(index)
    return segment.fragment.samples if segment else 0


def _names(batch: Batch) -> str:
    return ", ".join(f"{rendition.path}/{segment_name(index)}" for rendition, index in batch)
