"""The gate before publishing: every rule over what is stored, a strict decode of a sample, one JSON report."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import VerificationSummary
from workers.common.files import scratch_errors
from workers.transcode import command, runner
from workers.transcode.checks import RULES, Object, Package
from workers.transcode.layout import MEDIA, segment_name
from workers.transcode.plan import Plan
from workers.transcode.rendition import Rendition, Stored
from workers.transcode.shelf import Shelf, together

FINDINGS: Final = 50
"""Findings of one rule that are written down; more of the same tell nothing new."""
PIECE: Final = 4 * 1024 * 1024
"""Bytes of a segment that are in memory at once while a sample is fetched."""
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
    plan: Plan
    videos: Sequence[Rendition]
    audios: Sequence[Rendition]
    master: str
    manifest: str | None
    scratch: Path

    async def run(self) -> VerificationSummary:
        """Checks all, stores the report. Raises WorkError(VerificationFailed) when a rule found something."""
        samples, package = await asyncio.gather(self._decode_samples(), self._package())
        checks = [Check(rule.name, rule.source, tuple(_bounded(rule.check(package)))) for rule in RULES]
        checks.append(Check(DECODE, "each sampled segment decodes without an error to all its frames", tuple(samples)))
        await self.shelf.put(self.shelf.layout.report, self._report(checks))
        failed = [check for check in checks if check.findings]
        if failed:
            # What failed must not be found by the next attempt and taken for done.
            await self.shelf.remove(keep=(self.shelf.layout.report, self.shelf.layout.order))
            raise WorkError(Reason.VERIFICATION_FAILED, self._message(failed))
        return VerificationSummary(
            checks=len(checks),
            failed=0,
            segments=sum(len(rendition.stored) for rendition in (*self.videos, *self.audios)),
            frames=self.plan.timeline.frames,
            report=self.shelf.layout.report,
        )

    async def _package(self) -> Package:
        listing = await self.shelf.listing()
        paths = [f"{rendition.path}/{MEDIA}" for rendition in (*self.videos, *self.audios)]
        texts = await asyncio.gather(*(self.shelf.read(path) for path in paths))
        return Package(
            plan=self.plan,
            root=self.shelf.layout.relative,
            videos=self.videos,
            audios=self.audios,
            objects={path: Object(info.size, info.etag) for path, info in listing.items()},
            playlists={path: (text or b"").decode("utf-8", "replace") for path, text in zip(paths, texts, strict=True)},
            master=self.master,
            manifest=self.manifest,
        )

    async def _decode_samples(self) -> list[str]:
        findings: list[str] = []

        async def one(rendition: Rendition) -> None:
            path = self.scratch / f"sample-{rendition.path.replace('/', '-')}.mp4"
            try:
                findings.extend(await self._decode(rendition, path))
            finally:
                path.unlink(missing_ok=True)

        await together(*(one(rendition) for rendition in (*self.videos, *self.audios)))
        return findings[:FINDINGS]

    async def _decode(self, rendition: Rendition, path: Path) -> list[str]:
        """Decodes a sample of a rendition's segments as they are stored: their frames must all come out."""
        chosen = [rendition.stored[index] for index in sample(sorted(rendition.stored), self.shelf.layout.version)]
        where = f"{rendition.path} segments {', '.join(segment_name(segment.index) for segment in chosen)}"
        try:
            await self.shelf.call(self._fetch, rendition, chosen, path)
        except WorkError as error:
            if error.reason is not Reason.INPUT_NOT_FOUND:
                raise
            return [f"{where}: {error.message}"]
        stream = "v:0" if rendition.rung else "a:0"
        ended = await runner.run(lambda fd: command.decode(command.Source(str(path)), fd, stream))
        if ended.code != 0:
            return [f"{where}: {ended.tail[-400:].strip() or f'exit code {ended.code}'}"]
        frames = sum(segment.fragment.samples for segment in chosen)
        decoded = ended.last.frame if ended.last else 0
        if rendition.rung and decoded != frames:
            return [f"{where}: {decoded} frames decode of {frames}"]
        return []

    def _fetch(self, rendition: Rendition, chosen: Sequence[Stored], path: Path) -> None:
        with scratch_errors(path), path.open("wb") as out:
            out.write(rendition.init or b"")
            for segment in chosen:
                key, start = self.shelf.key(rendition, segment_name(segment.index)), 0
                while start < segment.size:
                    piece = self.shelf.store.read(self.shelf.bucket, key, start, min(PIECE, segment.size - start))
                    if not piece:
                        break  # shorter than it was; its listing says so too
                    out.write(piece)
                    start += len(piece)

    def _report(self, checks: Sequence[Check]) -> bytes:
        line = self.plan.timeline
        report: dict[str, Any] = {
            "version": self.shelf.layout.version,
            "frames": line.frames,
            "frameRate": f"{line.rate.numerator}/{line.rate.denominator}",
            "segments": sum(len(rendition.stored) for rendition in (*self.videos, *self.audios)),
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


def sample(segments: Sequence[int], version: str) -> list[int]:
    """Segments to decode: the first, the last, and one that another version would choose otherwise."""
    return sorted({segments[0], segments[-1], segments[int(version, 16) % len(segments)]}) if segments else []


def _bounded(findings: Iterator[str]) -> list[str]:
    return [finding for finding, _ in zip(findings, range(FINDINGS), strict=False)]
