"""The words of how work ends, and the classes of what is done about them. What each means stands in reasons.py."""

from dataclasses import dataclass
from enum import StrEnum


class Class(StrEnum):
    """What the operator does about a reason."""

    SUCCESS = "Success"
    TERMINAL = "Terminal"  # the same input ends the same way: Failed at once
    RETRY = "Retry"  # may pass: next attempt after a backoff, counted
    ELSEWHERE = "RetryElsewhere"  # as Retry, on another node where there is one
    USER = "NeedsUser"  # someone must mend something: as Retry, with the mend shown while it waits
    MEMORY = "NeedsMemory"  # as Retry, with more memory, then with fewer threads, then Failed
    DISRUPTION = "Disruption"  # nobody's fault: next attempt, not counted


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the table: exit code, class, what it means and how to mend it."""

    code: int
    cls: Class
    meaning: str
    mend: str


class Reason(StrEnum):
    """Every way work can end."""

    COMPLETED = "Completed"
    # 1 and 2 are what an interpreter that breaks ends with; 10-19 the run itself
    CANCELLED = "Cancelled"
    INTERNAL_ERROR = "InternalError"
    INVALID_ORDER = "InvalidOrder"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    OUT_OF_MEMORY = "OutOfMemory"
    POD_LOST = "PodLost"
    DEPENDENCY_FAILED = "DependencyFailed"
    DEPENDENCY_MISSING = "DependencyMissing"
    NOT_SUPPORTED = "NotSupported"
    POD_REFUSED = "PodRefused"
    # 20-29 secrets and stores
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a reason, no secret
    SECRET_INVALID = "SecretInvalid"  # noqa: S105 - a reason, no secret
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    STORE_UNREACHABLE = "StoreUnreachable"
    STORE_ACCESS_DENIED = "StoreAccessDenied"
    BUCKET_NOT_FOUND = "BucketNotFound"
    STORE_ERROR = "StoreError"
    STORE_FULL = "StoreFull"
    SCRATCH_FULL = "ScratchFull"
    STORE_TLS_INVALID = "StoreTlsInvalid"
    # 30-49 sources
    SOURCE_NOT_FOUND = "SourceNotFound"
    SOURCE_ACCESS_DENIED = "SourceAccessDenied"
    SOURCE_UNREACHABLE = "SourceUnreachable"
    SOURCE_TLS_INVALID = "SourceTlsInvalid"
    SOURCE_ERROR = "SourceError"
    SOURCE_RATE_LIMITED = "SourceRateLimited"
    SOURCE_CHANGED = "SourceChanged"
    SOURCE_INCOMPLETE = "SourceIncomplete"
    SOURCE_STALLED = "SourceStalled"
    SOURCE_TOO_LARGE = "SourceTooLarge"
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    CHECKSUM_NOT_FOUND = "ChecksumNotFound"
    SOURCE_NOT_MEDIA = "SourceNotMedia"
    SOURCE_EMPTY = "SourceEmpty"
    ADDRESS_FORBIDDEN = "AddressForbidden"
    REDIRECT_REFUSED = "RedirectRefused"
    PROTOCOL_VIOLATION = "ProtocolViolation"
    # 50-69 transcoding
    INPUT_NOT_FOUND = "InputNotFound"
    INPUT_EMPTY = "InputEmpty"
    INPUT_NOT_MEDIA = "InputNotMedia"
    INPUT_TRUNCATED = "InputTruncated"
    INPUT_DAMAGED = "InputDamaged"
    INPUT_CHANGED = "InputChanged"
    INPUT_OVER_LIMITS = "InputOverLimits"
    NO_VIDEO = "NoVideo"
    LADDER_EMPTY = "LadderEmpty"
    ENCODER_FAILED = "EncoderFailed"
    NO_PROGRESS = "NoProgress"
    VERIFICATION_FAILED = "VerificationFailed"
    PROGRAM_MISSING = "ProgramMissing"
    INPUT_FILE_UNMATCHED = "InputFileUnmatched"
    CLIP_EMPTY = "ClipEmpty"
    QUALITY_BELOW_FLOOR = "QualityBelowFloor"
    PLAN_LOST = "PlanLost"
    # 70-79 torrents
    TORRENT_METADATA_TIMEOUT = "TorrentMetadataTimeout"
    TORRENT_STALLED = "TorrentStalled"
    TORRENT_INVALID = "TorrentInvalid"
    TORRENT_UNSAFE = "TorrentUnsafe"
    TORRENT_FILES_UNMATCHED = "TorrentFilesUnmatched"
    TORRENT_NO_PEERS = "TorrentNoPeers"
    TORRENT_INCOMPLETE = "TorrentIncomplete"
    # 80-89 the command line at a cluster
    CLUSTER_UNREACHABLE = "ClusterUnreachable"
    CLUSTER_ACCESS_DENIED = "ClusterAccessDenied"
    RESOURCE_NOT_FOUND = "ResourceNotFound"
