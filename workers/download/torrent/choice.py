"""Which files of a torrent are taken, under which keys, and which of them is the film. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from typing import Final

from narwhal_operator.contract.base import KEY_PATTERN
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.download.torrent.names import TorrentFile, shown, unsafe

CHOSEN_LIMIT: Final = 1000
"""Files that one DownloadJob takes: each is an object, and a record of all is kept."""
KEY_LIMIT: Final = 1024
SHOWN_FILES: Final = 5
VIDEO: Final = frozenset(
    {
        "3gp", "asf", "avi", "divx", "flv", "m2ts", "m2v", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf",
        "ogm", "ogv", "rm", "rmvb", "ts", "vob", "webm", "wmv",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chosen:
    """A file that is taken, and the key it becomes."""

    file: TorrentFile
    key: str


def choose(
    files: Sequence[TorrentFile], patterns: Sequence[str] | None, key: str, max_bytes: int | None
) -> tuple[Chosen, ...]:
    """The files that match, the main one first. One file becomes KEY itself, several become KEY/PATH.

    Raises WorkError(TorrentFilesUnmatched | TorrentUnsafe | SourceTooLarge | SourceEmpty).
    """
    taken = [file for file in files if patterns is None or matches(file.path, patterns)]
    if not taken:
        raise _unmatched(files, patterns)
    if len(taken) > CHOSEN_LIMIT:
        raise unsafe(f"{len(taken)} files would be taken; name at most {CHOSEN_LIMIT} with spec.source.torrent.files")
    total = sum(file.size for file in taken)
    if max_bytes is not None and total > max_bytes:
        raise WorkError(
            Reason.SOURCE_TOO_LARGE,
            f"The {len(taken)} chosen files of the torrent have {total} bytes, more than spec.maxBytes ({max_bytes}); "
            "raise it, or name fewer files with spec.source.torrent.files.",
        )
    if total == 0:
        raise WorkError(Reason.SOURCE_EMPTY, "The chosen files of the torrent have 0 bytes; choose others.")
    single = len(taken) == 1
    main = main_file(taken)
    ordered = sorted(taken, key=lambda file: (file is not main, file.path))
    return tuple(Chosen(file, key if single else _key(key, file.path)) for file in ordered)


def main_file(files: Iterable[TorrentFile]) -> TorrentFile:
    """The largest video; without a video the largest file. Of equals the first by path."""
    return min(files, key=lambda file: (not _is_video(file.path), -file.size, file.path))


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether any glob pattern fits, case aside.

    A pattern without `/` is held against the file's name; one with `/` against the whole path, where `*` and `?` stay
    within a directory and `**` is any number of directories (as in .gitignore).
    """
    folded = path.casefold()
    return any(_matches(folded, pattern.casefold()) for pattern in patterns)


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


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


def _is_video(path: str) -> bool:
    return path.rpartition(".")[2].lower() in VIDEO


def _key(key: str, path: str) -> str:
    whole = f"{key}/{path}"
    if len(whole.encode()) > KEY_LIMIT:
        raise unsafe(
            f"the key of {shown(path)} would be longer than {KEY_LIMIT} bytes; choose a shorter destination key"
        )
    if not re.fullmatch(KEY_PATTERN, whole):
        raise unsafe(f"the path {shown(path)} is no key of an object")
    return whole


def _unmatched(files: Sequence[TorrentFile], patterns: Sequence[str] | None) -> WorkError:
    if patterns is None:
        return WorkError(Reason.SOURCE_EMPTY, "The torrent has no files; use another one.")
    largest = sorted(files, key=lambda file: -file.size)[:SHOWN_FILES]
    names = ", ".join(shown(file.path) for file in largest)
    return WorkError(
        Reason.TORRENT_FILES_UNMATCHED,
        f"None of the {len(files)} files of the torrent matches spec.source.torrent.files; its largest are {names}.",
    )
