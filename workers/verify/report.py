"""The report: every rule over the facts, as JSON and in numbers. Pure."""

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from workers.verify.facts import Package, average
from workers.verify.rule import Finding, Rule, Severity
from workers.verify.rules import RULES

FINDINGS: Final = 50
"""Findings of one rule that are written down; more of the same tell nothing new."""


class Judged(msgspec.Struct, frozen=True):
    """One rule and what it found, at most FINDINGS."""

    rule: Rule
    findings: tuple[Finding, ...]


class Report(msgspec.Struct, frozen=True):
    """What all rules found of a package."""

    package: Package
    judged: tuple[Judged, ...]

    def of(self, severity: Severity) -> tuple[Judged, ...]:
        """The rules of a severity that found something."""
        return tuple(one for one in self.judged if one.findings and one.rule.severity is severity)

    @property
    def errors(self) -> tuple[Judged, ...]:
        """Rules that the package breaks."""
        return self.of(Severity.ERROR)

    def count(self, severity: Severity) -> int:
        """Findings of a severity."""
        return sum(len(one.findings) for one in self.of(severity))

    @property
    def segments(self) -> int:
        """Segments that were looked at, each once however many list it."""
        return len({(s.uri, s.range) for stream in self.package.streams for s in stream.segments})

    def json(self, **about: Any) -> bytes:
        """As it is stored."""
        checks = [
            {
                "rule": one.rule.name,
                "source": one.rule.source,
                "severity": one.rule.severity.value,
                "passed": not one.findings,
                "findings": [
                    {"where": f.where, **({"line": f.line} if f.line else {}), "message": f.message}
                    for f in one.findings
                ],
            }
            for one in self.judged
        ]
        figures = {
            "errors": self.count(Severity.ERROR),
            "warnings": self.count(Severity.WARNING),
            "advice": self.count(Severity.ADVICE),
            "segments": self.segments,
            "decoded": len(self.package.samples),
        }
        return json.dumps({**about, **figures, "streams": self._streams(), "checks": checks}, indent=1).encode()

    def _streams(self) -> list[dict[str, Any]]:
        return [
            {
                "name": stream.name,
                "kind": stream.kind,
                "container": stream.container,
                "codecs": [track.codec for track in stream.tracks],
                "segments": len(stream.segments),
                "samples": stream.samples(),
                "seconds": round(float(stream.duration()), 3),
                "bitsPerSecond": average(stream),
            }
            for stream in self.package.streams
        ]


def judge(package: Package, rules: Sequence[Rule] = RULES) -> Report:
    """What all rules find of a package."""
    return Report(package, tuple(Judged(one, tuple(islice(one.check(package), FINDINGS))) for one in rules))
