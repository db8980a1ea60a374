"""What the admin of the operator decides for all resources; made of the settings, handed to decisions as a value."""

from dataclasses import dataclass, field

from narwhal_operator.contract.common import DEFAULT_STORAGE_SECRET, Resources
from narwhal_operator.contract.order import DownloadOrder, TranscodeOrder
from narwhal_operator.contract.sources import SourceRules


@dataclass(frozen=True, slots=True)
class WorkerPolicy:
    """How the pods of one kind of worker are made."""

    image: str = ""
    resources: Resources = field(default_factory=Resources)
    scratch: str = "50Gi"  # sizeLimit of the emptyDir: a bound, nothing is reserved
    memory_ceiling: str = ""  # of the memory limit after attempts that were killed for want of it; empty: what is asked


@dataclass(frozen=True, slots=True)
class Policy:
    """The admin's word. Times in seconds."""

    download: WorkerPolicy = field(default_factory=WorkerPolicy)
    torrent: WorkerPolicy = field(default_factory=WorkerPolicy)  # of downloads whose source is a torrent
    transcode: WorkerPolicy = field(default_factory=WorkerPolicy)
    pull_policy: str = "IfNotPresent"
    storage_secret: str = DEFAULT_STORAGE_SECRET
    sources: SourceRules = field(default_factory=SourceRules)
    backoff_scale: float = 1.0
    start_timeout: float = 600.0  # how long the cluster may refuse a pod before its resource is Failed
    sweep_timeout: float = 120.0  # how long a deletion waits for its sweep
    range_seconds: float = 170.0  # least estimated encoding of one pod of several
    job_ttl: int = 3600  # finished Jobs stay this long: their pods' logs can be read

    def worker_of(self, order: DownloadOrder | TranscodeOrder) -> WorkerPolicy:
        """How the pods of an order are made: torrents have an image of their own, for only they need libtorrent."""
        if isinstance(order, TranscodeOrder):
            return self.transcode
        return self.download if order.spec.source.torrent is None else self.torrent
