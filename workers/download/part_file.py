"""A part file in the directory store and, beside it, a checkpoint that says what of it can be believed.

The checkpoint holds the validators of the source, a count of bytes and the SHA-256 of exactly those bytes. A next
process hashes them again (it needs the digest's state anyway): what a crash or a power cut did to the file is found,
and the download starts anew rather than from bytes that nobody vouches for.
"""

import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from narwhal_operator.contract.naming import digest_of
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.directory import DirectoryStore
from workers.common.files import store_errors, write_atomically
from workers.common.store import ObjectInfo
from workers.download.checkpoint import Checkpoint, read_checkpoint
from workers.download.digest import Digests
from workers.download.rules import Source
from workers.download.sink import Target

CHECKPOINT_BYTES: Final = 16 * 1024 * 1024
CHECKPOINT_SECONDS: Final = 0.5
"""A checkpoint is written when either has passed: at most so much is fetched again."""
READ_BYTES: Final = 1024 * 1024
SPARE_BYTES: Final = 16 * 1024 * 1024
"""Room on the volume that a download leaves to others."""


class PartFile:
    """The bytes of one object of a directory store, until they are the object."""

    def __init__(self, store: DirectoryStore, target: Target, digests: Digests) -> None:
        self.have = 0
        self.source: Source | None = None
        self.content_type = ""
        self.digests = digests
        self._store = store
        self.target = target
        self._path, self._checkpoint = part_paths(store, target.bucket, target.key)
        self._told_bytes = 0
        self._told_at = 0.0
        self._done = False
        self._fd = self._open()

    def resume(self) -> None:
        """Takes over the bytes of the checkpoint if the file has them, and cuts what is after them."""
        with store_errors(self._path):
            known = found_checkpoint(self._checkpoint, self.target.key)
            if known is not None and known.source.resumable and self._proven(known):
                self.source, self.have, self.content_type = known.source, known.count, known.content_type
            else:
                self.digests.reset()
            os.ftruncate(self._fd, self.have)

    def begin(self, source: Source, content_type: str) -> None:
        """Empties the file and notes the new source."""
        with store_errors(self._path):
            os.ftruncate(self._fd, 0)
            self.have, self.source, self.content_type = 0, source, content_type
            self.digests.reset()
            self._check_room(source.length)
            self._tell()

    def write(self, blocks: Sequence[bytes]) -> None:
        """Appends, and writes a checkpoint now and then."""
        with store_errors(self._path):
            for block in blocks:
                done = 0
                while done < len(block):
                    done += os.pwrite(self._fd, memoryview(block)[done:], self.have + done)
                # Only then, and both at once: a checkpoint has the digest of exactly the bytes it counts.
                self.digests.update([block])
                self.have += done
            unsaid = self.have - self._told_bytes
            if unsaid >= CHECKPOINT_BYTES or (unsaid and time.monotonic() - self._told_at >= CHECKPOINT_SECONDS):
                self._tell()

    def seal(self) -> None:
        """Nothing: the bytes are in the file, and its lock keeps others out."""

    def finish(self) -> ObjectInfo:
        """Makes the part file the object: fsync and rename."""
        metadata = {**self.target.metadata(), "narwhal-sha256": self.digests.sha256}
        about = {"contentType": self.content_type, "metadata": metadata}
        found = self._store.place(self.target.bucket, self.target.key, self._path, about)
        self._checkpoint.unlink(missing_ok=True)
        self._done = True
        return found

    def discard(self) -> None:
        """Empties the file and forgets the source."""
        with store_errors(self._path):
            os.ftruncate(self._fd, 0)
            self._checkpoint.unlink(missing_ok=True)
        self.have, self.source = 0, None
        self.digests.reset()

    def keep(self) -> None:
        """Notes all that is held, for the next process; what it could not prove is removed."""
        if self._done:
            return
        if self.source is None or not self.source.resumable or not self.have:
            self.remove()
            return
        with store_errors(self._path):
            self._tell()

    def remove(self) -> None:
        """Removes the file and its checkpoint."""
        if self._done:
            return
        with store_errors(self._path):
            self._checkpoint.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)

    def _open(self) -> int:
        with store_errors(self._path):
            while True:
                handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(handle)
                    raise WorkError(
                        Reason.STORE_ERROR,
                        f"Another process is fetching {self.target.bucket}/{self.target.key} to this store; "
                        "let it end first.",
                    ) from None
                # The lock may be on a file that its former owner has just renamed or removed: then take the new one.
                if self._path.exists() and os.path.samestat(os.fstat(handle), self._path.stat()):
                    return handle
                os.close(handle)

    def _check_room(self, length: int | None) -> None:
        free = os.fstatvfs(self._fd)
        room = free.f_bavail * free.f_frsize
        if length is not None and length + SPARE_BYTES > room:
            raise WorkError(
                Reason.STORE_FULL, f"{self._path.parent} has room for {room} bytes, the file has {length}; make room."
            )

    def _tell(self) -> None:
        if self.source is None:
            return
        target = self.target
        known = Checkpoint(target.uid, target.key, self.source, self.content_type, self.have, self.digests.sha256)
        write_atomically(self._checkpoint, known.text())
        self._told_bytes, self._told_at = self.have, time.monotonic()

    def _proven(self, known: Checkpoint) -> bool:
        """Whether the file has the bytes the checkpoint counts; they are in the digests afterwards."""
        done = 0
        while done < known.count:
            block = os.pread(self._fd, min(READ_BYTES, known.count - done), done)
            if not block:
                return False
            self.digests.update([block])
            done += len(block)
        return self.digests.sha256 == known.sha256


def part_paths(store: DirectoryStore, bucket: str, key: str) -> tuple[Path, Path]:
    """The part file of a key and its checkpoint, in the bucket's own corner: no directory of media is littered."""
    directory = store.private(bucket, "partial")
    name = digest_of(key, 32)
    return directory / f"{name}.part", directory / f"{name}.json"


def found_checkpoint(path: Path, key: str) -> Checkpoint | None:
    """The checkpoint in a file, if there is a believable one."""
    try:
        return read_checkpoint(path.read_bytes(), key)
    except FileNotFoundError:
        return None
