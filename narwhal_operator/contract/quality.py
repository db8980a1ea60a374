"""The measure of a TranscodingJob's rungs, and the floor below which it fails."""

from typing import Annotated, ClassVar, Final, Literal, Self

from narwhal_operator.contract.model import Contract, Field, model_validator
from narwhal_operator.contract.rules import Rule

Metric = Literal["SSIM", "PSNR", "VMAF"]
_MESSAGE: Final = "floor must be at most 1 for SSIM"


class Quality(Contract):
    """How near each rung is to what its encoder was given."""

    cel: ClassVar[tuple[Rule, ...]] = (
        Rule("self.metric != 'SSIM' || !has(self.floor) || double(self.floor) <= 1.0", _MESSAGE),
    )

    metric: Metric = Field(
        description="SSIM (0 to 1), PSNR (decibels) or VMAF (0 to 100; where FFmpeg was built with libvmaf)."
    )
    floor: Annotated[float, Field(ge=0, le=100)] | None = Field(
        None, description="The job fails with QualityBelowFloor when a rung is below it; absent only measures."
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.metric == "SSIM" and self.floor is not None and self.floor > 1:
            raise ValueError(_MESSAGE)
        return self
