"""DownloadJob: spec and status. The CRD is generated from these models."""

from typing import Annotated, ClassVar, Final, Literal

from narwhal_operator.contract.base import BucketName, Duration, ObjectKey, Quantity, Span, lasting
from narwhal_operator.contract.common import (
    CaBundleSource,
    HeadersSource,
    JobStatus,
    LocalRef,
    OneOf,
    Suspendable,
    exactly_one,
)
from narwhal_operator.contract.model import Contract, Field
from narwhal_operator.contract.rules import Check, Rule, immutable, matches

KIND: Final = "DownloadJob"


def _is_url(value: str) -> bool:
    blank = any(letter in value for letter in " \t\n\f\r")
    return value.startswith(("http://", "https://")) and not blank and value.split("/")[2] != ""


def _bare(value: str) -> bool:
    return not value.startswith(("http://", "https://")) or "@" not in value.split("/")[2]


# Two rules with hardly a regular expression: with 256 items of 12 mirrors one that does it all is over the API
# server's cost limit for a rule.
Url = Annotated[
    str,
    Field(min_length=8, max_length=2048),
    Check(
        "(self.startsWith('http://') || self.startsWith('https://')) && self != 'https://'"
        " && !self.startsWith('http:///') && !self.startsWith('https:///') && !self.matches('\\\\s')",
        "must be an http or https URL without blanks, such as https://example.org/film.mp4",
        _is_url,
    ),
    Check(
        "!(self.startsWith('http://') || self.startsWith('https://')) || !self.split('/')[2].contains('@')",
        "must not hold user:password@; put an Authorization header into the Secret that headersFrom names",
        _bare,
        forbidden=True,
    ),
]
"""An http or https URL without credentials in it (those belong into headersFrom)."""


class HttpSource(Contract):
    """One file, served by one or more mirrors over HTTP."""

    urls: list[Url] = Field(
        min_length=1,
        max_length=12,
        description="Where the file is: http or https, the same file at each. Without user:password (use headersFrom).",
    )
    headers_from: HeadersSource | None = Field(None, description="Request headers, such as Authorization.")
    ca_bundle_from: CaBundleSource | None = Field(None, description="Certificate authority to trust beside the public.")


class Seed(Contract):
    """How long to upload to other peers after the download is done."""

    ratio: float = Field(0, ge=0, le=100, description="Uploaded bytes over downloaded; 0 stops at once.")
    time: Duration | None = Field(
        None, description="At most this long, such as 1h; absent: until the ratio is reached."
    )


MAGNET_PATTERN: Final = r"^magnet:\?([^\x00- &]*&)*xt=urn:bt[im]h:[^\x00- ]+$"

Magnet = Annotated[
    str,
    Field(max_length=4096),
    matches(
        MAGNET_PATTERN,
        "must be a magnet link with an xt parameter, such as magnet:?xt=urn:btih:HASH",
    ),
]
"""A magnet link (BEP 9) of a torrent, version 1 (btih) or 2 (btmh)."""


class TorrentObject(Contract):
    """A .torrent file in a store."""

    bucket: BucketName = Field(description="Bucket of the object.")
    key: ObjectKey = Field(description="Key of the object.")
    storage_ref: LocalRef | None = Field(None, description="Secret of the store; absent uses narwhal-storage.")


