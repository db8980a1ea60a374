"""A whole file becomes an object: its digests, its media type, what the object says of itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from narwhal_operator.contract.order import OrderHead
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.files import scratch_errors
from workers.download.digest import Digests, Wanted
from workers.download.sniff import HEAD_BYTES, media_type
from workers.download.torrent.choice import Chosen
from workers.download.torrent.keep import Keep
from workers.download.torrent.record import Entry, Made, metadata_of

BLOCK_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Publisher:
    """Makes objects of files, for one resource and one torrent; `wanted` is the digest a single file must have."""

    keep: Keep
    head: OrderHead
    torrent: str
    wanted: Wanted | None = None

    def publish(self, chosen: Chosen) -> Made:
        """Hashes the file, then makes it the object. Raises WorkError(ChecksumMismatch) before anything appears.

        The bytes have passed the torrent's own hashes; SHA-256 is what everything after the download knows them by.
        """
        path = self.keep.path(chosen.file.index)
        with scratch_errors(path):
            path.touch()  # libtorrent makes no file of 0 bytes that it had nothing to check in
        sha256, head = self._digest(path, chosen)
        entry = Entry(chosen.file.index, chosen.key, chosen.file.size)
        made = Made(entry, self.head.uid, sha256, media_type(head, "", chosen.file.path))
        self.keep.publish(entry.index, entry.key, made.content_type, metadata_of(self.head, self.torrent, made))
        return made

    def _digest(self, path: Path, chosen: Chosen) -> tuple[str, bytes]:
        digests, size, first = Digests(self.wanted), 0, b""
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK_BYTES):
                first = first or block[:HEAD_BYTES]
                size += len(block)
                digests.update((block,))
        if size != chosen.file.size:
            raise WorkError(
                Reason.INTERNAL_ERROR,
                f"{chosen.key}: {size} of {chosen.file.size} bytes are on disk; it is tried again.",
            )
        digests.check(chosen.key)
        return digests.sha256, first
