"""Where the bytes go while they come: to a part file of a directory store, or to the parts of an S3 upload.

Nothing is seen under the object's own key until `finish`, which is called when all bytes are there and checked.
Methods are synchronous and called from one thread at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from workers.common.directory import DirectoryStore
from workers.common.store import ObjectInfo, ObjectStore
from workers.download.digest import Digests
from workers.download.rules import Source


@dataclass(frozen=True, slots=True)
class Target:
    """The object to make, whose it is, a name for this making of it (record.py), and which attempt it is."""

    bucket: str
    key: str
    uid: str
    work: str
    transfer: str
    attempt: int = 1

    def metadata(self) -> dict[str, str]:
        """What the object says of its origin."""
        return {
            "narwhal-uid": self.uid,
            "narwhal-work": self.work,
            "narwhal-transfer": self.transfer,
            "narwhal-attempt": str(self.attempt),
        }


class Sink(Protocol):
    """Holds the first `have` bytes of `source`, and their digests."""

    target: Target
    have: int
    source: Source | None
    content_type: str
    digests: Digests

    def resume(self) -> None:
        """Takes over what an earlier process left, if it is proven to be what it says; clears what is not."""

    def begin(self, source: Source, content_type: str) -> None:
        """Starts anew, from byte 0 of a representation; what was held is given up. Raises StoreFull early."""

    def write(self, blocks: Sequence[bytes]) -> None:
        """Takes the bytes that follow; none when the source pauses, and what is held may be noted."""

    def seal(self) -> None:
        """All bytes have come and are checked: has them all stored. Raises when another process has the work now."""

    def finish(self) -> ObjectInfo:
        """Makes the object appear under its key, after `seal`."""

    def discard(self) -> None:
        """Gives up all that is held; the sink can begin anew."""

    def keep(self) -> None:
        """The process ends and another may go on: keeps what that one can use, removes the rest."""

    def remove(self) -> None:
        """The process ends and nothing of this is wanted: leaves no trace."""


def open_sink(store: ObjectStore, target: Target, digests: Digests) -> Sink:
    """The sink that fits the store."""
    if isinstance(store, DirectoryStore):
        from workers.download.part_file import PartFile

        return PartFile(store, target, digests)
    from workers.download.upload import Upload

    return Upload(store, target, digests)
