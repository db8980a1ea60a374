"""What a running worker says of itself: the JSON of `GET /progress` and of each line of a local run."""

from typing import Literal

from narwhal_operator.contract.download import DownloadProgress
from narwhal_operator.contract.model import Contract, Field
from narwhal_operator.contract.transcode import TranscodePlan, TranscodeProgress


class RangeReport(Contract):
    """Which part of a transcode a worker makes. Its own progress is that of the part."""

    index: int = Field(ge=0, description="Number of the part.")
    ranges: int = Field(ge=1, description="How many parts there are.")
    before: TranscodeProgress = Field(description="How far the whole was when it was divided.")


class WorkerReport(Contract):
    """A snapshot of a worker; each field absent until known."""

    kind: Literal["DownloadJob", "TranscodingJob"] = Field(description="Kind of the order.")
    uid: str = Field(max_length=64, description="UID of the resource.")
    attempt: int = Field(ge=1, description="Number of the attempt; a report of another attempt is not believed.")
    phase: str = Field(max_length=32, description="What it does now.")
    download: DownloadProgress | None = Field(None, description="Of a download.")
    transcode: TranscodeProgress | None = Field(None, description="Of a transcode.")
    plan: TranscodePlan | None = Field(None, description="Of a transcode, once probed.")
    part: RangeReport | None = Field(None, description="Of a part of a transcode.")
