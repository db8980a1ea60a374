"""The video of a TranscodingJob: its rungs, and how segments and manifests are written."""

from typing import Annotated, ClassVar, Final, Literal, Self

from narwhal_operator.contract.base import Bitrate, Span, TitleName, lasting
from narwhal_operator.contract.common import OneOf, exactly_one
from narwhal_operator.contract.model import AfterValidator, Contract, Field, model_validator
from narwhal_operator.contract.protection import Encryption
from narwhal_operator.contract.rules import Rule

Manifest = Literal["HLS", "DASH"]
Codec = Literal["h264", "hevc", "av1"]
Preset = Literal["h264-standard", "h264-mobile", "hevc-standard", "av1-standard", "hevc+h264"]
COARSEST: Final[dict[Codec, int]] = {"h264": 51, "hevc": 51, "av1": 63}
"""The largest constant rate factor of each codec's encoder."""


def _hls() -> list[Manifest]:
    return ["HLS"]


def _distinct(manifests: list[Manifest]) -> list[Manifest]:
    if len(set(manifests)) != len(manifests):
        raise ValueError("manifests must not be named twice")
    return manifests


class Rendition(Contract):
    """One rung of an explicit ladder."""

    cel: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.crf) || self.crf <= 51 || (has(self.codec) && self.codec == 'av1')",
            "crf must be at most 51 for h264 and hevc; up to 63 is for av1",
        ),
        Rule(
            "!has(self.dynamicRange) || self.dynamicRange == 'SDR' || (has(self.codec) && self.codec != 'h264')",
            "dynamicRange must be SDR for h264; Source needs codec hevc or av1",
        ),
    )

    name: Annotated[TitleName, Field(max_length=32)] = Field(
        description="Name of the rung, such as 720p; part of its keys."
    )
    height: int = Field(ge=16, le=4320, description="Lines of the short side; odd ones are rounded to even.")
    codec: Codec = Field("h264", description="Video codec: h264, hevc, av1; absent means h264.")
    max_bitrate: Bitrate | None = Field(None, description="Cap of the bit rate (VBV), such as 3M.")
    crf: int | None = Field(
        None,
        ge=0,
        le=63,
        description="Constant rate factor: lower is better and larger; at most 51, for av1 63. Absent means 23 for h264,"
        " 25 for hevc, 35 for av1.",
    )
    frame_rate: Literal["Source", "Half"] = Field(
        "Source",
        description="Half takes every other frame of an input of 50 frames per second or more; absent means Source.",
    )
    dynamic_range: Literal["Source", "SDR"] | None = Field(
        None,
        description="What becomes of a high dynamic range (PQ, HLG): Source keeps it, SDR maps it to standard range."
        " Absent means Source for hevc and av1; h264 is always SDR.",
    )

    @model_validator(mode="after")
    def _fits_codec(self) -> Self:
        if self.crf is not None and self.crf > COARSEST[self.codec]:
            raise ValueError("crf must be at most 51 for h264 and hevc; up to 63 is for av1")
        if self.codec == "h264" and self.dynamic_range == "Source":
            raise ValueError("dynamicRange must be SDR for h264; Source needs codec hevc or av1")
        return self


def _unique_names(rungs: list[Rendition] | None) -> None:
    names = [rung.name for rung in rungs or []]
    if len(set(names)) != len(names):
        raise ValueError("renditions must have different names")


class Ladder(OneOf):
    """The rungs: a preset or a list."""

    one_of: ClassVar[str] = "ladder"
    cel: ClassVar[tuple[Rule, ...]] = (
        exactly_one("preset", "renditions", of="ladder"),
        Rule(
            "!has(self.renditions) || self.renditions.all(r, self.renditions.exists_one(o, o.name == r.name))",
            "renditions must have different names",
        ),
    )

    preset: Preset | None = Field(
        None,
        description="h264-standard: 1080p, 720p, 480p, 360p; h264-mobile: 480p, 360p, 240p; hevc-standard and"
        " av1-standard: 2160p, 1440p, 1080p, 720p, 480p, 360p; hevc+h264: hevc from 2160p to 480p beside h264-standard."
        " None is upscaled; docs/ladders.md has their figures.",
    )
    renditions: list[Rendition] | None = Field(
        None, min_length=1, max_length=12, description="Explicit rungs. Those above the input are dropped, with a note."
    )

    @model_validator(mode="after")
    def _names(self) -> Self:
        _unique_names(self.renditions)
        return self


class Clip(Contract):
    """A part of the input."""

    start: Annotated[Span, lasting("0s", "24h")] = Field(
        "0s", description="Time of the input's film to begin at, to the frame; 0s to 24h."
    )
    duration: Annotated[Span, lasting("1ms", "24h")] | None = Field(
        None, description="How long the part is; absent, or more than is left: to the end."
    )


_WHOLE_IN_DASH: Final = "manifests must be HLS alone with encryption AES-128, which DASH players do not know"
_TS_IN_DASH: Final = "manifests must be HLS alone with segmentFormat ts, which DASH players do not play"
_TS_SAMPLES: Final = "encryption must be AES-128 with segmentFormat ts; cbcs and cenc are of fmp4"


class Packaging(Contract):
    """How segments and manifests are written."""

    cel: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.encryption) || self.encryption.method != 'AES-128' || !has(self.manifests)"
            " || !self.manifests.exists(m, m == 'DASH')",
            _WHOLE_IN_DASH,
            field="manifests",
        ),
        Rule(
            "!has(self.segmentFormat) || self.segmentFormat != 'ts' || !has(self.manifests)"
            " || !self.manifests.exists(m, m == 'DASH')",
            _TS_IN_DASH,
            field="manifests",
        ),
        Rule(
            "!has(self.segmentFormat) || self.segmentFormat != 'ts' || !has(self.encryption)"
            " || self.encryption.method == 'AES-128'",
            _TS_SAMPLES,
            field="encryption",
        ),
    )

    segment_duration: Annotated[Span, lasting("1s", "10s")] = Field(
        "4s", description="Target duration of a segment, 1s to 10s; rounded to whole frames."
    )
    segment_format: Literal["fmp4", "ts"] = Field(
        "fmp4",
        description="Format of the segments: fmp4 (CMAF), which all players of today play, or ts (MPEG-2 transport streams),"
        " for players of before 2017: h264 and aac in HLS only.",
    )
    manifests: Annotated[list[Manifest], AfterValidator(_distinct)] = Field(
        default_factory=_hls,
        min_length=1,
        max_length=2,
        description="Manifests to write over the same segments. HLS is always written.",
        json_schema_extra={"x-kubernetes-list-type": "set", "default": ["HLS"]},
    )
    encryption: Encryption | None = Field(None, description="Encrypts video and audio; absent leaves them clear.")

    @model_validator(mode="after")
    def _plays(self) -> Self:
        if self.encryption is not None and self.encryption.method == "AES-128" and "DASH" in self.manifests:
            raise ValueError(_WHOLE_IN_DASH)
        return self

    @model_validator(mode="after")
    def _carries(self) -> Self:
        if self.segment_format == "ts" and "DASH" in self.manifests:
            raise ValueError(_TS_IN_DASH)
        if self.segment_format == "ts" and self.encryption is not None and self.encryption.method != "AES-128":
            raise ValueError(_TS_SAMPLES)
        return self
