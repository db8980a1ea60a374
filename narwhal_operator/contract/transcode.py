"""TranscodingJob: spec and status. The CRD is generated from these models."""

from typing import Annotated, ClassVar, Final, Literal, Self

from narwhal_operator.contract.base import BucketName, KeyPrefix, ObjectKey, Span, Timestamp, lasting
from narwhal_operator.contract.common import JobStatus, LocalRef, OneOf, Suspendable, exactly_one
from narwhal_operator.contract.ladder import Clip, Ladder, Packaging
from narwhal_operator.contract.model import Contract, Field, model_validator
from narwhal_operator.contract.quality import Quality
from narwhal_operator.contract.rules import Rule, immutable
from narwhal_operator.contract.tracks import Audio, Metadata, Subtitles, Thumbnails
from narwhal_operator.contract.watermark import Watermark

KIND: Final = "TranscodingJob"
COMMAND_LENGTH: Final = 2400
"""Characters of an argument list in a status."""


class S3Input(Contract):
    """An object in a bucket."""

    bucket: BucketName = Field(description="Bucket of the object.")
    key: ObjectKey = Field(description="Key of the object.")
    storage_ref: LocalRef | None = Field(None, description="Secret of the store; absent uses narwhal-storage.")


class DownloadJobRef(LocalRef):
    """A DownloadJob, and which of the files it made."""

    file: str | None = Field(
        None,
        min_length=1,
        max_length=512,
        description="Glob pattern of the file to take, of a download of several files, held against its path below the"
        " download's destination key; without / against its name. Absent: the main file, the largest video.",
    )


class Input(OneOf):
    """What to transcode."""

    one_of: ClassVar[str] = "input"
    cel: ClassVar[tuple[Rule, ...]] = (exactly_one("downloadJobRef", "s3", of="input"),)

    download_job_ref: DownloadJobRef | None = Field(None, description="A DownloadJob in this namespace; waits for it.")
    s3: S3Input | None = Field(None, description="An object in a bucket.")


class Output(Contract):
    """Where the ladder goes."""

    bucket: BucketName = Field(description="Bucket; it must exist.")
    prefix: KeyPrefix = Field(description="Prefix of everything written; the master playlist is PREFIX/master.m3u8.")
    storage_ref: LocalRef | None = Field(None, description="Secret of the store; absent uses narwhal-storage.")


_NO_AV1: Final = "encryption must be AES-128 with av1; cbcs and cenc are of h264 and hevc"
_TS_VIDEO: Final = "segmentFormat must be fmp4 with hevc and av1; ts is for h264"
_TS_AUDIO: Final = "audio.codec must be aac with packaging.segmentFormat ts"


