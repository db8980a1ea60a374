"""Outcomes that no worker tells, and how outcomes are said to people."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal

from narwhal_cli.works import Work
from narwhal_operator.contract.base import clip
from narwhal_operator.contract.download import Artifact
from narwhal_operator.contract.outcome import TABLE, Reason, WorkOutcome
from narwhal_operator.contract.transcode import TranscodePlan, TranscodeResult

MESSAGE_LIMIT: Final = 1024
_MENDS: Final = {Reason.SCRATCH_FULL: " On this machine: set TMPDIR to a directory with more room."}
"""What a worker cannot say, for it does not know that it runs without a cluster."""


def now() -> str:
    """The time as RFC 3339 with milliseconds, in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_outcome(
    work: Work, reason: Reason, message: str, attempt: int = 1, evidence: str | None = None
) -> WorkOutcome:
    """The outcome of a work that ended without a worker's word."""
    kind: Literal["DownloadJob", "TranscodingJob"] = "DownloadJob" if work.kind == "DownloadJob" else "TranscodingJob"
    moment = now()
    return WorkOutcome(
        kind=kind,
        uid=work.uid,
        attempt=attempt,
        work_digest=work.digest,
        reason=reason,
        message=clip(message, MESSAGE_LIMIT),
        evidence=evidence[-MESSAGE_LIMIT:] if evidence else None,
        started_at=moment,
        finished_at=moment,
    )


def failure_line(work: Work, outcome: WorkOutcome) -> str:
    """What, where, how to mend, in one line."""
    entry = TABLE[outcome.reason]
    message = outcome.message or f"{entry.meaning} {entry.mend}"
    reason = outcome.reason.value
    mend = _MENDS.get(outcome.reason, "")
    return one_line(f"error: {work.title}: {reason}: {message}{mend} (narwhal explain {reason})")


def success_line(work: Work, outcome: WorkOutcome) -> str:
    """What was made, in one line."""
    facts: Iterable[str] = [outcome.message] if outcome.message else []
    if outcome.artifact:
        facts = _artifact(outcome.artifact)
    elif outcome.result:
        facts = _result(outcome, outcome.result)
    elif outcome.plan:
        facts = [
            f"would encode {_rungs(outcome.plan)}",
            *_estimated(outcome.plan),
            *facts,
        ]
    return one_line(f"{work.title}: Complete: {', '.join(facts)}")


def one_line(text: str) -> str:
    """The text without line breaks and control characters: some of it came from a server."""
    return "".join(char if char.isprintable() else " " for char in text)


def _artifact(artifact: Artifact) -> list[str]:
    more = [f"and {artifact.file_count - 1} more files"] if artifact.file_count and artifact.file_count > 1 else []
    return [f"{artifact.bucket}/{artifact.key}", size_text(artifact.size), f"sha256 {artifact.sha256}", *more]


def _rungs(plan: TranscodePlan) -> str:
    """The names of the rungs; of a title of sound alone those of its bit rates."""
    return " ".join(rung.name for rung in plan.rungs or plan.audio)


def _estimated(plan: TranscodePlan) -> list[str]:
    if plan.estimated_seconds is None:
        return []
    size = sum(rung.estimated_bytes or 0 for rung in plan.rungs)
    time = f"about {duration_text(plan.estimated_seconds)}"
    return [time, f"about {size_text(size)} of video"] if plan.rungs else [time]


def _result(outcome: WorkOutcome, result: TranscodeResult) -> list[str]:
    rungs = _rungs(outcome.plan) if outcome.plan else ""
    damage = [note for note in outcome.plan.notes if note.startswith("damage tolerated")] if outcome.plan else []
    checked = result.verification
    facts = [
        result.master_url,
        rungs,
        duration_text(result.duration_seconds),
        size_text(result.bytes),
        f"verified: {checked.checks} rules, {checked.segments} segments, {checked.decoded} decoded, {checked.frames} frames",
        *damage,
    ]
    return [fact for fact in facts if fact]


def size_text(size: float) -> str:
    """Bytes for people: `512 B`, `22.1 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def duration_text(seconds: float) -> str:
    """A span of time for people: `8s`, `1m12s`, `1h03m`."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
