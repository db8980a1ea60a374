"""Files done right: classified errors, bounded copies, synced data, no leftovers."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from narwhal_operator.contract.outcome import TABLE, Reason, WorkError

COPY_BYTES: Final = 16 * 1024 * 1024
"""Bytes of one copy step: large enough to cost nothing, small enough for progress."""

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_BAD_KEY: Final = frozenset({errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY})


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turns an OSError of a directory store into a WorkError with its reason."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise WorkError(store_reason(error), f"{where}: {error.strerror or error}.{_mend(error)}") from error


@contextmanager
def scratch_errors(path: Path) -> Iterator[None]:
    """Turns an OSError of the scratch volume into a WorkError; one that is not for want of room stays what it is."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise scratch_full(error, path) from error


def scratch_full(error: OSError, path: Path | str) -> WorkError:
    """What an OSError for want of room on the scratch volume means."""
    return WorkError(Reason.SCRATCH_FULL, f"{path}: {error.strerror}. {TABLE[Reason.SCRATCH_FULL].mend}")


def store_reason(error: OSError) -> Reason:
    """The reason of an OSError of a directory store."""
    if error.errno in FULL:
        return Reason.STORE_FULL
    if error.errno in _DENIED:
        return Reason.STORE_ACCESS_DENIED
    return Reason.INVALID_ORDER if error.errno in _BAD_KEY else Reason.STORE_ERROR


def _mend(error: OSError) -> str:
    return {
        Reason.STORE_FULL: " Make room or choose another --store.",
        Reason.STORE_ACCESS_DENIED: " Make it writable for you or choose another --store.",
        Reason.INVALID_ORDER: " Choose another key: this one is too long, or a part of it is a file or a directory.",
    }.get(store_reason(error), "")


def copy_into(out: BinaryIO, source: BinaryIO, size: int, progress: Callable[[int], None] | None = None) -> int:
    """Copies `size` bytes from the start of one open file to the position of another, inside the kernel.

    The bytes copied: fewer when the source ends before. `out` must not be in append mode (sendfile refuses it).
    """
    done = 0
    out.flush()
    while done < size:
        step = os.sendfile(out.fileno(), source.fileno(), done, min(COPY_BYTES, size - done))
        if step == 0:
            break
        done += step
        if progress:
            progress(done)
    return done


def synced(path: Path) -> None:
    """Puts a file's data on the medium."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Puts a directory's entries (a rename in it) on the medium."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def removed(path: Path) -> Iterator[None]:
    """Removes a temporary file afterwards, if it is still there under its name."""
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces a small file in one step; a kill leaves the old one or the new one."""
    temporary = path.with_name(f"{path.name}.new")
    with removed(temporary):
        temporary.write_bytes(data)
        temporary.replace(path)
