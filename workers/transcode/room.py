"""Room on the scratch volume: what the input may take of it, and what is kept for segments on their way to the store."""

import os
from pathlib import Path

from narwhal_operator.contract.outcome import TABLE, Reason, WorkError
from workers.transcode import limits


def kept(bound: int | None) -> int:
    """Bytes of a scratch volume that are the segments'; `bound` is what it may hold, None: as much as the disk."""
    most = 2 * limits.WAITING_BYTES
    return most if bound is None else min(most, bound // 4)


def require(name: str, size: int, bound: int | None) -> None:
    """Raises WorkError(ScratchFull) where an input cannot lie on the scratch volume and leave room for segments."""
    if bound is None or size + kept(bound) <= bound:
        return
    message = f"{name} has {size} bytes, the scratch volume room for {bound}, of which {kept(bound)} are the segments'."
    raise WorkError(Reason.SCRATCH_FULL, f"{message} {TABLE[Reason.SCRATCH_FULL].mend}")


def free(path: Path) -> int:
    """Bytes that may still be written to the volume of a path."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize
