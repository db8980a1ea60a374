"""The picture that a TranscodingJob lays over the video."""

from typing import Literal

from narwhal_operator.contract.base import BucketName, ObjectKey
from narwhal_operator.contract.model import Contract, Field


class WatermarkImage(Contract):
    """An image in the store of the input."""

    bucket: BucketName = Field(description="Bucket of the image, in the store that the input is in.")
    key: ObjectKey = Field(description="Key of the image: a PNG, with its transparency, or a JPEG; 16 MiB at most.")


class Watermark(Contract):
    """A picture over the video of every rung."""

    image: WatermarkImage = Field(description="The picture.")
    position: Literal["TopLeft", "TopRight", "BottomLeft", "BottomRight", "Center"] = Field(
        "BottomRight", description="Where it is; absent means BottomRight."
    )
    width: int = Field(10, ge=1, le=100, description="Its width in percent of the video's.")
    margin: int = Field(3, ge=0, le=40, description="Distance to the edges in percent of the video's height.")
    opacity: int = Field(100, ge=1, le=100, description="Percent; 100 leaves the picture as it is.")
