"""KIND/NAME as a user writes it, and what was likely meant where nothing is called so. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from narwhal_cli.words import did_you_mean
from narwhal_operator.contract.download import KIND as DOWNLOAD
from narwhal_operator.contract.library import KIND as LIBRARY
from narwhal_operator.contract.reasons import TABLE, Reason
from narwhal_operator.contract.transcode import KIND as TRANSCODE
from narwhal_operator.kube.paths import PLURALS

JOB_KINDS: Final = (DOWNLOAD, TRANSCODE)
_SHORT: Final = {DOWNLOAD: "dlj", TRANSCODE: "tcj", LIBRARY: "mlib"}
_WORDS: Final = {word.lower(): kind for kind, plural in PLURALS.items() for word in (kind, plural, _SHORT[kind])}


class UsageError(Exception):
    """Words that cannot be meant so; exit code 2."""


class ClusterError(Exception):
    """What a cluster did not let be done; the reason is the exit code."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def line(self) -> str:
        """What, where, how to mend, in one line."""
        word = self.reason.value
        return f"error: {word}: {self} {TABLE[self.reason].mend} (narwhal explain {word})"


@dataclass(frozen=True, slots=True)
class Target:
    """One resource, in the namespace the command is about."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def target_of(text: str) -> Target:
    """The target a user names as KIND/NAME or NAME, which is a TranscodingJob. Raises UsageError."""
    kind, slash, name = text.rpartition("/")
    if not name:
        raise UsageError(f"{text!r} names no resource; write KIND/NAME, such as tcj/film")
    return Target(kind_of(kind) if slash else TRANSCODE, name)


def kind_of(word: str) -> str:
    """The kind a user means by its name, plural or short name. Raises UsageError."""
    plain = word.lower().removesuffix(".narwhal.dev")
    if plain in _WORDS:
        return _WORDS[plain]
    near = did_you_mean(plain, _WORDS)
    hint = f"did you mean {near}?" if near else "known: dlj (DownloadJob), tcj (TranscodingJob), mlib (MediaLibrary)"
    raise UsageError(f"{word!r} is no kind of Narwhal's; {hint}")


def not_found(target: Target, namespace: str, there: Iterable[str]) -> ClusterError:
    """The error of a resource that is not there, with the name that was likely meant."""
    names = sorted(there)
    near = did_you_mean(target.name, names)
    hint = f"Did you mean {near}?" if near else f"There is no {target.kind} in it." if not names else ""
    message = f"namespace {namespace} has no {target.kind} {target.name}. {hint}".strip()
    return ClusterError(Reason.RESOURCE_NOT_FOUND, message)


def is_library(target: Target) -> bool:
    """Whether a target is a MediaLibrary, which has titles and no worker of its own."""
    return target.kind == LIBRARY