class TranscodeOptions(Suspendable):
    """How to transcode: what a MediaLibrary's transcodeTemplate may set too."""

    cel: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.packaging) || !has(self.packaging.encryption) || self.packaging.encryption.method == 'AES-128'"
            " || !has(self.ladder) || !(has(self.ladder.preset) && self.ladder.preset == 'av1-standard'"
            " || has(self.ladder.renditions) && self.ladder.renditions.exists(r, has(r.codec) && r.codec == 'av1'))",
            _NO_AV1,
            field="packaging.encryption",
        ),
        Rule(
            "!has(self.packaging) || !has(self.packaging.segmentFormat) || self.packaging.segmentFormat != 'ts'"
            " || !has(self.ladder) || (!has(self.ladder.preset) || self.ladder.preset.startsWith('h264-'))"
            " && (!has(self.ladder.renditions)"
            " || self.ladder.renditions.all(r, !has(r.codec) || r.codec == 'h264'))",
            _TS_VIDEO,
            field="packaging.segmentFormat",
        ),
        Rule(
            "!has(self.packaging) || !has(self.packaging.segmentFormat) || self.packaging.segmentFormat != 'ts'"
            " || !has(self.audio) || !has(self.audio.codec) || self.audio.codec == 'aac'",
            _TS_AUDIO,
            field="audio.codec",
        ),
    )

    mode: Literal["Encode", "Plan"] = Field(
        "Encode", description="Encode, or Plan: probe, resolve the ladder and say what would run; encodes nothing."
    )
    # No default in the CRD: an API server that stored preset would refuse renditions applied later (both would be set).
    ladder: Ladder = Field(
        default_factory=lambda: Ladder(preset="h264-standard"),
        description="The rungs: exactly one of preset, renditions; absent means preset h264-standard.",
    )
    clip: Clip | None = Field(None, description="The part of the input to encode; absent takes all of it.")
    packaging: Packaging = Field(
        default_factory=Packaging,
        description="How segments and manifests are written.",
        json_schema_extra={"default": {}},
    )
    audio: Audio = Field(default_factory=Audio, description="The audio renditions.", json_schema_extra={"default": {}})
    subtitles: Subtitles = Field(
        default_factory=Subtitles, description="What becomes of text subtitles.", json_schema_extra={"default": {}}
    )
    watermark: Watermark | None = Field(None, description="A picture over the video of every rung; absent lays none.")
    thumbnails: Thumbnails | None = Field(None, description="A poster and thumbnails; absent makes none.")
    quality: Quality | None = Field(None, description="A measure of each rung, with a floor; absent measures none.")
    metadata: Metadata = Field(
        default_factory=Metadata, description="What the film is called.", json_schema_extra={"default": {}}
    )
    verify: Literal["Sample", "Full"] = Field(
        "Sample",
        description="What is decoded before publishing: Sample, a segment of each rendition, or Full, every segment. All"
        " other rules look at every segment either way.",
    )
    on_damage: Literal["Fail", "Tolerate"] = Field(
        "Fail",
        description="What becomes of an input that does not decode to its end without an error: Fail, or Tolerate: what is"
        " missing is concealed, and told.",
    )
    keep_versions: int = Field(
        1,
        ge=0,
        le=20,
        description="Older versions of the output that stay beside the published one, for narwhal rollback; absent"
        " means 1.",
    )
    version_grace_period: Annotated[Span, lasting("0s", "720h")] = Field(
        "6h",
        description="How long a version that another one took the place of stays at least, for who is watching it;"
        " absent means 6h. Then it is swept away, unless keepVersions keeps it.",
    )
    parallelism: int = Field(
        1,
        ge=1,
        le=64,
        description="Worker pods at once; 1: one pod does all. A title too short to be divided is one pod's work in any case.",
    )

    @model_validator(mode="after")
    def _encrypts(self) -> Self:
        wish, codecs = self.packaging.encryption, [one.codec for one in self.ladder.renditions or []]
        av1 = self.ladder.preset == "av1-standard" or "av1" in codecs
        if wish is not None and wish.method != "AES-128" and av1:
            raise ValueError(_NO_AV1)
        return self

    @model_validator(mode="after")
    def _carries(self) -> Self:
        if self.packaging.segment_format != "ts":
            return self
        codecs = {one.codec for one in self.ladder.renditions or []}
        if not (self.ladder.preset or "h264-").startswith("h264-") or codecs - {"h264"}:
            raise ValueError(_TS_VIDEO)
        if self.audio.codec != "aac":
            raise ValueError(_TS_AUDIO)
        return self


class TranscodingJobSpec(TranscodeOptions):
    """Turn one input into one playable ladder."""

    cel: ClassVar[tuple[Rule, ...]] = (
        immutable("input", "create another TranscodingJob"),
        immutable("output", "create another TranscodingJob"),
    )

    input: Input = Field(description="What to transcode: exactly one of downloadJobRef, s3.")
    output: Output = Field(description="Where the ladder goes.")