class TorrentSource(OneOf):
    """A torrent, by magnet link or by its .torrent file: at a URL, or an object of a store."""

    one_of: ClassVar[str] = "torrent"
    exempt: ClassVar[frozenset[str]] = frozenset({"files", "metadata_timeout", "stall_timeout", "seed"})
    cel: ClassVar[tuple[Rule, ...]] = (exactly_one("magnet", "url", "object", of="torrent"),)

    magnet: Magnet | None = Field(None, description="A magnet link with an xt parameter.")
    url: Url | None = Field(None, description="URL of a .torrent file.")
    object: TorrentObject | None = Field(None, description="A .torrent file in a store.")
    files: list[Annotated[str, Field(min_length=1, max_length=512)]] | None = Field(
        None, min_length=1, max_length=64, description="Glob patterns of the files to take; absent takes all."
    )
    metadata_timeout: Annotated[Span, lasting("1s", "24h")] | None = Field(
        None,
        description="End the attempt when no peer has sent a magnet link's list of files after this long; 1s to 24h;"
        " absent: stallTimeout.",
    )
    stall_timeout: Annotated[Span, lasting("1s", "24h")] = Field(
        "30m", description="End the attempt when nothing arrives for this long; 1s to 24h."
    )
    seed: Seed | None = Field(None, description="Seeding after the download; absent does not seed.")


class Source(OneOf):
    """Where the content comes from."""

    one_of: ClassVar[str] = "source"
    cel: ClassVar[tuple[Rule, ...]] = (exactly_one("http", "torrent", of="source"),)

    http: HttpSource | None = Field(None, description="A file over HTTP or HTTPS.")
    torrent: TorrentSource | None = Field(None, description="A torrent.")


def _hex(digits: int) -> Check:
    """The check that a text is a digest of so many hex digits."""
    return matches(
        f"^[0-9a-fA-F]{{{digits}}}$", f"must be {digits} hex digits, as the publisher's checksum file has them"
    )


class Checksum(OneOf):
    """The digest the content must have."""

    one_of: ClassVar[str] = "checksum"
    cel: ClassVar[tuple[Rule, ...]] = (exactly_one("sha256", "sha512", "sha1", "md5", "url", of="checksum"),)

    sha256: Annotated[str, Field(max_length=64), _hex(64)] | None = Field(None, description="64 hex digits.")
    sha512: Annotated[str, Field(max_length=128), _hex(128)] | None = Field(None, description="128 hex digits.")
    sha1: Annotated[str, Field(max_length=40), _hex(40)] | None = Field(None, description="40 hex digits.")
    md5: Annotated[str, Field(max_length=32), _hex(32)] | None = Field(None, description="32 hex digits.")
    url: Url | None = Field(None, description="URL of a checksum file (SHA256SUMS style) that lists the file's name.")


class Destination(Contract):
    """Where the file goes."""

    bucket: BucketName = Field(description="Bucket; it must exist.")
    key: ObjectKey = Field(description="Key of the object. It appears only when the whole file is there and checked.")
    storage_ref: LocalRef | None = Field(
        None, description="Secret with endpoint, region, accessKeyId, secretAccessKey; absent uses narwhal-storage."
    )


class DownloadOptions(Suspendable):
    """How to download: what a MediaLibrary's downloadTemplate may set too."""

    connections: int = Field(8, ge=1, le=64, description="At most this many connections to the source at once.")
    max_bytes: Quantity | None = Field(None, description="Refuse a file larger than this, such as 50Gi.")
    bandwidth_limit: Quantity | None = Field(None, description="Bytes per second at most, such as 100Mi.")
    stall_timeout: Annotated[Span, lasting("1s", "24h")] = Field(
        "60s", description="End the attempt when no byte arrives for this long; 1s to 24h."
    )
    expect: Literal["Media", "Any"] = Field(
        "Media",
        description="Media refuses a web page, XML, JSON or text in place of a film; Any takes any content.",
    )


class DownloadJobSpec(DownloadOptions):
    """Fetch one source into one object."""

    cel: ClassVar[tuple[Rule, ...]] = (
        immutable("source", "create another DownloadJob"),
        immutable("destination", "create another DownloadJob"),
        immutable("checksum", "create another DownloadJob", optional=True),
    )

    source: Source = Field(description="Where the content comes from: exactly one of http, torrent.")
    checksum: Checksum | None = Field(None, description="The digest the content must have, checked while it streams.")
    destination: Destination = Field(description="Where the file goes.")


