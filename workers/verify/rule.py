"""What a rule is, and what it finds. Pure."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

import msgspec

from workers.verify.facts import Package

SPEC: Final = "HLS Authoring Specification"
"""Apple's HLS Authoring Specification for Apple Devices."""


class Severity(StrEnum):
    """What a finding of a rule means."""

    ERROR = "error"
    """The source says MUST, or a player fails: nothing is published."""
    WARNING = "warning"
    """The source says SHOULD, or some players do worse."""
    ADVICE = "advice"
    """Good practice that a package may have a reason not to follow."""


class Finding(msgspec.Struct, frozen=True):
    """A place where a rule is broken."""

    where: str
    line: int | None
    message: str


Check = Callable[[Package], Iterator[Finding]]


class Rule(msgspec.Struct, frozen=True):
    """A rule: its name, where it comes from, what a finding means, what it says, and how it is checked."""

    name: str
    source: str
    severity: Severity
    meaning: str
    check: Check


def rule(name: str, source: str, meaning: str, severity: Severity = Severity.ERROR) -> Callable[[Check], Rule]:
    """Makes a rule of the function below it."""

    def made(check: Check) -> Rule:
        return Rule(name, source, severity, meaning, check)

    return made