class RungPlan(Contract):
    """One rung as it is encoded."""

    name: str = Field(max_length=32, description="Name of the rung.")
    width: int = Field(ge=2, description="Pixels.")
    height: int = Field(ge=2, description="Pixels.")
    codec: str = Field(max_length=16, description="Video codec.")
    codec_string: str | None = Field(None, max_length=64, description="RFC 6381 string, once encoded.")
    max_bitrate: int | None = Field(None, ge=1, description="Cap in bits per second.")
    frame_rate: str | None = Field(None, max_length=24, description="Frames per second, as a fraction.")
    dynamic_range: str | None = Field(None, max_length=8, description="SDR, PQ (HDR10) or HLG.")
    crf: int | None = Field(None, ge=0, description="Constant rate factor.")
    bandwidth: int | None = Field(None, ge=1, description="Measured peak in bits per second, once encoded.")
    quality: float | None = Field(None, ge=0, description="Measured against what its encoder was given, once encoded.")
    estimated_bytes: int | None = Field(
        None, ge=0, description="With mode Plan: bytes of its segments, if all are like the one that was tried."
    )


class LoudnessPlan(Contract):
    """The loudness of a track by EBU R128, as it was and as it became."""

    loudness: float = Field(description="Integrated loudness of the source in LUFS; -70 is silence.")
    peak: float = Field(description="True peak of the source in dBFS; -99 is silence.")
    gain: float = Field(0, description="Decibels it was raised by.")
    limited: bool = Field(False, description="Whether the peaks of it met a limiter.")
    result_loudness: float | None = Field(None, description="Integrated loudness of the result in LUFS.")
    result_peak: float | None = Field(None, description="True peak of the result in dBFS, before its encoder.")


class AudioPlan(Contract):
    """One rendition of the audio."""

    name: str = Field(max_length=48, description="Name of the rendition, part of its keys.")
    title: str = Field(max_length=48, description="What a player's menu shows; a long one is cut here.")
    language: str | None = Field(None, max_length=40, description="BCP 47 tag, when the input says one.")
    role: str = Field(max_length=11, description="main, commentary or description.")
    codec: str = Field(max_length=8, description="aac or opus.")
    channels: int = Field(ge=1, le=64, description="2 for stereo, 6 for 5.1.")
    bitrate: int = Field(ge=1, le=2**31, description="Bits per second asked of the encoder.")
    loudness: LoudnessPlan | None = Field(None, description="Where spec.audio.loudness asks for it, once measured.")


class SubtitlePlan(Contract):
    """One rendition of the subtitles."""

    name: str = Field(max_length=48, description="Name of the rendition, part of its keys.")
    title: str = Field(max_length=48, description="What a player's menu shows; a long one is cut here.")
    language: str | None = Field(None, max_length=40, description="BCP 47 tag, when the input says one.")
    forced: bool = Field(False, description="Whether it is shown to who has subtitles off: signs, foreign speech.")


class TranscodePlan(Contract):
    """What the probe found and what is done about it."""

    width: int | None = Field(None, ge=1, description="Width of the input as shown, in pixels; absent without video.")
    height: int | None = Field(None, ge=1, description="Height of the input as shown, in pixels; absent without video.")
    frame_rate: str | None = Field(
        None, max_length=24, description="Frames per second as a fraction, such as 24000/1001; absent without video."
    )
    duration_seconds: float = Field(ge=0, description="Duration of the input in seconds.")
    frames: int = Field(0, ge=0, description="Frames of video that are expected.")
    video_codec: str | None = Field(None, max_length=32, description="Codec of the input's video, if it has some.")
    audio_tracks: int = Field(0, ge=0, description="Audio tracks that are packaged.")
    audio: list[AudioPlan] = Field(
        default_factory=list,
        max_length=6,
        description="The first renditions of the audio; audioTracks counts all tracks.",
    )
    subtitles: list[SubtitlePlan] = Field(
        default_factory=list, max_length=6, description="The first renditions of the subtitles."
    )
    chapters: int = Field(0, ge=0, description="Chapters of the input.")
    segments: int = Field(0, ge=0, description="Segments of each rung.")
    segment_seconds: float = Field(0, ge=0, description="Duration of a segment: whole frames.")
    rungs: list[RungPlan] = Field(default_factory=list, max_length=12, description="Rungs that are encoded.")
    dropped: list[Annotated[str, Field(max_length=128)]] = Field(
        default_factory=list, max_length=12, description="Rungs that are not encoded, and why."
    )
    quality_metric: str | None = Field(None, max_length=8, description="What was measured: SSIM, PSNR or VMAF.")
    estimated_seconds: float | None = Field(
        None,
        ge=0,
        description="With mode Plan: seconds the encode of the video would take in this pod, by one segment of the middle.",
    )
    command: str | None = Field(
        None,
        max_length=COMMAND_LENGTH,
        description="With mode Plan: FFmpeg's argument list for the video, as far as it fits.",
    )
    notes: list[Annotated[str, Field(max_length=256)]] = Field(
        default_factory=list, max_length=20, description="Corrections and omissions, such as: interlaced: deinterlaced."
    )


