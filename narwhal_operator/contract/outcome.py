"""How work ends: the error a worker raises and the outcome it leaves. The list of reasons is in reasons.py."""

from collections.abc import Iterator
from typing import Any, Final, Literal

from narwhal_operator.contract.base import clip
from narwhal_operator.contract.download import Artifact, DownloadProgress
from narwhal_operator.contract.model import Contract, Field
from narwhal_operator.contract.reasons import BY_CODE, TABLE, Class, Entry, Reason
from narwhal_operator.contract.transcode import TranscodePlan, TranscodeResult

__all__ = ["BY_CODE", "TABLE", "TERMINATION_LIMIT", "Class", "Entry", "Reason", "WorkError", "WorkOutcome"]

TERMINATION_LIMIT: Final = 4096
"""Bytes Kubernetes keeps of a termination message."""
MOST_RANGES: Final = 512
"""Parts of one transcode: four for each pod of the most that run at once, and more than enough."""
COMMAND_LENGTHS: Final = (1800, 1200, 600, 0)
"""Characters of a plan's command that are tried, before the plan itself is left out."""


class WorkError(Exception):
    """Work that ends with a reason. The message says what, where and how to mend, and holds no secret."""

    def __init__(self, reason: Reason, message: str, *, evidence: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.evidence = evidence

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.message}"


class WorkOutcome(Contract):
    """What a worker leaves: its termination message, and an object in the store."""

    kind: Literal["DownloadJob", "TranscodingJob"]
    uid: str = Field(max_length=64)
    attempt: int = Field(ge=1)
    work_digest: str = Field(max_length=64)
    reason: Reason = Field(strict=False)  # by its word, from JSON that is read already
    message: str = Field("", max_length=1024)
    evidence: str | None = Field(None, max_length=1024)
    started_at: str
    finished_at: str
    artifact: Artifact | None = None
    download: DownloadProgress | None = Field(None, description="How far a download was in the end, and its mirrors.")
    plan: TranscodePlan | None = None
    result: TranscodeResult | None = None
    ranges: int | None = Field(None, ge=2, le=MOST_RANGES, description="Parts that Plan divided the work into.")

    def termination(self) -> str:
        """JSON of at most TERMINATION_LIMIT bytes: what is cut first: progress, evidence, plan, files, media facts."""
        outcome = self
        for cut in self._cuts():
            outcome = outcome.model_copy(update=cut)
            text = outcome.to_json()
            if len(text.encode()) <= TERMINATION_LIMIT:
                return text
        raise ValueError("an outcome does not fit into a termination message")

    def _cuts(self) -> Iterator[dict[str, Any]]:
        yield from ({}, {"download": None}, {"evidence": None})
        if self.plan is not None and self.plan.command is not None:
            for length in COMMAND_LENGTHS:
                yield {
                    "plan": self.plan.model_copy(
                        update={"command": clip(self.plan.command, length) if length else None}
                    )
                }
        yield {"plan": None}
        if self.artifact is not None:
            files = self.artifact.files or []
            for count in range(len(files) - 1, -1, -1):
                yield {"artifact": self.artifact.model_copy(update={"files": files[:count] or None})}
            yield {"artifact": self.artifact.model_copy(update={"files": None, "media": None})}
        yield {"message": self.message[:256]}
