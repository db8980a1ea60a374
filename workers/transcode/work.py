"""From what the input is to the outcome: plan, encode what is missing, verify, publish."""

import asyncio
import importlib
import shlex
from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
from msgspec.structs import replace

from narwhal_operator.contract.base import clip
from narwhal_operator.contract.order import TranscodeOrder
from narwhal_operator.contract.transcode import COMMAND_LENGTH, TranscodeProgress
from workers.common.context import Context, Result
from workers.common.log import log
from workers.common.store import ObjectInfo, ObjectStore
from workers.transcode import command, ladder, room
from workers.transcode.asides import Asides
from workers.transcode.counters import BYTES, READ, REUSED, REUSED_BYTES, SEGMENTS
from workers.transcode.cpus import available, threads
from workers.transcode.delta.identity import Film
from workers.transcode.delta.reuse import Reuse
from workers.transcode.encode import Encoder, Place
from workers.transcode.inputfile import InputFile, check_unchanged
from workers.transcode.media import MediaInfo
from workers.transcode.parallel.fence import Fence, claim
from workers.transcode.parallel.share import divide, progress_of
from workers.transcode.plan import Plan
from workers.transcode.rendition import Rendition, Title
from workers.transcode.rendition import title as title_of
from workers.transcode.sample import Sampler
from workers.transcode.shelf import Shelf, drop_foreign, take_stock
from workers.transcode.tasks import together

LOADING_SECONDS: Final = 1.0
"""After the encode's beginning, when FFmpeg runs."""


