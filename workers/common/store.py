"""Where objects are: one small protocol over an S3 store and a directory.

Every method is synchronous and thread-safe (workers call it through `asyncio.to_thread`) and raises
`WorkError` with a reason of the store's own (`Store*`, `BucketNotFound`, `Secret*`), classified where it happened.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import msgspec

from narwhal_operator.contract.order import DirectoryStore as DirectoryOrder
from narwhal_operator.contract.order import S3Store as S3Order

PRIVATE: Final = ".narwhal"
"""Prefix, in each bucket, of what is Narwhal's own: metadata, checkpoints, uploads under way. Never listed by `list`
of a directory store, never a place for media."""

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""Cache-Control of what never changes under its key: a year, the most RFC 9111 caches make use of; RFC 8246."""
POINTER: Final = "public, max-age=5, must-revalidate"
"""Cache-Control of a key that is replaced, such as a master playlist."""

CONTENT_TYPES: Final[Mapping[str, str]] = {
    ".m3u8": "application/vnd.apple.mpegurl",  # RFC 8216 section 4
    ".mpd": "application/dash+xml",  # ISO/IEC 23009-1 annex C
    ".m4s": "video/iso.segment",  # ISO/IEC 23009-1 annex C.3
    ".mp4": "video/mp4",  # RFC 4337
    ".ts": "video/mp2t",  # RFC 3555
    ".json": "application/json",  # RFC 8259
    ".vtt": "text/vtt",
    ".jpg": "image/jpeg",
}

Progress = Callable[[int], None]
"""Told the bytes moved so far."""


def content_type_of(key: str) -> str:
    """The media type of a key by its extension; `application/octet-stream` when it says nothing."""
    return CONTENT_TYPES.get(Path(key).suffix.lower(), "application/octet-stream")


class ObjectInfo(msgspec.Struct, frozen=True):
    """What a store knows of an object. Metadata names are lower case; `etag` is opaque and without quotes."""

    key: str
    size: int
    etag: str
    content_type: str | None = None
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    last_modified: datetime | None = None


class PartInfo(msgspec.Struct, frozen=True):
    """A stored part of a multipart upload; numbers start at 1."""

    number: int
    etag: str
    size: int


class UploadInfo(msgspec.Struct, frozen=True):
    """A multipart upload that is neither completed nor aborted."""

    key: str
    upload_id: str
    started: datetime | None = None


class ObjectStore(Protocol):
    """An object store as workers use it."""

    def check_bucket(self, bucket: str) -> None:
        """Raises WorkError when the bucket cannot be used, with the mend; every worker asks this first."""

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        """What is known of the object; None when there is none."""

    def read(self, bucket: str, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The object's bytes from `start`, at most `length`: for small objects. Raises InputNotFound without one."""

    def fetch(
        self, bucket: str, key: str, path: Path, progress: Progress | None = None, known: ObjectInfo | None = None
    ) -> ObjectInfo:
        """The whole object to a file; its size is checked. Raises InputNotFound, ScratchFull, InputChanged.

        Where it is known already it must be that object still.
        """

    def put(
        self,
        bucket: str,
        key: str,
        data: bytes,
        *,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Stores bytes under the key, at once and whole."""

    def put_file(
        self,
        bucket: str,
        key: str,
        path: Path,
        *,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Stores a file under the key, at once and whole; large files go in parts."""

    def copy(self, bucket: str, source: ObjectInfo, key: str) -> ObjectInfo:
        """Stores an object of the bucket under another key too, with what is known of it; its bytes stay in the store.

        At most 5 GiB. Raises InputNotFound when it is gone, InputChanged when it is not the one of that ETag any more,
        NotSupported when the store does not copy.
        """

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose key starts with the prefix, by key; without metadata and content type."""

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        """Removes objects; one that does not exist is no error."""

    def url(self, bucket: str, key: str) -> str:
        """The object's URL: `s3://bucket/key` or `file:///…`."""

    def start_upload(
        self,
        bucket: str,
        key: str,
        *,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Starts a multipart upload; its id. Nothing is seen under the key until `complete_upload`."""

    def put_part(self, bucket: str, key: str, upload_id: str, number: int, data: bytes) -> PartInfo:
        """Stores part `number` (1 to 10,000; all but the last at least 5 MiB in S3), replacing one of that number."""

    def list_parts(self, bucket: str, key: str, upload_id: str) -> tuple[PartInfo, ...]:
        """The stored parts by number; none when the upload does not exist."""

    def complete_upload(self, bucket: str, key: str, upload_id: str, parts: Sequence[PartInfo]) -> ObjectInfo:
        """Makes the parts the object, at once; the size is checked against the parts'."""

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """Removes an upload and its parts; one that does not exist is no error."""

    def list_uploads(self, bucket: str, prefix: str) -> tuple[UploadInfo, ...]:
        """Uploads under way whose key starts with the prefix."""


def open_store(order: S3Order | DirectoryOrder) -> ObjectStore:
    """The store an order names. Raises WorkError(SecretNotFound | SecretInvalid) of its credentials.

    The S3 client is imported only here: a run to a directory does not pay for it.
    """
    if isinstance(order, DirectoryOrder):
        from workers.common.directory import DirectoryStore

        return DirectoryStore(Path(order.root))
    from workers.common.lean import importing

    with importing():
        from workers.common.s3 import open_s3

    return open_s3(order)
