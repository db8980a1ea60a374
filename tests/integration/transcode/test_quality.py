"""Quality is measured on what is stored, against what the encoder was given, and a floor is kept."""

import json
from typing import Any

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import CLIP, Studio

LADDER: dict[str, Any] = {
    "ladder": {
        "renditions": [
            {"name": "fine", "height": 180, "crf": 18},
            {"name": "coarse", "height": 180, "crf": 40},
            {"name": "hevc", "height": 90, "codec": "hevc", "crf": 18},
            {"name": "av1", "height": 90, "codec": "av1", "crf": 25},
        ]
    },
    "packaging": {"segmentDuration": "1s"},
}


def test_finer_rungs_have_higher_values_and_a_published_title_is_measured_without_encoding(studio: Studio) -> None:
    """SSIM in the plan of the outcome; asked for afterwards, PSNR of the same version; a floor between them fails by name."""
    studio.input().write_bytes(CLIP.read_bytes())
    ended = studio.run(studio.order(spec={**LADDER, "quality": {"metric": "SSIM", "floor": 0.5}}))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.result is not None
    assert ended.result.plan is not None
    assert ended.result.plan.quality_metric == "SSIM"
    found = {rung.name: rung.quality or 0 for rung in ended.result.plan.rungs}
    assert 0.95 < found["fine"] <= 1
    assert found["coarse"] < found["fine"] - 0.03
    assert min(found["hevc"], found["av1"]) > 0.93
    report = json.loads((studio.version / "report.json").read_bytes())
    assert report["quality"] == {"metric": "SSIM", "rungs": found}
    before = {path: path.stat().st_mtime_ns for path in studio.version.glob("*/*.m4s")}
    again = studio.run(studio.order(spec={**LADDER, "quality": {"metric": "PSNR"}}))
    assert again.reason is Reason.COMPLETED, again.message
    assert again.result is not None
    assert again.result.plan is not None
    assert 30 < (again.result.plan.rungs[0].quality or 0) < 60
    assert {path: path.stat().st_mtime_ns for path in studio.version.glob("*/*.m4s")} == before
    below = studio.run(studio.order(spec={**LADDER, "quality": {"metric": "SSIM", "floor": 0.95}}))
    assert below.reason is Reason.QUALITY_BELOW_FLOOR
    assert f"coarse has {found['coarse']}" in below.message
    assert "fine" not in below.message


def test_vmaf_is_refused_before_anything_is_encoded_where_ffmpeg_has_none(studio: Studio) -> None:
    """Debian's FFmpeg has no libvmaf: a named error with what can be measured instead."""
    studio.input().write_bytes(CLIP.read_bytes())
    ended = studio.run(studio.order(spec={**LADDER, "quality": {"metric": "VMAF"}}))
    assert ended.reason is Reason.NOT_SUPPORTED
    assert "SSIM or PSNR" in ended.message
    assert not studio.output.exists()
