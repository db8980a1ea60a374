"""The video of a TranscodingJob: its rungs, and how segments and manifests are written."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from narwhal_operator.contract.base import Bitrate, Contract, Rule, Span, TitleName, lasting
from narwhal_operator.contract.common import OneOf, exactly_one

Manifest = Literal["HLS", "DASH"]


def _hls() -> list[Manifest]:
    return ["HLS"]


def _distinct(manifests: list[Manifest]) -> list[Manifest]:
    if len(set(manifests)) != len(manifests):
        raise ValueError("manifests must not be named twice")
    return manifests


class Rendition(Contract):
    """One rung of an explicit ladder."""

    name: Annotated[TitleName, Field(max_length=32)] = Field(
        description="Name of the rung, such as 720p; part of its keys."
    )
    height: int = Field(ge=16, le=4320, description="Lines of the short side; odd ones are rounded to even.")
    codec: Literal["h264"] = Field("h264", description="Video codec; absent means h264.")
    max_bitrate: Bitrate | None = Field(None, description="Cap of the bit rate (VBV), such as 3M.")
    crf: int = Field(23, ge=0, le=51, description="Constant rate factor: lower is better and larger; absent means 23.")


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

    preset: Literal["h264-standard", "h264-mobile"] | None = Field(
        None, description="h264-standard: 1080p, 720p, 480p, 360p; h264-mobile: 480p, 360p, 240p. None is upscaled."
    )
    renditions: list[Rendition] | None = Field(
        None, min_length=1, max_length=12, description="Explicit rungs. Those above the input are dropped, with a note."
    )

    @model_validator(mode="after")
    def _names(self) -> Self:
        _unique_names(self.renditions)
        return self


class Packaging(Contract):
    """How segments and manifests are written."""

    segment_duration: Annotated[Span, lasting("1s", "10s")] = Field(
        "4s", description="Target duration of a segment, 1s to 10s; rounded to whole frames."
    )
    segment_format: Literal["fmp4"] = Field("fmp4", description="Format of the segments: fmp4 (CMAF).")
    manifests: Annotated[list[Manifest], AfterValidator(_distinct)] = Field(
        default_factory=_hls,
        min_length=1,
        max_length=2,
        description="Manifests to write over the same segments. HLS is always written.",
        json_schema_extra={"x-kubernetes-list-type": "set", "default": ["HLS"]},
    )