class Work(msgspec.Struct, frozen=True):
    """The making of one version."""

    order: TranscodeOrder
    context: Context
    shelf: Shelf
    engine: str
    film: Film
    """What the renditions are made of."""

    async def run(self, given: InputFile, found: MediaInfo) -> Result:
        """Plans what the input is to become, and makes it."""
        shelf, spec = self.shelf, self.order.spec
        plan = ladder.plan(found, spec)
        if self._transport:
            from workers.transcode import transport

            transport.require(given.name, plan.timeline.duration)
        if plan.tolerant:
            from workers.transcode.survey import survey

            plan = await survey(plan, given, threads(self.order.cpus))
        plan = await self._marked(plan)
        self.context.report(plan=plan.summary())
        log("info", "planned", frames=plan.timeline.frames, rungs=[rung.name for rung in plan.rungs], notes=plan.notes)
        if spec.mode == "Plan":
            return await self._tell_plan(plan, given)
        await claim(shelf, self.order.head)
        title = title_of(plan, shelf.seal, transport=self._transport)
        title, stored = await self._taken(title)
        title = await self._stock(title, stored)
        parts = self._divide(title)
        if self.order.head.task == "Plan" and len(parts) > 1:
            return await self._hand_on(title, parts, given)
        return await self._make(self._noted(title), given)

    async def go_on(self, source: ObjectStore, info: ObjectInfo) -> Result:
        """A stage after Plan: one part, or the end."""
        from msgspec.structs import replace

        from workers.transcode.parallel import script
        from workers.transcode.parallel.part import Part
        from workers.transcode.parallel.remote import reach

        shelf = self.shelf
        found, place = await script.read(shelf, self.order.head), self._place
        found = replace(found, plan=await self._marked(found.plan))  # on this pod's scratch
        count = partial(self.context.metrics.add, READ)
        async with reach(source, self.order.input, info, place.scratch, found.seen, count) as given:
            if self.order.head.task == "Range":
                return await Part(self.order, self.context, shelf, found, place).run(given)
            self.context.report(plan=found.plan.summary())
            await Fence(shelf, self.order.head).check()
            title = await self._stock(title_of(found.plan, shelf.seal, transport=self._transport))
            return await self._make(title, given)

    async def _marked(self, plan: Plan) -> Plan:
        """The plan with its watermark on scratch, where one is asked for."""
        wish = self.order.spec.watermark
        if wish is None or plan.video is None:
            return plan
        from workers.transcode import watermark

        source = self.context.open_store(self.order.input.store)
        return await watermark.prepare(plan, plan.video, wish, source, self.context.scratch)

    def _divide(self, title: Title) -> list[tuple[command.Range, ...]]:
        cpus = available(self.order.cpus)
        return divide(title, self.order.spec.parallelism, cpus, self.order.range_seconds)

    async def _hand_on(self, title: Title, parts: Sequence[tuple[command.Range, ...]], given: InputFile) -> Result:
        """Leaves the plan in the store for the pods of the next stages."""
        from workers.transcode.parallel import script

        attempt, before = self.order.head.attempt, progress_of(title)
        found = script.Script(
            attempt=attempt, plan=title.plan, seen=given.seen, parts=tuple(parts), progress=before.wire()
        )
        await script.write(self.shelf, found)
        self.context.report(transcode=before)
        return Result(f"Divided into {found.ranges} parts.", plan=title.plan.summary(), ranges=found.ranges)

    def _noted(self, title: Title) -> Title:
        """The title, its plan with a note where several pods were asked for."""
        if self.order.spec.parallelism == 1 or not title.videos:
            return title
        why = "a local run is one process" if self.order.head.task == "Run" else "more would not pay"
        if not title.plan.seekable:
            why = "the input cannot be sought in, each range would be decoded from its start"
        notes = (*title.plan.notes, f"parallelism: one pod does all: {why}")
        return replace(title, plan=replace(title.plan, notes=notes))

    async def _taken(self, title: Title) -> tuple[Title, dict[str, ObjectInfo] | None]:
        """The title when what earlier versions have of it is in the store, a note says what; and what is there, if it was listed."""
        reuse = Reuse(self.shelf, title, self.film)
        await Fence(self.shelf, self.order.head).around(reuse.run())
        self.context.metrics.add(REUSED, reuse.segments)
        self.context.metrics.add(REUSED_BYTES, reuse.size)
        plan = replace(title.plan, notes=(*title.plan.notes, *reuse.notes))
        return replace(title, plan=plan), reuse.stored

    async def _stock(self, title: Title, listed: dict[str, ObjectInfo] | None = None) -> Title:
        """The title with what is stored of it."""
        found = await self.shelf.listing() if listed is None else listed
        await take_stock(self.shelf, title.renditions, found)
        for video in title.videos:
            drop_foreign(video, title.timeline_of(video))
        return title

    async def _tell_plan(self, plan: Plan, given: InputFile) -> Result:
        """What would run, and what that is likely to take."""
        from workers.transcode import estimate

        self.context.report(phase="Estimating")
        cpus, whole = threads(self.order.cpus), command.Range(0, plan.timeline.segments)
        argv = command.encode_title(plan, whole, command.Job(command.Source(given.name), "scratch", 3, cpus))
        log("info", "would encode", argv=argv)
        found = await estimate.estimate(plan, given, self.context.scratch, cpus)
        summary = estimate.told(plan.summary(), found, plan.timeline.frames)
        summary = summary.model_copy(update={"command": clip(shlex.join(argv), COMMAND_LENGTH)})
        self.context.report(plan=summary)
        return Result("Planned; nothing is stored in mode Plan.", plan=summary)

    async def _make(self, title: Title, given: InputFile) -> Result:
        self.context.report(phase="Encoding")
        shelf, place = self.shelf, self._place

        def stored(rendition: Rendition, index: int) -> None:
            self.context.metrics.add(SEGMENTS)
            self.context.metrics.add(BYTES, rendition.stored[index].size)
            sampler.stored(rendition, index)
            asides.stored()

        asides = Asides(title, given, shelf, place.scratch, self.order.spec)
        async with Sampler(shelf, place.scratch, title, given, self.order.spec.verify) as sampler:
            encoder = Encoder(title, given, shelf, place, self._tell, stored)
            loading = asyncio.get_running_loop().call_later(LOADING_SECONDS, _load)
            try:
                await Fence(shelf, self.order.head).around(together(encoder.run(), asides.run()))
            finally:
                loading.cancel()
            check_unchanged(given)
            from workers.transcode.ending import Ending

            ending = Ending(self.order, self.context, shelf, title)
            pointers, summary = await ending.verify(sampler, given, place)
        return await ending.publish(pointers, summary, self.engine)

    @property
    def _place(self) -> Place:
        return Place(self.context.scratch, threads(self.order.cpus), room.kept(self.order.scratch_bytes) // 2)

    @property
    def _transport(self) -> bool:
        return self.order.spec.packaging.segment_format == "ts"

    def _tell(self, progress: TranscodeProgress) -> None:
        self.context.report(transcode=progress)


def _load() -> None:
    """Imports what the end needs, beside the encode; where that fails, so does the import there, and says why."""
    asyncio.get_running_loop().run_in_executor(None, importlib.import_module, "workers.transcode.ending")
