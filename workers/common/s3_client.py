"""The S3 client and what it is made of: a mounted Secret, a connection pool with bounds, certificate authorities."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

import urllib3
from minio import Minio
from minio.datatypes import ListMultipartUploadsResult, Object, Part, parse_copy_object
from minio.helpers import genheaders
from minio.xml import findtext

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.secrets import read_secret
from workers.common.store import PartInfo
from workers.common.tls import trusting

if TYPE_CHECKING:
    from minio.helpers import DictType

CONNECTIONS: Final = 16
"""Connections kept to the store: the most threads of a worker that call it at once."""
CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 60.0
"""Longest silence of the store: completing a large upload is the slowest honest answer."""
RETRIES: Final = 4
BACKOFF_SECONDS: Final = 0.2
"""First pause before a retry; doubles, so that all are over after about 3 s and the operator's own backoff takes over."""


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What a storage Secret holds. It has no repr: nothing of it may reach a log."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str | None
    ca_bundle: str | None
    path_style: bool | None


def read_credentials(directory: Path, secret: str) -> Credentials:
    """The credentials in a mounted Secret. Raises WorkError(SecretNotFound | SecretInvalid)."""
    found = {key: value.strip() for key, value in read_secret(directory, secret).items()}
    lacking = [key for key in ("endpoint", "accessKeyId", "secretAccessKey") if not found.get(key)]
    if lacking:
        raise _invalid(secret, f"lacks {', '.join(lacking)}")
    url = urlsplit(found["endpoint"])
    if url.scheme not in {"http", "https"} or not url.hostname or url.path.strip("/") or url.query or "@" in url.netloc:
        raise _invalid(secret, "has an endpoint that is no URL such as https://s3.example.com:9000")
    style = found.get("pathStyle", "").lower()
    if style not in {"", "true", "false"}:
        raise _invalid(secret, "has a pathStyle that is neither true nor false")
    return Credentials(
        endpoint=f"{url.scheme}://{url.netloc}",
        access_key=found["accessKeyId"],
        secret_key=found["secretAccessKey"],
        region=found.get("region") or None,
        ca_bundle=found.get("caBundle") or None,
        path_style={"true": True, "false": False}.get(style),
    )


def _invalid(secret: str, what: str) -> WorkError:
    return WorkError(Reason.SECRET_INVALID, f"The Secret {secret} {what}.")


def _pool(credentials: Credentials, secret: str) -> urllib3.PoolManager:
    retries = urllib3.Retry(
        total=RETRIES,
        backoff_factor=BACKOFF_SECONDS,
        backoff_jitter=BACKOFF_SECONDS,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,  # every request here may be repeated: keys and part numbers make them idempotent
        raise_on_status=False,  # the last answer has the S3 error code
        redirect=0,  # another host would get the signature
        respect_retry_after_header=False,  # the store may not make a worker sleep for hours
    )
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        maxsize=CONNECTIONS,
        block=False,
        retries=retries,
        ssl_context=_tls(credentials, secret) if credentials.endpoint.startswith("https:") else None,
    )


def _tls(credentials: Credentials, secret: str) -> ssl.SSLContext:
    try:
        return trusting(credentials.ca_bundle)
    except ValueError:
        raise _invalid(secret, "has a caBundle that holds no PEM certificate") from None


class Client(Minio):
    """The client, with the steps of a multipart upload that it keeps for its subclasses.

    One process starts, another adds parts, a third completes: the client's own `put_object` is all three at once.
    """

    def first_key(self, bucket: str) -> Object | None:
        """The first object of a bucket, by a listing of one key."""
        return next(self._list_objects(bucket, max_keys=1), None)

    def put_bytes(self, bucket: str, key: str, data: bytes, headers: "DictType") -> str:
        """PutObject in one request; the ETag."""
        return self._put_object(bucket, key, data, headers).etag or ""

    def copy(self, bucket: str, source: str, etag: str, key: str) -> str:
        """CopyObject within a bucket, of the object of that ETag; the ETag of the copy.

        The client's own `copy_object` asks for the source's size first: a request more for each.
        """
        headers = {"x-amz-copy-source": quote(f"{bucket}/{source}"), "x-amz-copy-source-if-match": f'"{etag}"'}
        answer = self._execute("PUT", bucket, object_name=key, headers=cast("DictType", headers))
        # It answers 200 before it has copied, and says in the body how that went.
        return (parse_copy_object(answer)[0] or "").strip('"')

    def start(self, bucket: str, key: str, headers: "DictType") -> tuple[str, bool]:
        """CreateMultipartUpload; the upload's id, and whether it was asked for more than once: each may have started one."""
        answer = self._execute("POST", bucket, object_name=key, headers=headers, query_params={"uploads": ""})
        found = findtext(ET.fromstring(answer.data.decode()), "UploadId", strict=True)  # noqa: S314 - of the store that is written to
        return cast("str", found), bool(answer.retries and answer.retries.history)

    def add(self, bucket: str, key: str, upload_id: str, number: int, data: bytes) -> str:
        """UploadPart; the part's ETag."""
        return self._upload_part(bucket, key, data, None, upload_id, number)

    def all_parts(self, bucket: str, key: str, upload_id: str) -> list[Part]:
        """ListParts: at most 10,000, 1,000 a page."""
        found: list[Part] = []
        marker: str | None = None
        for _ in range(11):
            page = self._list_parts(bucket, key, upload_id, part_number_marker=marker)
            found += page.parts
            marker = page.next_part_number_marker
            if not page.is_truncated:
                break
        return found

    def complete(self, bucket: str, key: str, upload_id: str, parts: Sequence[PartInfo]) -> str:
        """CompleteMultipartUpload; the object's ETag."""
        wanted = [Part(part.number, part.etag) for part in parts]
        result = self._complete_multipart_upload(bucket, key, upload_id, wanted)
        return (result.etag or "").strip('"')

    def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """AbortMultipartUpload."""
        self._abort_multipart_upload(bucket, key, upload_id)

    def uploads(self, bucket: str, prefix: str) -> ListMultipartUploadsResult:
        """ListMultipartUploads: the first 1,000."""
        return self._list_multipart_uploads(bucket, prefix=prefix)


def open_client(credentials: Credentials, secret: str) -> Client:
    """The client of credentials. Raises WorkError(SecretInvalid)."""
    url = urlsplit(credentials.endpoint)
    aws = bool(url.hostname and url.hostname.endswith(".amazonaws.com"))
    try:
        client = Client(
            url.netloc,
            access_key=credentials.access_key,
            secret_key=credentials.secret_key,
            secure=url.scheme == "https",
            # Others than AWS take any region; without one the client would ask for it, bucket by bucket.
            region=credentials.region or (None if aws else "us-east-1"),
            http_client=_pool(credentials, secret),
        )
    except ValueError:
        raise _invalid(secret, "has an endpoint or a region that is malformed") from None
    if credentials.path_style is False:
        client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]  # the client leaves it untyped
    elif credentials.path_style or not aws:
        client.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]  # the client leaves it untyped
    return client


def object_headers(content_type: str, cache_control: str | None, metadata: Mapping[str, str] | None) -> "DictType":
    """The request headers that give an object its content type, cache control and metadata."""
    given: dict[str, str] = {**(metadata or {}), "Content-Type": content_type}
    if cache_control:
        given["Cache-Control"] = cache_control
    return genheaders(cast("DictType", given), None, None, None, legal_hold=False)
