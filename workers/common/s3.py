"""An S3 store through the `minio` client: any endpoint, region, certificate authority and addressing style."""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import urllib3
from minio.datatypes import Part
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from narwhal_operator.contract.order import S3Store as S3Order
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.files import scratch_errors
from workers.common.s3_client import Credentials, object_headers, open_client, read_credentials
from workers.common.s3_errors import Place, missing, s3_errors
from workers.common.store import ObjectInfo, PartInfo, Progress, UploadInfo

PART_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a part of a file that is stored in parts: three in flight are 48 MiB."""
CHUNK_BYTES: Final = 1024 * 1024
FETCHES: Final = 5
"""Connections that may break while one object is fetched."""


def open_s3(order: S3Order) -> "S3Store":
    """The store of a mounted Secret. Raises WorkError(SecretNotFound | SecretInvalid)."""
    return S3Store(read_credentials(Path(order.credentials), order.secret), order.secret)


class S3Store:
    """Objects in S3."""

    def __init__(self, credentials: Credentials, secret: str) -> None:
        self.place = Place(credentials.endpoint, secret)
        self._client = open_client(credentials, secret)

    def check_bucket(self, bucket: str) -> None:
        """Asks for the bucket by a listing of one key: what the credentials need anyway. Raises WorkError."""
        with s3_errors(self.place, f"bucket {bucket}"):
            self._client.first_key(bucket)

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        """What is known of the object; None when there is none."""
        with s3_errors(self.place, f"{bucket}/{key}"):
            try:
                found = self._client.stat_object(bucket, key)
            except S3Error as error:
                if missing(error):
                    return None
                raise
        headers = {name.lower(): str(value) for name, value in (found.metadata or {}).items()}
        mark = "x-amz-meta-"
        return ObjectInfo(
            key=key,
            size=found.size or 0,
            etag=found.etag or "",
            content_type=found.content_type,
            metadata={name[len(mark) :]: value for name, value in headers.items() if name.startswith(mark)},
            last_modified=found.last_modified,
        )

    def read(self, bucket: str, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The object's bytes from `start`, at most `length`."""
        if length == 0:
            return b""
        with s3_errors(self.place, f"{bucket}/{key}"):
            try:
                answer = self._client.get_object(bucket, key, offset=start, length=length or 0)
            except S3Error as error:
                if error.code == "InvalidRange":  # nothing there, as of an empty object: no bytes, as a file has it
                    return b""
                raise
            try:
                return answer.read()
            finally:
                answer.close()
                answer.release_conn()

    def fetch(
        self, bucket: str, key: str, path: Path, progress: Progress | None = None, known: ObjectInfo | None = None
    ) -> ObjectInfo:
        """The whole object to a file. A broken connection goes on where it broke, by If-Match on the same object."""
        found = known or self.head(bucket, key)
        if found is None:
            raise WorkError(Reason.INPUT_NOT_FOUND, f"{bucket}/{key} does not exist in {self.place}; upload it.")
        with scratch_errors(path), path.open("wb") as out:
            for _ in range(FETCHES):
                self._fetch_rest(bucket, found, out.fileno(), progress)
                if out.seek(0, 2) >= found.size:
                    return found
        raise WorkError(Reason.STORE_ERROR, f"{bucket}/{key}: {self.place} breaks off again and again.")

    def _fetch_rest(self, bucket: str, found: ObjectInfo, out: int, progress: Progress | None) -> None:
        done = os.fstat(out).st_size
        if done >= found.size:
            return
        what = f"{bucket}/{found.key}"
        with s3_errors(self.place, what):
            try:
                answer = self._client.get_object(
                    bucket, found.key, offset=done, request_headers={"If-Match": f'"{found.etag}"'}
                )
            except S3Error as error:
                if error.code != "PreconditionFailed":
                    raise
                raise WorkError(Reason.INPUT_CHANGED, f"{what} was replaced while it was read; start again.") from error
            try:
                while done < found.size and (block := answer.read(min(CHUNK_BYTES, found.size - done))):
                    _write(out, block)
                    done += len(block)
                    if progress:
                        progress(done)
            except (urllib3.exceptions.ProtocolError, urllib3.exceptions.TimeoutError):
                return  # cut: the caller goes on from here
            finally:
                answer.close()
                answer.release_conn()

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
        """Stores bytes under the key in one request."""
        headers = object_headers(content_type, cache_control, metadata)
        with s3_errors(self.place, f"{bucket}/{key}"):
            etag = self._client.put_bytes(bucket, key, data, headers)
        return ObjectInfo(key, len(data), etag, content_type, dict(metadata or {}))

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
        """Stores a file; one over PART_BYTES in parts, aborted when one fails."""
        headers = object_headers(content_type, cache_control, metadata)
        with s3_errors(self.place, f"{bucket}/{key}"), path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            result = self._client.put_object(
                bucket, key, file, size, content_type=content_type, metadata=headers, part_size=PART_BYTES
            )
        return ObjectInfo(key, size, result.etag or "", content_type, dict(metadata or {}))

    def copy(self, bucket: str, source: ObjectInfo, key: str) -> ObjectInfo:
        """A copy within the store, in one request, of the very object that was listed."""
        what = f"{bucket}/{source.key}"
        with s3_errors(self.place, what):
            try:
                etag = self._client.copy(bucket, source.key, source.etag, key)
            except S3Error as error:
                if error.code == "PreconditionFailed":
                    message = f"{what} was replaced since it was listed; start again."
                    raise WorkError(Reason.INPUT_CHANGED, message) from error
                if error.code == "NotImplemented":
                    raise WorkError(Reason.NOT_SUPPORTED, f"{what}: {self.place} copies no objects.") from error
                raise
        return ObjectInfo(key, source.size, etag, content_type=source.content_type, metadata=source.metadata)

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose key starts with the prefix, by key."""
        with s3_errors(self.place, f"bucket {bucket}"):
            for item in self._client.list_objects(bucket, prefix=prefix, recursive=True):
                yield ObjectInfo(
                    item.object_name or "", item.size or 0, item.etag or "", last_modified=item.last_modified
                )

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        """Removes objects, a thousand a request."""
        with s3_errors(self.place, f"bucket {bucket}"):
            for error in self._client.remove_objects(bucket, (DeleteObject(key) for key in keys)):
                if error.code not in {"NoSuchKey", "NoSuchVersion"}:
                    raise WorkError(
                        Reason.STORE_ACCESS_DENIED if error.code == "AccessDenied" else Reason.STORE_ERROR,
                        f"{bucket}/{error.name}: {self.place} does not delete it ({error.code}).",
                    )

    def url(self, bucket: str, key: str) -> str:
        """The object's URL."""
        return f"s3://{bucket}/{key}"

    def start_upload(
        self,
        bucket: str,
        key: str,
        *,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Starts a multipart upload; its id."""
        headers = object_headers(content_type, cache_control, metadata)
        with s3_errors(self.place, f"{bucket}/{key}"):
            began = time.monotonic()
            upload_id, repeated = self._client.start(bucket, key, headers)
            if repeated:
                self._abort_strays(bucket, key, upload_id, timedelta(seconds=time.monotonic() - began + 1))
            return upload_id

    def _abort_strays(self, bucket: str, key: str, upload_id: str, lately: timedelta) -> None:
        """Removes what earlier tries of a request have started: the store's answer was lost, and no note will ever name it."""
        started = {one.upload_id: one.started for one in self.list_uploads(bucket, key) if one.key == key}
        mine = started.pop(upload_id, None)
        for other, at in started.items():
            if mine and at and timedelta(0) <= mine - at < lately:
                self.abort_upload(bucket, key, other)

    def put_part(self, bucket: str, key: str, upload_id: str, number: int, data: bytes) -> PartInfo:
        """Stores a part."""
        with s3_errors(self.place, f"{bucket}/{key} part {number}"):
            return PartInfo(number, self._client.add(bucket, key, upload_id, number, data), len(data))

    def list_parts(self, bucket: str, key: str, upload_id: str) -> tuple[PartInfo, ...]:
        """The stored parts by number. Of a number stored twice SeaweedFS lists both: the later one is the part.

        Its times are whole seconds: of two within one the part has no ETag, for nobody can tell which it is.
        """
        with s3_errors(self.place, f"upload of {bucket}/{key}"):
            try:
                found = self._client.all_parts(bucket, key, upload_id)
            except S3Error as error:
                if error.code not in {"NoSuchUpload", "NoSuchKey"}:
                    raise
                return ()
        found.sort(key=lambda part: (part.part_number, part.last_modified))
        latest: dict[int, Part] = {}
        for part in found:
            before = latest.get(part.part_number)
            twin = before is not None and before.last_modified == part.last_modified and before.etag != part.etag
            latest[part.part_number] = replace(part, etag="") if twin else part
        return tuple(PartInfo(part.part_number, part.etag, part.size or 0) for part in latest.values())

    def complete_upload(self, bucket: str, key: str, upload_id: str, parts: Sequence[PartInfo]) -> ObjectInfo:
        """Makes the parts the object, and checks that it is: some stores answer 200 with an error inside.

        A repeated request whose first answer was lost finds the upload gone; then the object's ETag tells whether it is
        these parts: the MD5 of their MD5s and their number, as AWS, MinIO and SeaweedFS make it.
        """
        what = f"{bucket}/{key}"
        with s3_errors(self.place, what):
            try:
                etag = self._client.complete(bucket, key, upload_id, parts)
            except S3Error as error:
                found = self.head(bucket, key) if error.code == "NoSuchUpload" else None
                if found is None or found.etag != _joined_etag(parts):
                    raise
                return found
        found = self.head(bucket, key)
        if found is None or found.size != sum(part.size for part in parts) or found.etag != etag:
            raise WorkError(Reason.STORE_ERROR, f"{what}: {self.place} did not make the object of its parts.")
        return found

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """Removes an upload and its parts."""
        with s3_errors(self.place, f"upload of {bucket}/{key}"):
            try:
                self._client.abort(bucket, key, upload_id)
            except S3Error as error:
                if error.code not in {"NoSuchUpload", "NoSuchKey"}:
                    raise

    def list_uploads(self, bucket: str, prefix: str) -> tuple[UploadInfo, ...]:
        """Uploads under way whose key starts with the prefix, at most 1,000."""
        with s3_errors(self.place, f"bucket {bucket}"):
            page = self._client.uploads(bucket, prefix)
        return tuple(UploadInfo(item.object_name, item.upload_id or "", item.initiated_time) for item in page.uploads)


def _write(out: int, block: bytes) -> None:
    """All of it: a disk that is nearly full takes less than it is given, and says so at the next write only."""
    left = memoryview(block)
    while left:
        left = left[os.write(out, left) :]


def _joined_etag(parts: Sequence[PartInfo]) -> str:
    try:
        joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    except ValueError:  # encrypted objects have other ETags: nothing can be told by them
        return ""
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"
