"""An input as it lies on scratch: open, and what its bytes say before any demuxer sees it."""

import os
from io import BufferedReader
from pathlib import Path

import msgspec

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.transcode.sniff import Sniff, sniff
from workers.transcode.source import Source


class InputFile(msgspec.Struct, frozen=True):
    """An open input. Programs read it by its descriptor: no name of a user's is ever an argument of theirs."""

    file: BufferedReader
    size: int
    name: str
    """For messages: bucket/key."""
    written: int
    """When its content last changed, in nanoseconds."""
    seen: Sniff
    """What its bytes say."""

    @property
    def fd(self) -> int:
        """The descriptor programs inherit."""
        return self.file.fileno()

    @property
    def source(self) -> Source:
        """How FFmpeg opens it: anew, with a position of its own."""
        return Source(f"/dev/fd/{self.fd}")

    @property
    def trouble(self) -> WorkError | None:
        """Why it could not be read, where that is known and no fault of its own."""
        return None

    @property
    def changed(self) -> bool:
        """Whether it was written to since it was opened."""
        found = os.fstat(self.fd)
        return (found.st_size, found.st_mtime_ns) != (self.size, self.written)


def open_input(path: Path, name: str) -> InputFile:
    """Opens a fetched input. Raises WorkError(InputEmpty)."""
    found = path.stat()
    if found.st_size == 0:
        raise WorkError(Reason.INPUT_EMPTY, f"{name} has 0 bytes; upload the file again.")
    file = path.open("rb")
    return InputFile(file, found.st_size, name, found.st_mtime_ns, sniff(file, found.st_size))


def check_unchanged(given: InputFile) -> None:
    """An input in a directory store is linked, not copied: who writes into it changes what is encoded.

    Raises WorkError(InputChanged).
    """
    if given.changed:
        message = f"{given.name} was written to while it was encoded; start again when it is whole."
        raise WorkError(Reason.INPUT_CHANGED, message)
