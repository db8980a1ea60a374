"""Names and digests of children: derived, never random, so that a second pass finds what the first one made."""

import hashlib
import json
from typing import Any, Final

LABEL_LIMIT: Final = 63
"""Length of a label value and of a Job's name, for its pods carry the name as a label."""

NOT_WORK: Final = frozenset(
    {
        "suspend",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "activeDeadlineSeconds",
        "template",
        "priority",
        "parallelism",
        "keepVersions",
        "versionGracePeriod",
        "deletionPolicy",
    }
)
"""Fields of a spec that say how to run, not what to make: changing one does not make another work."""


def digest_of(value: Any, length: int = 16) -> str:
    """The first hex digits of the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def work_digest(spec: dict[str, Any]) -> str:
    """The digest of what a spec asks to be made; equal for specs that differ only in how to run it."""
    return digest_of({key: value for key, value in spec.items() if key not in NOT_WORK})


def bounded(name: str, suffix: str, limit: int = LABEL_LIMIT) -> str:
    """`name-suffix`, the name cut so that the whole fits into a label; the suffix keeps it unique."""
    head = name[: limit - len(suffix) - 1].rstrip("-.").replace(".", "-")
    return f"{head}-{suffix}"


def job_name(name: str, uid: str, work: str, attempt: int, stage: str | None = None) -> str:
    """The name of the Job of one attempt, or of one stage of it, at one work of one resource."""
    whose = f"{digest_of([uid, work], 8)}-{attempt}"
    # The pods of an indexed Job are named by it and their index: both must fit into a host name.
    return bounded(name, whose) if stage is None else bounded(name, f"{whose}-{stage.lower()}", LABEL_LIMIT - 5)


def sweep_name(name: str, uid: str) -> str:
    """The name of the Job that sweeps the store after the resource is deleted."""
    return bounded(name, f"{digest_of([uid, 'sweep'], 8)}-sweep")


def late_sweep_name(name: str, uid: str, since: str) -> str:
    """The name of the Job that sweeps the store of versions that are superseded since then."""
    return bounded(name, f"{digest_of([uid, 'sweep', since], 8)}-sweep")


def child_name(library: str, item: str) -> str:
    """The name of the DownloadJob and of the TranscodingJob of a title."""
    whole = f"{library}-{item}"
    return whole if len(whole) <= LABEL_LIMIT else bounded(whole, digest_of(whole, 8))
