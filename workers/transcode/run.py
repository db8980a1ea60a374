"""A transcode from order to outcome: finds the input and the version it belongs to; `work` makes that.

Of the worker, what it takes to start ffprobe is loaded first, and the rest beside ffprobe (ADR 0018).
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from narwhal_operator.contract.naming import digest_of
from narwhal_operator.contract.order import TranscodeOrder
from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import TranscodeProgress
from workers.common.context import Context, Result
from workers.common.store import ObjectInfo, ObjectStore
from workers.transcode import engine, recipe, room, runner
from workers.transcode.inputfile import InputFile, open_input
from workers.transcode.layout import Layout
from workers.transcode.probing import probing

# What only some orders need, and what is needed once ffprobe or FFmpeg runs, is imported where it is needed.
if TYPE_CHECKING:
    from workers.transcode.crypt import Key
    from workers.transcode.work import Work

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
        return await transcode.run(source, info)
    except WorkError as error:
        from workers.transcode import evidence

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
    keys: "Sequence[Key]" = ()
    """What encrypts the title, where that is asked for."""

    async def find(self) -> tuple[ObjectStore, ObjectInfo]:
        """The input; asked for beside the bucket of the output, which is what is told where both are missing."""
        bucket = asyncio.to_thread(self.store.check_bucket, self.order.spec.output.bucket)
        missing, found = await asyncio.gather(bucket, self._find_input(), return_exceptions=True)
        if missing is not None:
            raise missing
        if isinstance(found, BaseException):
            raise found
        return found

    async def run(self, source: ObjectStore, info: ObjectInfo) -> Result:
        """From the input to the outcome."""
        layout = await self._layout(source, info)
        if self.order.head.task in STAGES:
            return await self._work(layout, info).go_on(source, info)
        if self.order.spec.mode == "Encode" and (done := await self._finished(layout, info)):
            return done
        given = await self._fetch(source, info)
        with given.file:
            await self._check_digest(given, info)
            self.context.report(phase="Probing")
            if self.order.spec.quality:
                from workers.transcode import quality

                await quality.require(self.order.spec.quality)
            async with probing(given) as running:
                work = self._work(layout, info)  # loads what is not loaded yet: ffprobe works meanwhile
                from workers.transcode import probe

                found = await probe.examine(running, tolerant=self.order.spec.on_damage == "Tolerate")
            return await work.run(given, found)

    async def _layout(self, source: ObjectStore, info: ObjectInfo) -> Layout:
        """The version's place; asks for all that names it. Raises WorkError(SecretNotFound | SecretInvalid)."""
        spec = self.order.spec
        if spec.watermark:
            from workers.transcode import watermark

            self.image = await watermark.find(source, spec.watermark)
        if spec.packaging.encryption:
            from workers.transcode.crypt import read_keys

            secret = spec.packaging.encryption.keys_from.secret_ref.name
            if self.order.keys is None:
                raise WorkError(Reason.INVALID_ORDER, f"The order names no directory for the Secret {secret}.")
            self.keys = await asyncio.to_thread(read_keys, Path(self.order.keys), secret)
        self.version = await engine.version()
        return Layout(spec.output.prefix, digest_of(self._named_by(info)))

    def _work(self, layout: Layout, info: ObjectInfo) -> "Work":
        """The making of the version."""
        from workers.transcode.delta.identity import film, sealed_by
        from workers.transcode.shelf import Shelf
        from workers.transcode.work import Work

        spec, image = self.order.spec, [self.image.etag, self.image.size] if self.image else None
        made_of, seal = film(self._source(info), self.version, spec, self.keys, image), None
        if spec.packaging.encryption:
            from workers.transcode import crypt

            digest, duration = sealed_by(made_of), spec.packaging.segment_duration
            seal = crypt.seal(spec.packaging.encryption, self.keys, digest, duration)
        shelf = Shelf(self.store, spec.output.bucket, layout, seal=seal)
        return Work(self.order, self.context, shelf, self.version, made_of)

    def _source(self, info: ObjectInfo) -> str | list[Any]:
        """The input's identity."""
        return self.order.input_sha256 or info.metadata.get(SHA256) or [info.etag, info.size]

    async def _finished(self, layout: Layout, info: ObjectInfo) -> Result | None:
        """The outcome of an earlier run that did all of this; None where none did."""
        if await asyncio.to_thread(self.store.head, self.order.spec.output.bucket, layout.outcome) is None:
            return None
        from workers.transcode import publish

        spec, shelf = self.order.spec, self._work(layout, info).shelf
        done = await publish.finished(shelf, spec.verify, spec.quality)
        if done is None:
            return None
        self.context.report(phase="Publishing", plan=done.plan, transcode=_all_done(done.plan.segments))
        done = await publish.take_over(shelf, self.order.head, done)
        result = await publish.tidy(shelf, self.order, done.result)
        return Result("All was done by an earlier run.", plan=done.plan, result=result)

    def _named_by(self, info: ObjectInfo) -> dict[str, Any]:
        """What names the version: the same work finds what was done of it, other work never meets it."""
        spec = self.order.spec
        return {
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
            **({"keys": [*(key.identity for key in self.keys), SEALING]} if self.keys else {}),
            "engine": recipe.engine(self.version),
        }

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

    async def _fetch(self, store: ObjectStore, info: ObjectInfo) -> InputFile:
        """The input on scratch: a copy, or a link where the store is a directory. Raises WorkError(ScratchFull)."""
        where, path = self.order.input, self.context.scratch / "input"
        room.require(f"{where.bucket}/{where.key}", info.size, self.order.scratch_bytes)
        self.context.report(phase="Fetching")
        await asyncio.to_thread(store.fetch, where.bucket, where.key, path, known=info)
        return open_input(path, f"{where.bucket}/{where.key}")

    async def _check_digest(self, given: InputFile, info: ObjectInfo) -> None:
        """An object whose metadata do not say its digest is read for it, where the order knows what it must be."""
        wanted = self.order.input_sha256
        if wanted and info.metadata.get(SHA256) != wanted and await asyncio.to_thread(_digest, given) != wanted:
            raise _changed(given.name)


def _all_done(segments: int) -> TranscodeProgress:
    return TranscodeProgress(percent=100, segments_done=segments, segments_total=segments)


def _changed(name: str) -> WorkError:
    return WorkError(Reason.INPUT_CHANGED, f"{name} is not the object the DownloadJob made; run the DownloadJob again.")


def _digest(given: InputFile) -> str:
    given.file.seek(0)
    return hashlib.file_digest(given.file, "sha256").hexdigest()
