"""A transcode from order to outcome: finds the input and the version it belongs to; `work` makes that."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from narwhal_operator.contract.naming import digest_of
from narwhal_operator.contract.order import TranscodeOrder
from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import TranscodeProgress
from workers.common.context import Context, Result
from workers.common.store import ObjectInfo, ObjectStore
from workers.transcode import command, engine, evidence, probe, room, runner
from workers.transcode.delta.identity import Film, film, sealed_by
from workers.transcode.layout import Layout
from workers.transcode.shelf import Shelf
from workers.transcode.work import Work

# What only some orders need, and what is needed once FFmpeg runs, is imported where it is needed: it begins that much earlier.
if TYPE_CHECKING:
    from workers.transcode.crypt import Key
    from workers.transcode.versions import Record

SEALING: Final = 2
"""Number of the way IVs are derived: part of the name of an encrypted version."""
STAGES: Final = frozenset({"Range", "Finish"})
"""Tasks that follow a Plan: what it found is in the store."""
SHA256: Final = "narwhal-sha256"
"""Metadata of an object that a DownloadJob made."""


async def run(order: TranscodeOrder, context: Context) -> Result:
    """Carries out one order. Raises WorkError; cancelled, it leaves in the store what makes a resume possible."""
    store = context.open_store(order.output_store)
    if order.head.task == "Sweep":
        return await _sweep(order, store)
    runner.require("ffmpeg", "ffprobe", "nice", "setpriv")
    transcode = Transcode(order, context, store)
    try:
        source, info = await transcode.find()
        shelf = await transcode.shelf(source, info)
        return await transcode.run(source, info, shelf)
    except WorkError as error:
        raise await evidence.kept(store, order, context.index, error) from error


async def _sweep(order: TranscodeOrder, store: ObjectStore) -> Result:
    from workers.transcode import publish

    await asyncio.to_thread(store.check_bucket, order.spec.output.bucket)
    if order.remove_output:
        count = await asyncio.to_thread(publish.remove, store, order)
        return Result(message=f"Removed {count} objects: all that this TranscodingJob has made.")
    count = await asyncio.to_thread(publish.sweep, store, order)
    return Result(message=f"Removed {count} objects of unfinished runs and of versions past their time.")


@dataclass(slots=True)
class Transcode:
    """One run of one order, as far as it is known what there is to do."""

    order: TranscodeOrder
    context: Context
    store: ObjectStore
    image: ObjectInfo | None = None
    """Of the watermark, where one is asked for."""
    version: str = ""
    """FFmpeg's, once it has told it."""
    film: Film = field(default_factory=dict)
    """What the renditions are made of, once that is known."""

    async def find(self) -> tuple[ObjectStore, ObjectInfo]:
        """The input; asked for beside the bucket of the output, which is what is told where both are missing."""
        bucket = asyncio.to_thread(self.store.check_bucket, self.order.spec.output.bucket)
        missing, found = await asyncio.gather(bucket, self._find_input(), return_exceptions=True)
        if missing is not None:
            raise missing
        if isinstance(found, BaseException):
            raise found
        return found

    async def run(self, source: ObjectStore, info: ObjectInfo, shelf: Shelf) -> Result:
        """From the input to the outcome."""
        if self.order.head.task in STAGES:
            return await self._work(shelf).go_on(source, info)
        spec = self.order.spec
        if spec.mode == "Encode" and (done := await self._finished(shelf)):
            self.context.report(phase="Publishing", plan=done.plan, transcode=_all_done(done.plan.segments))
            from workers.transcode import publish

            done = await publish.take_over(shelf, self.order.head, done)
            result = await publish.tidy(shelf, self.order, done.result)
            return Result("All was done by an earlier run.", plan=done.plan, result=result)
        given = await self._fetch(source, info)
        with given.file:
            await self._check_digest(given, info)
            self.context.report(phase="Probing")
            if spec.quality:
                from workers.transcode import quality

                await quality.require(spec.quality)
            found = await probe.examine(given, tolerant=spec.on_damage == "Tolerate")
            return await self._work(shelf).run(given, found)

    def _work(self, shelf: Shelf) -> Work:
        return Work(self.order, self.context, shelf, self.version, self.film)

    async def shelf(self, source: ObjectStore, info: ObjectInfo) -> Shelf:
        """The version's place, with what encrypts it. Raises WorkError(SecretNotFound | SecretInvalid)."""
        if self.order.spec.watermark:
            from workers.transcode import watermark

            self.image = await watermark.find(source, self.order.spec.watermark)
        self.version = await engine.version()
        spec, bucket = self.order.spec, self.order.spec.output.bucket
        wish = spec.packaging.encryption
        if wish is None:
            self.film = self._film(info)
            return Shelf(self.store, bucket, self._layout(info))
        secret = wish.keys_from.secret_ref.name
        if self.order.keys is None:
            raise WorkError(Reason.INVALID_ORDER, f"The order names no directory for the Secret {secret}.")
        from workers.transcode.crypt import read_keys, seal

        keys = await asyncio.to_thread(read_keys, Path(self.order.keys), secret)
        self.film, layout = self._film(info, keys), self._layout(info, keys)
        sealing = seal(wish, keys, sealed_by(self.film), spec.packaging.segment_duration)
        return Shelf(self.store, bucket, layout, seal=sealing)

    def _film(self, info: ObjectInfo, keys: "Sequence[Key]" = ()) -> Film:
        image = [self.image.etag, self.image.size] if self.image else None
        return film(self._source(info), self.version, self.order.spec, keys, image)

    def _source(self, info: ObjectInfo) -> str | list[Any]:
        """The input's identity."""
        return self.order.input_sha256 or info.metadata.get(SHA256) or [info.etag, info.size]

    async def _finished(self, shelf: Shelf) -> "Record | None":
        if await shelf.call(shelf.store.head, shelf.bucket, shelf.layout.outcome) is None:
            return None
        from workers.transcode import publish

        return await publish.finished(shelf, self.order.spec.verify, self.order.spec.quality)

    def _layout(self, info: ObjectInfo, keys: "Sequence[Key]" = ()) -> Layout:
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
            "engine": [self.version, command.RECIPE, command.PRESET, command.HEVC_PRESET, command.AV1_PRESET],
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
        await asyncio.to_thread(store.fetch, where.bucket, where.key, path, known=info)
        return probe.open_input(path, f"{where.bucket}/{where.key}")

    async def _check_digest(self, given: probe.InputFile, info: ObjectInfo) -> None:
        """An object whose metadata do not say its digest is read for it, where the order knows what it must be."""
        wanted = self.order.input_sha256
        if wanted and info.metadata.get(SHA256) != wanted and await asyncio.to_thread(_digest, given) != wanted:
            raise _changed(given.name)


def _all_done(segments: int) -> TranscodeProgress:
    return TranscodeProgress(percent=100, segments_done=segments, segments_total=segments)


def _changed(name: str) -> WorkError:
    return WorkError(Reason.INPUT_CHANGED, f"{name} is not the object the DownloadJob made; run the DownloadJob again.")


def _digest(given: probe.InputFile) -> str:
    given.file.seek(0)
    return hashlib.file_digest(given.file, "sha256").hexdigest()
