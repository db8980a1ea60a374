"""The gate before publishing: every rule over what is stored, a strict decode of a sample, one JSON report."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import VerificationSummary
from workers.transcode.checks import RULES, Object, Package
from workers.transcode.layout import MEDIA
from workers.transcode.package import Pointers
from workers.transcode.rendition import Title
from workers.transcode.sample import Sampler
from workers.transcode.shelf import Shelf

FINDINGS: Final = 50
"""Findings of one rule that are written down; more of the same tell nothing new."""
DECODE: Final = "decodes-strictly"


@dataclass(frozen=True, slots=True)
class Check:
    """One rule and what it found."""

    rule: str
    source: str
    findings: tuple[str, ...]


@dataclass(slots=True)
class Gate:
    """The verification of one package."""

    shelf: Shelf
    title: Title
    pointers: Pointers
    sampler: Sampler

    async def run(self) -> VerificationSummary:
        """Checks all, stores the report. Raises WorkError(VerificationFailed) when a rule found something."""
        samples, package = await asyncio.gather(self.sampler.finish(), self._package())
        checks = [Check(rule.name, rule.source, tuple(_bounded(rule.check(package)))) for rule in RULES]
        checks.append(
            Check(DECODE, "each sampled segment decodes without an error to all its frames", tuple(_bounded(samples)))
        )
        await self.shelf.put(self.shelf.layout.report, self._report(checks))
        failed = [check for check in checks if check.findings]
        if failed:
            await self.shelf.discard()
            raise WorkError(Reason.VERIFICATION_FAILED, self._message(failed))
        return VerificationSummary(
            checks=len(checks),
            failed=0,
            segments=sum(len(rendition.stored) for rendition in self.title.renditions),
            frames=self.title.plan.timeline.frames,
            report=self.shelf.layout.report,
        )

    async def _package(self) -> Package:
        listing = await self.shelf.listing()
        paths = [f"{rendition.path}/{MEDIA}" for rendition in self.title.renditions]
        texts = await asyncio.gather(*(self.shelf.read(path) for path in paths))
        return Package(
            title=self.title,
            root=self.shelf.layout.relative,
            objects={path: Object(info.size, info.etag) for path, info in listing.items()},
            playlists={path: (text or b"").decode("utf-8", "replace") for path, text in zip(paths, texts, strict=True)},
            pointers=self.pointers,
        )

    def _report(self, checks: Sequence[Check]) -> bytes:
        line = self.title.plan.timeline
        report: dict[str, Any] = {
            "version": self.shelf.layout.version,
            "frames": line.frames,
            "frameRate": f"{line.rate.numerator}/{line.rate.denominator}",
            "segments": sum(len(rendition.stored) for rendition in self.title.renditions),
            "checks": [
                {"rule": check.rule, "source": check.source, "passed": not check.findings, "findings": check.findings}
                for check in checks
            ],
        }
        return json.dumps(report, indent=1).encode()

    def _message(self, failed: Sequence[Check]) -> str:
        first = failed[0]
        names = ", ".join(check.rule for check in failed)
        return f"Nothing was published: {names} failed; first: {first.findings[0][:300]}. Report: {self.shelf.layout.report}"


def _bounded(findings: Iterable[str]) -> list[str]:
    return [finding for finding, _ in zip(findings, range(FINDINGS), strict=False)]
