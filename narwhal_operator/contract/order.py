"""The order: the one file a worker reads, and how it is made of a spec.

It holds no secret: credentials and headers are named by the directory they are mounted at.
"""

from typing import Annotated, Final, Literal

from narwhal_operator.contract.download import DownloadJobSpec
from narwhal_operator.contract.model import Contract, Field, parse
from narwhal_operator.contract.transcode import TranscodingJobSpec

MOUNT: Final = "/narwhal"
"""Where a worker pod finds its order and its Secrets."""
ORDER_FILE: Final = f"{MOUNT}/order/order.json"
OUTPUT_STORE: Final = f"{MOUNT}/store"
INPUT_STORE: Final = f"{MOUNT}/input-store"
SOURCE_STORE: Final = f"{MOUNT}/source-store"
HEADERS: Final = f"{MOUNT}/headers"
KEYS: Final = f"{MOUNT}/keys"
CA_BUNDLE: Final = f"{MOUNT}/ca/ca.crt"
SCRATCH: Final = "/work"
PROGRESS_PORT: Final = 9090


class S3Store(Contract):
    """An S3 store: a directory with the files endpoint, region, accessKeyId, secretAccessKey, caBundle (optional)."""

    type: Literal["s3"] = "s3"
    credentials: str = Field(description="Directory the Secret is mounted at.")
    secret: str = Field(description="Name of that Secret, for messages.")


class DirectoryStore(Contract):
    """A directory as a store: the object bucket/key is the file ROOT/bucket/key."""

    type: Literal["directory"] = "directory"
    root: str = Field(description="Absolute path of the directory.")


Store = Annotated[S3Store | DirectoryStore, Field(discriminator="type")]


class ObjectLocation(Contract):
    """An object in a store."""

    store: Store
    bucket: str
    key: str


class OrderHead(Contract):
    """Whose order it is."""

    uid: str = Field(max_length=64, description="UID of the resource; in a local run derived from the manifest.")
    namespace: str = Field(max_length=63)
    name: str = Field(max_length=253)
    attempt: int = Field(ge=1)
    work_digest: str = Field(max_length=64)
    task: Literal["Run", "Plan", "Range", "Finish", "Sweep"] = Field(
        "Run",
        description="Run does all. Of a transcode by several pods: Plan probes and divides the work (and does all of little"
        " work), Range makes one part of it, Finish verifies and publishes. Sweep removes what unfinished attempts of this"
        " resource left in the store, and versions past their time.",
    )


class DownloadOrder(Contract):
    """Fetch one source into one object."""

    kind: Literal["DownloadJob"] = "DownloadJob"
    head: OrderHead
    spec: DownloadJobSpec
    destination: ObjectLocation
    headers: str | None = Field(None, description="Directory of the headers Secret: a file a header.")
    ca_bundle: str | None = Field(None, description="File with PEM certificates to trust as well.")
    allowed_networks: list[str] = Field(
        default_factory=list, description="CIDRs a source may be in beside the globally routable; the admin's word."
    )
    allowed_hosts: list[str] = Field(
        default_factory=list,
        description="Hosts that may be at addresses of a private network: exact names, or *.example.org; the admin's"
        " word. Empty: none.",
    )
    connections_per_host: int = Field(
        16, ge=1, description="A ceiling of the connections to one host, over spec.connections; the admin's word."
    )
    proxy: str | None = Field(
        None, description="http://HOST:PORT that requests to sources go through; the admin's word. Absent: none."
    )
    peer_discovery: bool = Field(
        False, description="Whether torrents may use DHT, LSD and PEX to find peers; the admin's word."
    )
    remove_output: bool = Field(
        False, description="Of a Sweep: the object is deleted and takes what it has made with it (deletionPolicy)."
    )
    torrent_file: ObjectLocation | None = Field(None, description="The .torrent file, when it is an object.")
    scratch_bytes: int | None = Field(
        None,
        ge=1,
        description="Bytes the scratch volume may hold before the pod is evicted; absent: what the disk has.",
    )


class TranscodeOrder(Contract):
    """Turn one object into one ladder."""

    kind: Literal["TranscodingJob"] = "TranscodingJob"
    head: OrderHead
    spec: TranscodingJobSpec
    input: ObjectLocation
    input_sha256: str | None = Field(None, description="SHA-256 of the input, when a DownloadJob measured it.")
    output_store: Store
    remove_output: bool = Field(
        False, description="Of a Sweep: the object is deleted and takes what it has made with it (deletionPolicy)."
    )
    keys: str | None = Field(None, description="Directory of the Secret with content keys: a file a key.")
    cpus: float | None = Field(None, gt=0, description="CPUs the pod may use; absent: those of the machine.")
    scratch_bytes: int | None = Field(
        None,
        ge=1,
        description="Bytes the scratch volume may hold before the pod is evicted; absent: what the disk has.",
    )
    range_seconds: float = Field(
        170,
        gt=0,
        description="Estimated seconds of encoding that a range has at least; the admin's word. With less than two of them"
        " one pod does all: a pod takes about 5 s to start.",
    )


WorkOrder = Annotated[DownloadOrder | TranscodeOrder, Field(discriminator="kind")]


def parse_order(text: str | bytes) -> DownloadOrder | TranscodeOrder:
    """The order in a file's text. Raises ValidationError."""
    order: DownloadOrder | TranscodeOrder = parse(text, WorkOrder)
    return order
