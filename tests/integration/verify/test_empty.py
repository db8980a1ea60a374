"""Black pictures and silence: an error where the source has something to see or hear, and only there."""

import json
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import X264, Studio, args, ffmpeg, picture, tone
from workers.common.directory import DirectoryStore
from workers.common.store import ObjectInfo

BLACK = ("-f", "lavfi", "-i", "color=black:s=160x90:r=25:d=3.2")
SILENCE = ("-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo:d=3.2")
SPEC: dict[str, Any] = {"packaging": {"segmentDuration": "1s"}}


class Emptying(DirectoryStore):
    """A store that stores the segments of another package in the place of what it is given, and says all is well."""

    def __init__(self, root: Path, version: Path, folder: str) -> None:
        super().__init__(root)
        self.version, self.folder = version, folder

    def put_file(self, bucket: str, key: str, path: Path, **about: Any) -> ObjectInfo:
        """As an encoder would that lost its input but not its clock."""
        name = key.partition("/v/")[2].partition("/")[2]
        other = self.version / name
        if name.startswith(self.folder) and other.exists():
            path.write_bytes(other.read_bytes())
        return super().put_file(bucket, key, path, **about)


def made(studio: Studio, *sources: str) -> Path:
    """The version of a package of these sources."""
    ffmpeg(*args(sources), *X264, "-c:a", "aac", "-shortest", studio.input())
    ended = studio.run(studio.order(spec=SPEC))
    assert ended.reason is Reason.COMPLETED, ended.message
    return studio.version


def studio_in(base: Path) -> Studio:
    base.mkdir()
    return Studio(base)


def test_a_source_that_is_black_and_silent_is_published(tmp_path: Path) -> None:
    """The worker looks back at it: nothing is missing in the output."""
    version = made(studio_in(tmp_path / "black"), *BLACK, *SILENCE)
    report = json.loads((version / "report.json").read_text())
    assert (report["errors"], report["decoded"]) == (0, 3)


@pytest.mark.parametrize(
    ("folder", "rule"),
    [
        pytest.param("", "picture-as-source, sound-as-source", id="all"),
        pytest.param("audio/", "sound-as-source", id="sound"),
    ],
)
def test_output_that_lost_its_source_is_not_published(tmp_path: Path, folder: str, rule: str) -> None:
    """Every byte is well-formed, every frame decodes: only the source tells."""
    empty = made(studio_in(tmp_path / "black"), *BLACK, *SILENCE)
    studio = studio_in(tmp_path / "film")
    ffmpeg(*args(picture(), tone()), *X264, "-c:a", "aac", "-shortest", studio.input())
    ended = studio.run(studio.order(spec=SPEC), Emptying(studio.root, empty, folder))
    assert ended.reason is Reason.VERIFICATION_FAILED, ended.message
    assert f"Nothing was published: {rule} failed" in ended.message


def test_full_decodes_every_segment(tmp_path: Path) -> None:
    """Of two rungs and the sound: four each; asked for later, what is published is decoded and nothing encoded anew."""
    studio = studio_in(tmp_path / "film")
    ffmpeg(*args(picture(), tone()), *X264, "-c:a", "aac", "-shortest", studio.input())
    first = studio.run(studio.order(spec=SPEC))
    assert first.result is not None
    assert first.result.result is not None
    assert (first.result.result.verification.decoded, first.result.result.verification.extent) == (3, "Sample")
    before = {path: path.stat().st_mtime_ns for path in studio.version.glob("*/*.m4s")}
    ended = studio.run(studio.order(spec={**SPEC, "verify": "Full"}, attempt=2))
    assert ended.result is not None
    assert ended.result.result is not None
    assert (ended.result.result.verification.decoded, ended.result.result.verification.extent) == (12, "Full")
    assert {path: path.stat().st_mtime_ns for path in studio.version.glob("*/*.m4s")} == before
    again = studio.run(studio.order(spec={**SPEC, "verify": "Full"}, attempt=3))
    assert again.message == "All was done by an earlier run."