class MediaFacts(Contract):
    """What a probe says of a file, so that a library can show it."""

    container: str = Field(max_length=64, description="Container format, such as mov,mp4.")
    duration_seconds: float | None = Field(None, ge=0, description="Duration in seconds.")
    streams: list[Annotated[str, Field(max_length=128)]] = Field(
        default_factory=list, max_length=32, description="One line a stream."
    )


class ArtifactFile(Contract):
    """One object of a source of several files."""

    key: str = Field(max_length=1024, description="Key of the object.")
    size: int = Field(ge=0, description="Bytes.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the content, hex.")


FILES_LISTED: Final = 64
"""Objects a status lists at most; a termination message holds fewer (outcome.TERMINATION_LIMIT), so 4 KiB in all."""


class Artifact(Contract):
    """The object a DownloadJob made; of a source of several files, the main one: the largest video."""

    bucket: str = Field(max_length=63, description="Bucket of the object.")
    key: str = Field(max_length=1024, description="Key of the object.")
    size: int = Field(ge=0, description="Bytes.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the content, hex.")
    content_type: str | None = Field(None, max_length=255, description="Media type, from the content itself.")
    media: MediaFacts | None = Field(None, description="What a probe says of it.")
    files: list[ArtifactFile] | None = Field(
        None,
        max_length=FILES_LISTED,
        description="Objects made of a source of several files: the main one first, as many as fit.",
    )
    file_count: int | None = Field(None, ge=1, description="Objects made in all, listed or not.")


MirrorState = Literal["Active", "Standby", "Failed", "Banned"]
MIRRORS_LISTED: Final = 12


class MirrorFacts(Contract):
    """What is seen of one mirror."""

    host: str = Field(max_length=255, description="Host, with its port where it is not the scheme's own.")
    bytes: int = Field(0, ge=0, description="Bytes it sent in this attempt.")
    bytes_per_second: int | None = Field(None, ge=0, description="Smoothed rate, while it sends.")
    failures: int = Field(0, ge=0, description="Requests to it that failed in this attempt.")
    state: MirrorState = Field(
        description="Active: bytes come from it; Standby: not asked now; Failed: given up in this attempt; Banned: it"
        " sent wrong bytes."
    )
    reason: str | None = Field(None, max_length=64, description="Why its last request failed.")


class DownloadProgress(Contract):
    """How far the download is."""

    percent: int | None = Field(None, ge=0, le=100, description="Percent of the bytes; absent if the size is unknown.")
    bytes_done: int = Field(0, ge=0, description="Bytes that are stored.")
    bytes_total: int | None = Field(None, ge=0, description="Bytes in all, when the source says so.")
    bytes_per_second: int | None = Field(None, ge=0, description="Smoothed rate.")
    eta_seconds: int | None = Field(None, ge=0, description="Seconds that remain at this rate.")
    bytes_refetched: int | None = Field(None, ge=0, description="Bytes fetched more than once.")
    connections: int | None = Field(None, ge=0, description="Connections open now.")
    mirror: str | None = Field(None, max_length=255, description="Host the bytes come from.")
    mirrors: list[MirrorFacts] | None = Field(
        None, max_length=MIRRORS_LISTED, description="Each mirror, in the order of spec.source.http.urls."
    )
    peers: int | None = Field(None, ge=0, description="Peers connected now, of a torrent.")
    availability: float | None = Field(
        None,
        ge=0,
        description="Copies of the torrent among the connected peers; below 1 no peer has all that is missing.",
    )


class DownloadJobStatus(JobStatus):
    """What is seen of a DownloadJob."""

    progress: DownloadProgress | None = Field(None, description="How far the download is.")
    artifact: Artifact | None = Field(None, description="The object made, once Complete.")


DownloadPhase = Literal[
    "Pending", "Starting", "Connecting", "Downloading", "Verifying", "Seeding", "Complete", "Failed", "Suspended"
]
