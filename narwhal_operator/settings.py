"""The settings of the operator; the only reader of the environment. Each is NARWHAL_ and its name in capitals."""

import socket
from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from narwhal_operator.contract import sources
from narwhal_operator.contract.common import DEFAULT_STORAGE_SECRET, Resources
from narwhal_operator.core.policy import Policy, WorkerPolicy
from narwhal_operator.core.queueing import Limits

_DOWNLOAD: Final = {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}
_TORRENT: Final = {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}
_TRANSCODE: Final = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "4Gi"}}

Ceiling = Annotated[str, Field(max_length=16, pattern=r"^([0-9]{1,12}([KMGT]i)?)?$")]
CommaSeparated = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """All of it has a default; the chart sets what it must."""

    model_config = SettingsConfigDict(env_prefix="NARWHAL_", frozen=True, extra="ignore")

    download_image: str = Field("localhost/narwhal-download:dev", description="Image of the download worker.")
    torrent_image: str = Field("localhost/narwhal-torrent:dev", description="Of downloads whose source is a torrent.")
    transcode_image: str = Field("localhost/narwhal-transcode:dev", description="Image of the transcode worker.")
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field("IfNotPresent", description="Of the worker images.")
    storage_secret: str = Field(DEFAULT_STORAGE_SECRET, description="Secret where a spec names no storageRef.")
    allowed_networks: CommaSeparated = Field(
        (), description="CIDRs, comma-separated: where a source may be beside the globally routable addresses."
    )
    allowed_hosts: CommaSeparated = Field(
        (), description="Hosts, comma-separated (*.example.org too), that may be at addresses of private networks."
    )
    connections_per_host: int = Field(
        sources.PER_HOST, ge=1, le=sources.PER_HOST_MOST, description="Connections of a worker to one host at most."
    )
    proxy: str | None = Field(None, description="http://HOST:PORT that requests to sources go through; empty: none.")
    peer_discovery: bool = Field(False, description="Let torrents find peers by DHT, LSD and PEX as well.")
    download_resources: Resources = Field(
        default_factory=lambda: Resources.from_wire(_DOWNLOAD),
        description="JSON: requests and limits of download workers; no CPU limit, for throttling only makes it slower.",
    )
    torrent_resources: Resources = Field(
        default_factory=lambda: Resources.from_wire(_TORRENT), description="JSON: of downloads of torrents."
    )
    transcode_resources: Resources = Field(
        default_factory=lambda: Resources.from_wire(_TRANSCODE),
        description="JSON: of transcode workers. 4Gi holds a 4K ladder; a CPU limit also sets the encoder's threads.",
    )
    download_scratch: str = Field("2Gi", description="Bound of a download pod's scratch volume.")
    torrent_scratch: str = Field("50Gi", description="Bound of a torrent's scratch volume: it holds the chosen files.")
    transcode_scratch: str = Field("50Gi", description="Bound of a transcode pod's scratch volume: it holds the input.")
    download_memory_ceiling: Ceiling = Field(
        "2Gi",
        description="Memory limit up to which a download that was killed for want of it is tried again; empty: none.",
    )
    torrent_memory_ceiling: Ceiling = Field("2Gi", description="The same of downloads of torrents.")
    transcode_memory_ceiling: Ceiling = Field("16Gi", description="The same of transcodes.")
    range_seconds: float = Field(
        170,
        gt=0,
        description="Estimated seconds of encoding that each of several pods has at least: the start of a pod, about 5 s,"
        " is then less than 3 percent of its work. Raise it where pods start slower.",
    )
    job_ttl: int = Field(3600, ge=0, description="Seconds a finished Job stays, so that its logs can be read.")
    backoff_scale: float = Field(1.0, ge=0, le=10, description="Factor of all waits between attempts; tests lower it.")
    start_timeout: float = Field(600, gt=0, description="Seconds the cluster may refuse a pod until it is Failed.")
    sweep_timeout: float = Field(120, gt=0, description="Seconds a deletion waits for the sweep of the store.")
    concurrency: int = Field(32, ge=1, le=256, description="Passes at once; they wait for the API server, not the CPU.")
    running_total: int = Field(0, ge=0, le=1_000_000, description="Resources that may run at once; 0: no limit.")
    running_per_namespace: int = Field(0, ge=0, le=1_000_000, description="The same in one namespace; 0: no limit.")
    resync_period: float = Field(600, gt=0, description="Seconds between slow looks at everything.")
    watch_patience: float = Field(
        420, gt=0, description="Seconds a watch may leave untold what a slow look has found, until /healthz says so."
    )
    namespaces: CommaSeparated = Field((), description="Namespaces to watch, comma-separated; empty watches all.")
    lease_namespace: str = Field("", description="Namespace of the Lease; empty: none, and no other operator may run.")
    lease_name: str = Field("narwhal-operator", description="Name of the Lease: one for all that watch the same.")
    lease_duration: int = Field(15, ge=3, le=120, description="Seconds a silent holder of the Lease keeps it.")
    identity: str = Field(
        default_factory=socket.gethostname, min_length=1, description="Name of this operator in the Lease: its pod's."
    )
    listen_host: str = Field("0.0.0.0", description="Where /healthz, /readyz and /metrics are served.")  # noqa: S104 - probes come from the node
    listen_port: int = Field(8080, ge=0, le=65535, description="Port of these.")
    progress_port: int = Field(9090, ge=1, le=65535, description="Port of the workers' /progress.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")
    log_format: Literal["json", "text"] = Field("json", description="json: a line an entry; text: for people.")

    @field_validator("allowed_networks", "allowed_hosts", "namespaces", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allowed_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return sources.networks_of(",".join(value), strict=True)

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return sources.hosts_of(",".join(value))

    @field_validator("proxy")
    @classmethod
    def _proxy(cls, value: str | None) -> str | None:
        return sources.proxy_of(value or "")

    @field_validator("download_resources", "torrent_resources", "transcode_resources", mode="before")
    @classmethod
    def _resources(cls, value: Any) -> Any:
        return Resources.from_wire(value) if isinstance(value, dict) else value

    def limits(self) -> Limits:
        """How many may run at once."""
        return Limits(self.running_total, self.running_per_namespace)

    def policy(self) -> Policy:
        """What decisions and manifests need of it."""
        return Policy(
            download=WorkerPolicy(
                self.download_image, self.download_resources, self.download_scratch, self.download_memory_ceiling
            ),
            torrent=WorkerPolicy(
                self.torrent_image, self.torrent_resources, self.torrent_scratch, self.torrent_memory_ceiling
            ),
            transcode=WorkerPolicy(
                self.transcode_image, self.transcode_resources, self.transcode_scratch, self.transcode_memory_ceiling
            ),
            pull_policy=self.pull_policy,
            storage_secret=self.storage_secret,
            sources=sources.SourceRules(
                self.allowed_networks, self.allowed_hosts, self.connections_per_host, self.proxy, self.peer_discovery
            ),
            backoff_scale=self.backoff_scale,
            start_timeout=self.start_timeout,
            sweep_timeout=self.sweep_timeout,
            range_seconds=self.range_seconds,
            job_ttl=self.job_ttl,
        )