class RungProgress(Contract):
    """How far one rung is."""

    name: str = Field(max_length=32, description="Name of the rung.")
    percent: int = Field(ge=0, le=100, description="Percent of its segments that are stored.")
    segments_done: int = Field(0, ge=0, description="Segments that are stored.")


class TranscodeProgress(Contract):
    """How far the transcode is."""

    percent: int = Field(0, ge=0, le=100, description="Percent of the whole; never goes back.")
    segments_done: int = Field(0, ge=0, description="Segments of all rungs that are stored.")
    segments_total: int = Field(0, ge=0, description="Segments of all rungs.")
    rungs: list[RungProgress] = Field(default_factory=list, max_length=13, description="Each rung.")
    speed: float | None = Field(None, ge=0, description="Seconds of video encoded a second.")
    eta_seconds: int | None = Field(None, ge=0, description="Seconds that remain at this speed.")


class VerificationSummary(Contract):
    """What the verification before publishing found."""

    checks: int = Field(ge=0, description="Rules that were checked.")
    failed: int = Field(ge=0, description="Rules with an error.")
    warnings: int = Field(0, ge=0, description="Findings that are warnings: nothing fails for them.")
    segments: int = Field(ge=0, description="Segments looked at.")
    decoded: int = Field(0, ge=0, description="Segments decoded.")
    extent: Literal["Sample", "Full"] = Field("Sample", description="What was decoded: a sample, or every segment.")
    frames: int = Field(ge=0, description="Frames of the top rung; 0 without video.")
    report: str | None = Field(None, max_length=1024, description="Key of the whole report.")


class TranscodeResult(Contract):
    """What was published."""

    master_url: str = Field(max_length=2048, description="URL of the master playlist: s3://… or file:….")
    master_key: str = Field(max_length=1100, description="Key of the master playlist in the output bucket.")
    manifest_key: str | None = Field(None, max_length=1100, description="Key of the DASH manifest.")
    version: str = Field(max_length=64, description="Name of the immutable prefix that the master points to.")
    bytes: int = Field(ge=0, description="Bytes of all objects of this version.")
    objects: int = Field(ge=0, description="Objects of this version.")
    duration_seconds: float = Field(ge=0, description="Duration in seconds.")
    engine: str = Field(max_length=128, description="Versions that made it, such as ffmpeg 5.1.9.")
    superseded_at: Timestamp | None = Field(
        None,
        description="Since when an older version waits for the end of its grace period; gone once it is swept away.",
    )
    verification: VerificationSummary = Field(description="What the verification found.")


class TranscodingJobStatus(JobStatus):
    """What is seen of a TranscodingJob."""

    plan: TranscodePlan | None = Field(None, description="What the probe found and what is done about it.")
    progress: TranscodeProgress | None = Field(None, description="How far it is.")
    result: TranscodeResult | None = Field(None, description="What was published, once Complete.")
