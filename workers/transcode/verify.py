"""The gate before publishing: all rules of workers/verify over what will be published, one JSON report."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import VerificationSummary
from workers.transcode.layout import MANIFEST, MASTER
from workers.transcode.package import Pointers
from workers.transcode.rendition import Rendition, Stored, Title
from workers.transcode.sample import Sampler
from workers.transcode.shelf import Shelf
from workers.transcode.transport import as_stored
from workers.verify.collect import Collector
from workers.verify.facts import Known, Package
from workers.verify.readers import StoreReader
from workers.verify.report import Report, judge
from workers.verify.rule import Severity

WORDS: Final = 300
"""Characters of the first finding in the message."""


def reported(title: Title) -> dict[str, Any]:
    """What the run knows of the title beside the rules: the quality of its rungs, the damage of its input."""
    values = {video.name: video.quality for video in title.videos if video.quality is not None}
    quality = {"quality": {"metric": title.extras.metric, "rungs": values}} if values else {}
    damage = {"damage": [one.figures() for one in title.plan.damage]} if title.plan.damage else {}
    cut = {"cut": title.plan.info.cut} if title.plan.info.cut else {}
    return {**quality, **damage, **cut}


def _known(rendition: Rendition, one: Stored) -> Known:
    """What was read back of a segment. Transport streams say their tracks themselves, and have a clock of their own."""
    if rendition.transport is None or rendition.track is None:
        return Known(one.size, one.etag, (one.fragment,))
    track, part = as_stored(rendition.track, one.fragment)
    return Known(one.size, one.etag, (part,), (track,))


@dataclass(slots=True)
class Gate:
    """The verification of one package."""

    shelf: Shelf
    title: Title
    pointers: Pointers
    sampler: Sampler

    async def run(self) -> VerificationSummary:
        """Checks all, stores the report. Raises WorkError(VerificationFailed) when a rule found an error."""
        (samples, source), package = await asyncio.gather(self.sampler.finish(), self._package())
        report = await asyncio.to_thread(judge, package.with_samples(samples, source))
        line, layout = self.title.plan.timeline, self.shelf.layout
        frames = line.frames if self.title.videos else 0
        rate = f"{line.rate.numerator}/{line.rate.denominator}" if self.title.videos else None
        about: dict[str, Any] = {
            "version": layout.version,
            "verify": self.sampler.extent,
            "frames": frames,
            "frameRate": rate,
        }
        await self.shelf.put(layout.report, report.json(**about, **reported(self.title)))
        if report.errors:
            await self.shelf.discard()
            raise WorkError(Reason.VERIFICATION_FAILED, self._message(report))
        return VerificationSummary(
            checks=len(report.judged),
            failed=0,
            warnings=report.count(Severity.WARNING),
            segments=report.segments,
            decoded=len(samples),
            frames=frames,
            extent=self.sampler.extent,
            report=layout.report,
        )

    async def _package(self) -> Package:
        """What will be published: the pointers as texts, all else as it is stored."""
        layout = self.shelf.layout
        listing = {f"{layout.relative}/{path}": info for path, info in (await self.shelf.listing()).items()}
        texts = {MASTER: self.pointers.master.encode()}
        if self.pointers.manifest is not None:
            texts[MANIFEST] = self.pointers.manifest.encode()
        reader = StoreReader(self.shelf.store, self.shelf.bucket, layout.prefix, listing, texts)
        known = {
            f"{layout.relative}/{rendition.path}/{rendition.file(one.index)}": _known(rendition, one)
            for rendition in self.title.renditions
            for one in rendition.segments
        }
        return await Collector(reader, known, self.title.seal.key_of if self.title.seal else None).run(list(texts))

    def _message(self, report: Report) -> str:
        first = report.errors[0].findings[0]
        names = ", ".join(one.rule.name for one in report.errors)
        place = f"{first.where}:{first.line}" if first.line else first.where
        words = f"{place}: {first.message}"[:WORDS]
        return f"Nothing was published: {names} failed; first: {words}. Report: {self.shelf.layout.report}"
