"""A transcode from order to outcome: probe, plan, encode what is missing, verify, publish."""

import asyncio
import hashlib
import importlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from narwhal_operator.contract.base import clip
from narwhal_operator.contract.naming import digest_of
from narwhal_operator.contract.order import TranscodeOrder
from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import COMMAND_LENGTH, TranscodeProgress
from workers.common.context import Context, Result
from workers.common.log import log
from workers.common.store import ObjectInfo, ObjectStore
from workers.transcode import command, engine, evidence, ladder, probe, room, runner
from workers.transcode.asides import Asides
from workers.transcode.counters import BYTES, READ, REUSED, REUSED_BYTES, SEGMENTS
from workers.transcode.cpus import available, threads
from workers.transcode.delta.identity import Film, film, sealed_by
from workers.transcode.delta.reuse import Reuse
from workers.transcode.encode import Encoder, Place
from workers.transcode.layout import Layout
from workers.transcode.parallel.fence import Fence, claim
from workers.transcode.parallel.share import divide, progress_of
from workers.transcode.plan import Plan
from workers.transcode.rendition import Rendition, Title
from workers.transcode.rendition import title as title_of
from workers.transcode.sample import Sampler
from workers.transcode.shelf import Shelf, drop_foreign, take_stock
from workers.transcode.tasks import together

# What only some orders need, and what is needed once FFmpeg runs, is imported where it is needed: it begins that much earlier.
if TYPE_CHECKING:
    from workers.transcode.crypt import Key
    from workers.transcode.versions import Record

SEALING: Final = 2
"""Number of the way IVs are derived: part of the name of an encrypted version."""
STAGES: Final = frozenset({"Range", "Finish"})
"""Tasks that follow a Plan: what it found is in the store."""
LOADING_SECONDS: Final = 1.0
"""After the encode's beginning, when FFmpeg runs."""
SHA256: Final = "narwhal-sha256"
"""Metadata of an object that a DownloadJob made."""


async def run(order: TranscodeOrder, context: Context) -> Result:
    """Carries out one order. Raises WorkError; cancelled, it leaves in the store what makes a resume possible."""
    if order.head.task == "Sweep":
        store = await _open(order, context)
        from workers.transcode import publish

        if order.remove_output:
            count = await asyncio.to_thread(publish.remove, store, order)
            return Result(message=f"Removed {count} objects: all that this TranscodingJob has made.")
        count = await asyncio.to_thread(publish.sweep, store, order)
        return Result(message=f"Removed {count} objects of unfinished runs and of versions past their time.")
    runner.require("ffmpeg", "ffprobe", "nice", "setpriv")
    store = await _open(order, context)
    try:
        return await Transcode(order, context, store).run()
    except WorkError as error:
        raise await evidence.kept(store, order, context.index, error) from error


async def _open(order: TranscodeOrder, context: Context) -> ObjectStore:
    store = context.open_store(order.output_store)
    await asyncio.to_thread(store.check_bucket, order.spec.output.bucket)
    return store


