"""Files of a source of several: glob patterns, which file is the main one, and which one a TranscodingJob takes. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import Final, Protocol, TypeVar

from narwhal_operator.contract.download import Artifact
from narwhal_operator.contract.outcome import Reason, WorkError

VIDEO: Final = frozenset(
    {
        "3gp", "asf", "avi", "divx", "flv", "m2ts", "m2v", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf",
        "ogm", "ogv", "rm", "rmvb", "ts", "vob", "webm", "wmv",
    }
)  # fmt: skip
SHOWN: Final = 5
_SHOWN_CHARACTERS: Final = 80
_PATTERNS_KEPT: Final = 1024


class Sized(Protocol):
    """A file: its path below the source's own name, and its bytes."""

    @property
    def path(self) -> str: ...

    @property
    def size(self) -> int: ...


FileT = TypeVar("FileT", bound=Sized)


@dataclass(frozen=True, slots=True)
class Made:
    """A file that a DownloadJob has made: its path below the destination key, and the object."""

    path: str
    key: str
    size: int
    sha256: str


def main_file(files: Iterable[FileT]) -> FileT:
    """The largest video; without a video the largest file. Of equals the first by path."""
    return min(files, key=lambda file: (not is_video(file.path), -file.size, file.path))


def is_video(path: str) -> bool:
    """Whether a name is one of a video."""
    return path.rpartition(".")[2].lower() in VIDEO


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether any glob pattern fits, case aside.

    A pattern without `/` is held against the file's name; one with `/` against the whole path, where `*` and `?` stay
    within a directory and `**` is any number of directories (as in .gitignore).
    """
    folded = path.casefold()
    return any(_matches(folded, pattern.casefold()) for pattern in patterns)


def pick(artifact: Artifact, destination: str, pattern: str | None) -> Made:
    """The file of an artifact that a TranscodingJob takes; of several that match, the main one.

    `destination` is the key the DownloadJob was given. Raises WorkError(InputFileUnmatched), with files it has made.
    """
    if pattern is None:
        return Made(artifact.key, artifact.key, artifact.size, artifact.sha256)
    files = _made(artifact, destination)
    found = [file for file in files if matches(file.path, [pattern])]
    if not found:
        raise WorkError(Reason.INPUT_FILE_UNMATCHED, _unmatched(artifact, files, pattern))
    return main_file(found)


def _made(artifact: Artifact, destination: str) -> list[Made]:
    if artifact.files is None:
        return [Made(artifact.key.rpartition("/")[2], artifact.key, artifact.size, artifact.sha256)]
    below = f"{destination}/"
    return [Made(file.key.removeprefix(below), file.key, file.size, file.sha256) for file in artifact.files]


def _unmatched(artifact: Artifact, files: list[Made], pattern: str) -> str:
    names = ", ".join(_shown(file.path) for file in files[:SHOWN])
    total = artifact.file_count or len(files)
    listed = f" The status lists {len(files)} of {total}; name any other by its key, with spec.input.s3."
    return (
        f"None of the files that were made matches {_shown(pattern)} (spec.input.downloadJobRef.file); they are {names}"
        f"{' and others' if len(files) > SHOWN else ''}.{listed if total > len(files) else ''}"
        " Correct the pattern in a new TranscodingJob."
    )


def _shown(name: str) -> str:
    text = ascii(name)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _matches(path: str, pattern: str) -> bool:
    parts = path.split("/")
    if "/" not in pattern:
        return _fits(parts[-1], pattern)
    return _walk(tuple(parts), tuple(pattern.removeprefix("/").split("/")))


def _walk(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether the parts of a path fit those of a pattern: position by position, so that `**` cannot explode."""
    reached = {0}
    for wanted in pattern:
        if wanted == "**":
            reached = set(range(min(reached, default=len(parts) + 1), len(parts) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(parts) and _fits(parts[at], wanted)}
    return len(parts) in reached


def _fits(name: str, pattern: str) -> bool:
    return _compiled(pattern).match(name) is not None


@lru_cache(_PATTERNS_KEPT)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))
