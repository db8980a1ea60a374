"""What FFmpeg says of quality, which segments are measured, and when an earlier measure is enough."""

import pytest

from narwhal_operator.contract.quality import Quality
from workers.transcode.quality import picks, read, unmeasured

SSIM = """[ssim@q1 @ 0x55e0] SSIM Y:0.991 (20.4) U:0.99 (20.0) V:0.99 (20.0) All:0.990500 (20.223)
[ssim@q0 @ 0x55e1] SSIM Y:0.98 (17.0) U:0.99 (20.0) V:0.99 (20.0) All:0.983061 (17.711217)
"""
PSNR = "[psnr@q0 @ 0x1] PSNR y:38.1 u:41 v:42 average:39.25 min:31 max:inf\n[psnr@q1 @ 0x2] PSNR y:inf u:inf v:inf average:inf min:inf max:inf\n"
VMAF = "[libvmaf@q0 @ 0x1] VMAF score: 93.421\n[libvmaf@q1 @ 0x1] VMAF score: 90\n"


@pytest.mark.parametrize(
    ("said", "expected"), [(SSIM, [0.983061, 0.9905]), (PSNR, [39.25, 100.0]), (VMAF, [93.421, 90.0])]
)
def test_values_are_read_by_the_number_of_the_rung(said: str, expected: list[float]) -> None:
    """In whatever order the filters end; no difference at all is a hundred decibels."""
    assert read(said, 2) == expected


def test_a_rung_without_a_value_is_an_error() -> None:
    """Nothing is made up."""
    with pytest.raises(ValueError, match="no value of rung 2"):
        read(SSIM, 3)


@pytest.mark.parametrize(
    ("segments", "expected"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (4, [1, 2, 3]), (100, [25, 50, 75])]
)
def test_samples_are_spread_over_the_title(segments: int, expected: list[int]) -> None:
    """At most three, of a short title all."""
    assert picks(segments) == expected


@pytest.mark.parametrize(
    ("wish", "metric", "values", "expected"),
    [
        pytest.param(None, None, [None], False, id="nothing-asked"),
        pytest.param({"metric": "SSIM"}, None, [None], True, id="never-measured"),
        pytest.param({"metric": "SSIM"}, "PSNR", [40.0], True, id="another-metric"),
        pytest.param({"metric": "SSIM", "floor": 0.9}, "SSIM", [0.95, 0.92], False, id="good-enough"),
        pytest.param({"metric": "SSIM", "floor": 0.93}, "SSIM", [0.95, 0.92], True, id="below-the-floor-now"),
    ],
)
def test_a_published_title_is_measured_again_where_that_is_asked(
    wish: dict[str, object] | None, metric: str | None, values: list[float | None], *, expected: bool
) -> None:
    """A title of an earlier run counts as done only when its record answers the question."""
    assert unmeasured(Quality.model_validate(wish) if wish else None, metric, values) is expected
