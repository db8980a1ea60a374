"""Which files of a torrent are taken, under which keys, and which of them is the film. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from narwhal_operator.contract.base import KEY_PATTERN
from narwhal_operator.contract.files import main_file, matches
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.download.torrent.names import TorrentFile, shown, unsafe

CHOSEN_LIMIT: Final = 1000
"""Files that one DownloadJob takes: each is an object, and a record of all is kept."""
KEY_LIMIT: Final = 1024
SHOWN_FILES: Final = 5


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