@dataclass(slots=True)
class Transcode:
    """One run of one order."""

    order: TranscodeOrder
    context: Context
    store: ObjectStore
    image: ObjectInfo | None = None
    """Of the watermark, where one is asked for."""
    film: Film = field(default_factory=dict)
    """What the renditions are made of."""

    async def run(self) -> Result:
        """From the input to the outcome."""
        source, info = await self._find_input()
        if self.order.spec.watermark:
            from workers.transcode import watermark

            self.image = await watermark.find(source, self.order.spec.watermark)
        version = await engine.version()
        shelf = await self._shelf(info, version)
        if self.order.head.task in STAGES:
            return await self._go_on(source, info, shelf, version)
        if self.order.spec.mode == "Encode" and (done := await self._finished(shelf)):
            self.context.report(phase="Publishing", plan=done.plan, transcode=_all_done(done.plan.segments))
            from workers.transcode import publish

            done = await publish.take_over(shelf, self.order.head, done)
            result = await publish.tidy(shelf, self.order, done.result)
            return Result("All was done by an earlier run.", plan=done.plan, result=result)
        given = await self._fetch(source, info)
        with given.file:
            await self._check_digest(given, info)
            return await self._work(given, shelf, version)

    async def _shelf(self, info: ObjectInfo, engine: str) -> Shelf:
        """The version's place, with what encrypts it. Raises WorkError(SecretNotFound | SecretInvalid)."""
        spec, bucket = self.order.spec, self.order.spec.output.bucket
        wish = spec.packaging.encryption
        if wish is None:
            self.film = self._film(info, engine)
            return Shelf(self.store, bucket, self._layout(info, engine))
        secret = wish.keys_from.secret_ref.name
        if self.order.keys is None:
            raise WorkError(Reason.INVALID_ORDER, f"The order names no directory for the Secret {secret}.")
        from workers.transcode.crypt import read_keys, seal

        keys = await asyncio.to_thread(read_keys, Path(self.order.keys), secret)
        self.film, layout = self._film(info, engine, keys), self._layout(info, engine, keys)
        sealing = seal(wish, keys, sealed_by(self.film), spec.packaging.segment_duration)
        return Shelf(self.store, bucket, layout, seal=sealing)

    def _film(self, info: ObjectInfo, engine: str, keys: "Sequence[Key]" = ()) -> Film:
        image = [self.image.etag, self.image.size] if self.image else None
        return film(self._source(info), engine, self.order.spec, keys, image)

    def _source(self, info: ObjectInfo) -> str | list[Any]:
        """The input's identity."""
        return self.order.input_sha256 or info.metadata.get(SHA256) or [info.etag, info.size]

    async def _go_on(self, source: ObjectStore, info: ObjectInfo, shelf: Shelf, engine: str) -> Result:
        """A stage after Plan: one part, or the end."""
        from workers.transcode.parallel import script
        from workers.transcode.parallel.part import Part
        from workers.transcode.parallel.remote import reach

        found, place = await script.read(shelf, self.order.head), self._place
        found = found.model_copy(update={"plan": await self._marked(found.plan)})  # on this pod's scratch
        count = partial(self.context.metrics.add, READ)
        async with reach(source, self.order.input, info, place.scratch, found.seen, count) as given:
            if self.order.head.task == "Range":
                return await Part(self.order, self.context, shelf, found, place).run(given)
            self.context.report(plan=found.plan.summary())
            await Fence(shelf, self.order.head).check()
            title = await self._stock(title_of(found.plan, shelf.seal, transport=self._transport), shelf)
            return await self._make(title, given, shelf, engine)

    async def _finished(self, shelf: Shelf) -> "Record | None":
        if await shelf.call(shelf.store.head, shelf.bucket, shelf.layout.outcome) is None:
            return None
        from workers.transcode import publish

        return await publish.finished(shelf, self.order.spec.verify, self.order.spec.quality)

    async def _work(self, given: probe.InputFile, shelf: Shelf, engine: str) -> Result:
        self.context.report(phase="Probing")
        spec = self.order.spec
        if spec.quality:
            from workers.transcode import quality

            await quality.require(spec.quality)
        plan = ladder.plan(await probe.examine(given, tolerant=spec.on_damage == "Tolerate"), spec)
        if self._transport:
            from workers.transcode import transport

            transport.require(given.name, plan.timeline.duration)
        if plan.tolerant:
            from workers.transcode.survey import survey

            plan = await survey(plan, given, threads(self.order.cpus))
        plan = await self._marked(plan)
        self.context.report(plan=plan.summary())
        log("info", "planned", frames=plan.timeline.frames, rungs=[rung.name for rung in plan.rungs], notes=plan.notes)
        if self.order.spec.mode == "Plan":
            return await self._tell_plan(plan, given)
        await claim(shelf, self.order.head)
        title = title_of(plan, shelf.seal, transport=self._transport)
        title = await self._stock(await self._taken(title, shelf), shelf)
        parts = self._divide(title)
        if self.order.head.task == "Plan" and len(parts) > 1:
            return await self._hand_on(title, parts, given, shelf)
        return await self._make(self._noted(title), given, shelf, engine)

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

    async def _hand_on(
        self, title: Title, parts: Sequence[tuple[command.Range, ...]], given: probe.InputFile, shelf: Shelf
    ) -> Result:
        """Leaves the plan in the store for the pods of the next stages."""
        from workers.transcode.parallel import script

        attempt, before = self.order.head.attempt, progress_of(title)
        found = script.Script(attempt=attempt, plan=title.plan, seen=given.seen, parts=tuple(parts), before=before)
        await script.write(shelf, found)
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

    async def _taken(self, title: Title, shelf: Shelf) -> Title:
        """The title when what earlier versions have of it is in the store; a note says what."""
        reuse = Reuse(shelf, title, self.film)
        await Fence(shelf, self.order.head).around(reuse.run())
        self.context.metrics.add(REUSED, reuse.segments)
        self.context.metrics.add(REUSED_BYTES, reuse.size)
        return replace(title, plan=replace(title.plan, notes=(*title.plan.notes, *reuse.notes)))

    async def _stock(self, title: Title, shelf: Shelf) -> Title:
        """The title with what is stored of it."""
        await take_stock(shelf, title.renditions, await shelf.listing())
        for video in title.videos:
            drop_foreign(video, title.timeline_of(video))
        return title

    async def _tell_plan(self, plan: Plan, given: probe.InputFile) -> Result:
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

    def _layout(self, info: ObjectInfo, engine: str, keys: "Sequence[Key]" = ()) -> Layout:
        """The version's name: the same work finds what was done of it, other work never meets it."""
        spec = self.order.spec
        work = {
            "input": self._source(info),
            "ladder": spec.ladder.wire(),
            "packaging": spec.packaging.wire(),
            "audio": spec.audio.wire(),
            "subtitles": spec.subtitles.wire(),
            "metadata": spec.metadata.wire(),
            "thumbnails": spec.thumbnails.wire() if spec.thumbnails else None,
            **({"onDamage": spec.on_damage} if spec.on_damage != "Fail" else {}),
            **({"clip": spec.clip.wire()} if spec.clip else {}),
            **(
                {"watermark": [spec.watermark.wire(), self.image.etag, self.image.size]}
                if spec.watermark and self.image
                else {}
            ),
            **({"keys": [*(key.identity for key in keys), SEALING]} if keys else {}),
            "engine": [engine, command.RECIPE, command.PRESET, command.HEVC_PRESET, command.AV1_PRESET],
        }
        return Layout(spec.output.prefix, digest_of(work))

    async def _find_input(self) -> tuple[ObjectStore, ObjectInfo]:
        where = self.order.input
        name = f"{where.bucket}/{where.key}"
        store = self.context.open_store(where.store)
        info = await asyncio.to_thread(store.head, where.bucket, where.key)
        if info is None:
            await asyncio.to_thread(store.check_bucket, where.bucket)
            message = f"{name} does not exist; correct spec.input, or upload the object."
            raise WorkError(Reason.INPUT_NOT_FOUND, message)
        if info.size == 0:
            raise WorkError(Reason.INPUT_EMPTY, f"{name} has 0 bytes; upload the file again.")
        known, wanted = info.metadata.get(SHA256), self.order.input_sha256
        if known and wanted and known != wanted:
            raise _changed(name)
        return store, info

    async def _fetch(self, store: ObjectStore, info: ObjectInfo) -> probe.InputFile:
        """The input on scratch: a copy, or a link where the store is a directory. Raises WorkError(ScratchFull)."""
        where, path = self.order.input, self.context.scratch / "input"
        room.require(f"{where.bucket}/{where.key}", info.size, self.order.scratch_bytes)
        self.context.report(phase="Fetching")
        await asyncio.to_thread(store.fetch, where.bucket, where.key, path)
        return probe.open_input(path, f"{where.bucket}/{where.key}")

    async def _check_digest(self, given: probe.InputFile, info: ObjectInfo) -> None:
        """An object whose metadata do not say its digest is read for it, where the order knows what it must be."""
        wanted = self.order.input_sha256
        if wanted and info.metadata.get(SHA256) != wanted and await asyncio.to_thread(_digest, given) != wanted:
            raise _changed(given.name)

    async def _make(self, title: Title, given: probe.InputFile, shelf: Shelf, engine: str) -> Result:
        self.context.report(phase="Encoding")
        place = self._place

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
            probe.check_unchanged(given)
            from workers.transcode.ending import Ending

            ending = Ending(self.order, self.context, shelf, title)
            pointers, summary = await ending.verify(sampler, given, place)
        return await ending.publish(pointers, summary, engine)

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


def _all_done(segments: int) -> TranscodeProgress:
    return TranscodeProgress(percent=100, segments_done=segments, segments_total=segments)


def _changed(name: str) -> WorkError:
    return WorkError(Reason.INPUT_CHANGED, f"{name} is not the object the DownloadJob made; run the DownloadJob again.")


def _digest(given: probe.InputFile) -> str:
    given.file.seek(0)
    return hashlib.file_digest(given.file, "sha256").hexdigest()
