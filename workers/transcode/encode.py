"""Encodes what is not stored yet: each run of missing segments of the video in a process, the audio whole in another."""

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import TranscodeProgress
from workers.common.log import log
from workers.transcode import command, limits, runner
from workers.transcode.diagnose import damaged, failure
from workers.transcode.inputfile import InputFile
from workers.transcode.layout import INIT, segment_name
from workers.transcode.measure import measure
from workers.transcode.parallel.share import ALL, Gap, Share, frames_of, gaps
from workers.transcode.plan import Plan
from workers.transcode.progress import Block, Meter
from workers.transcode.rendition import Rendition, Title
from workers.transcode.shelf import Shelf
from workers.transcode.tasks import together
from workers.transcode.upload import Uploads
from workers.verify.boxes import DamagedSegmentError, with_edit, without_pre_skip

POLL_SECONDS: Final = 0.2


class Place(msgspec.Struct, frozen=True):
    """Where FFmpeg works: a directory that is its own, threads, and bytes of segments that may wait there for the store."""

    scratch: Path
    threads: int
    waiting: int = limits.WAITING_BYTES


@dataclass(slots=True)
class Encoder:
    """One encode of one title into one version."""

    title: Title
    given: InputFile
    shelf: Shelf
    place: Place
    tell: Callable[[TranscodeProgress], None]
    on_stored: Callable[[Rendition, int], None]
    share: Share | None = None
    """What of the title is to be made here; None: all."""
    _meter: Meter | None = None
    _uploads: Uploads = field(init=False)

    async def run(self) -> None:
        """Encodes and stores all that is missing. Raises WorkError; cancelled, it leaves what is stored."""
        line = self.title.plan.timeline
        share = self.share or Share.whole(line.segments)
        todo = [run for part in share.video for run in gaps(self.title, part)]
        self._uploads = Uploads(self.shelf, self._uploaded, self.place.scratch, self.place.waiting)
        frames, left = (
            sum(frames_of(line, part) for part in parts) for parts in (share.video, [gap.part for gap in todo])
        )
        totals = share.totals(self.title)
        before = frames - left if self.title.videos else 0
        self._meter = Meter(totals, frames, float(line.rate), before, time.monotonic())
        for rendition in self.title.renditions:
            self._stored(rendition)
        await together(self._uploads.run(), self._produce(todo, sound=share.sound))
        self._check(share)

    async def _produce(self, todo: Sequence[Gap], *, sound: bool) -> None:
        await together(*([self._audios()] if sound else []), self._videos(todo))
        self._uploads.close()

    async def _videos(self, todo: Sequence[Gap]) -> None:
        for gap in todo:
            await self._video(gap)
            if self._meter:
                self._meter.another()

    async def _video(self, gap: Gap) -> None:
        ended = await self._range(self.title.plan, gap)
        # By itself: one that is killed, for memory, would be killed again, hours later.
        failed = ended.code > 0 or ended.stalled
        if failed and self.title.plan.seekable and (gap.part.start > 0 or self.title.plan.skipped > 0):
            # A seek is a saving. What fails behind one may decode well from the start (an open GOP, a poor index).
            ended = await self._range(replace(self.title.plan, seekable=False), gap)
        if ended.code != 0:
            raise await failure(ended, self.given, [self.title.plan.picture.index], self.place.scratch)

    async def _range(self, plan: Plan, gap: Gap) -> runner.Ended:
        part = gap.part
        # A folder of its own: what an earlier process made may wait for the store.
        folder = self.place.scratch / "video" / f"{part.start}{'' if plan.seekable else '-decoded'}"
        first = {video.name: (video, part.start) for video in self.title.videos if video.name in gap.rungs}

        def argv(fd: int) -> Sequence[str]:
            return command.encode_video(plan, part, self._job(folder, fd), gap.rungs)

        # FFmpeg counts the frames of its first output.
        halved = next(rung.halved for rung in plan.rungs if rung.name in gap.rungs)
        return await self._run(argv, folder, first, partial(self._frames, 2 if halved else 1))

    async def _audios(self) -> None:
        await measure(self.title.plan, self.title.audios, self.given, self.shelf, self.place.scratch)
        missing = [audio for audio in self.title.audios if not _whole(audio)]
        if missing:
            await self._audio(missing)

    async def _audio(self, audios: Sequence[Rendition]) -> None:
        tracks = {audio.name: (audio, audio.audio) for audio in audios if audio.audio}
        for audio in audios:
            audio.stored.clear()  # whole or not at all: packets of two runs do not join
        folder = self.place.scratch / "audio"
        gains = {audio.name: audio.loudness for audio in audios if audio.loudness}

        def argv(fd: int) -> Sequence[str]:
            wanted = [track for _, track in tracks.values()]
            return command.encode_audio(self.title.plan, wanted, self._job(folder, fd), gains)

        heard = None if self.title.videos else self._packets
        ended = await self._run(argv, folder, {name: (audio, 0) for name, (audio, _) in tracks.items()}, heard)
        if ended.code != 0:
            streams = sorted({track.index for _, track in tracks.values()})
            raise await failure(ended, self.given, streams, self.place.scratch)

    def _job(self, folder: Path, fd: int) -> command.Job:
        return command.Job(self.given.source, str(folder), fd, self.place.threads)

    async def _run(
        self,
        argv: Callable[[int], Sequence[str]],
        folder: Path,
        first: dict[str, tuple[Rendition, int]],
        on_progress: Callable[[Block], None] | None,
    ) -> runner.Ended:
        """Runs FFmpeg and hands its segments on as they appear."""
        log("info", "encoding", argv=list(argv(-1)))
        shutil.rmtree(folder, ignore_errors=True)
        for name in first:
            (folder / name).mkdir(parents=True)
        program = runner.Program()
        done = asyncio.Event()
        result: list[runner.Ended] = []

        async def encode() -> None:
            try:
                result.append(await runner.run(argv, fds=[self.given.fd], program=program, on_progress=on_progress))
            finally:
                done.set()

        await together(encode(), self._collect(folder, first, program, done))
        return result[0]

    async def _collect(
        self, folder: Path, first: dict[str, tuple[Rendition, int]], program: runner.Program, done: asyncio.Event
    ) -> None:
        following = {name: start for name, (_, start) in first.items()}
        last = False
        while not last:
            last = done.is_set()  # asked before looking: what appeared until the end is seen
            for name, (rendition, start) in first.items():
                while (path := folder / name / segment_name(following[name])).exists():
                    if following[name] == start:
                        await self._init(rendition, folder / name / INIT)
                    self._uploads.offer(rendition, following[name], path)
                    following[name] += 1
            program.hold(self._uploads.full())
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), None if last else POLL_SECONDS)

    async def _init(self, rendition: Rendition, path: Path) -> None:
        """Stores the init segment before the first segment; that of another run must be the same."""
        data = await asyncio.to_thread(path.read_bytes)
        try:
            data = self._mended(rendition, data)
        except DamagedSegmentError as error:
            raise damaged(f"init segment of {rendition.name}", error, self.place.scratch) from error
        if rendition.init is None or rendition.audio:
            await self.shelf.put_init(rendition, data)
        elif data != rendition.init:
            await self.shelf.discard()
            message = f"The stored init segment of {rendition.name} is of another encode; all is removed and made anew."
            raise WorkError(Reason.VERIFICATION_FAILED, message)

    def _mended(self, rendition: Rendition, init: bytes) -> bytes:
        """The init segment as it is stored."""
        if rendition.rung:
            line = self.title.timeline_of(rendition)
            init = with_edit(init, command.delay(line, rendition.rung.codec) * line.frame_ticks)
        elif rendition.audio and rendition.audio.codec == "opus":
            init = without_pre_skip(init)
        return self.shelf.sealed_init(rendition, init)

    def _frames(self, each: int, block: Block) -> None:
        if self._meter:
            self._meter.encoded(block.frame * each, time.monotonic())
            self.tell(self._meter.progress())

    def _packets(self, block: Block) -> None:
        """Without video the sound tells how far the encode is."""
        if self._meter:
            self._meter.encoded(int(block.out_time_us * self.title.plan.timeline.rate / 1_000_000), time.monotonic())
            self.tell(self._meter.progress())

    def _uploaded(self, rendition: Rendition, index: int) -> None:
        self._stored(rendition)
        self.on_stored(rendition, index)

    def _stored(self, rendition: Rendition) -> None:
        if self._meter:
            name = rendition.name if rendition.rung else rendition.path
            self._meter.stored(name, (self.share or ALL).count(rendition))
            self.tell(self._meter.progress())

    def _check(self, share: Share) -> None:
        """FFmpeg ended well; now all frames must be there, for a file may end early without an error."""
        for video in self.title.videos:
            line = self.title.timeline_of(video)
            for part in share.video:
                found = [video.stored[index] for index in range(part.start, part.stop) if index in video.stored]
                frames, wanted = sum(one.fragment.samples for one in found), frames_of(line, part)
                if frames < wanted:
                    where = f" from frame {part.start * line.gop} on" if part.start else ""
                    message = (
                        f"{self.given.name} decodes to {frames} of {wanted} frames{where}. Fetch or export it again."
                    )
                    raise WorkError(Reason.INPUT_TRUNCATED, message)


def _whole(audio: Rendition) -> bool:
    return (
        audio.audio is not None and audio.samples() == audio.audio.packets and audio.contiguous() == len(audio.stored)
    )
