"""Damaged input where damage is tolerated: what decodes is published on the planned timeline, and what does not is told."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import AAC, X264, Studio, assert_plays, ffmpeg, picture, sound, tone
from tests.integration.transcode.test_refusals import Maker, cut, flipped

TOLERATE: dict[str, Any] = {
    "onDamage": "Tolerate",
    "packaging": {"segmentDuration": "1s", "manifests": ["HLS", "DASH"]},
}


def holed(path: Path, work: Path) -> None:
    """Makes a transport stream and leaves a sixth of its packets out of the middle."""
    whole = work / "whole.ts"
    ffmpeg(*picture(), *tone(), *X264, *AAC, whole)
    data, size = whole.read_bytes(), whole.stat().st_size // 188
    path.write_bytes(data[: size // 3 * 188] + data[size // 2 * 188 :])


DAMAGED: list[tuple[str, str, Maker, int | None, str]] = [
    ("flipped-transport-stream", "in.ts", flipped("ts"), 80, "stream 0 (video)"),
    ("missing-packets", "in.ts", holed, 80, "the frame before stands still"),
    ("cut-fast-start", "in.mp4", cut("mp4", *X264, *AAC, "-movflags", "faststart"), None, "the file was cut"),
    ("cut-matroska", "in.mkv", cut("mkv"), None, "the file was cut"),
]


@pytest.mark.parametrize(("name", "make", "frames", "words"), [pytest.param(*case[1:], id=case[0]) for case in DAMAGED])
def test_damage_that_is_tolerated_is_concealed_and_told(
    studio: Studio, tmp_path: Path, name: str, make: Maker, frames: int | None, words: str
) -> None:
    """Every planned frame plays, evenly; the sound is as long; the message, the notes and the report tell the damage."""
    make(studio.input(name), tmp_path)
    ended = studio.run(studio.order(name, spec=TOLERATE))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert "with damage: damage tolerated" in ended.message
    assert any(words in note for note in ended.notes), ended.notes
    plan = ended.report.plan
    assert plan is not None
    assert frames in {None, plan.frames}
    assert_plays(studio.output / "master.m3u8", plan.frames)
    assert abs(len(sound(studio.output / "master.m3u8")) / 48_000 - plan.duration_seconds) < 0.03
    report = json.loads((studio.version / "report.json").read_bytes())
    assert ("cut" in report) == (frames is None)
    for damage in report.get("damage", []):
        assert 0 <= damage["first"] <= damage["last"] <= damage["seconds"]


def test_a_whole_input_has_no_damage_to_tell(studio: Studio) -> None:
    """The same film under the same wish, undamaged: no note, and no word of it in the message."""
    ffmpeg(*picture(), *tone(), *X264, *AAC, studio.input())
    ended = studio.run(studio.order(spec=TOLERATE))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert "damage" not in " ".join([ended.message, *ended.notes])


def test_a_file_of_which_nothing_decodes_is_no_title(studio: Studio, tmp_path: Path) -> None:
    """Every packet of the video is noise: InputDamaged, also where damage is tolerated."""
    whole = tmp_path / "whole.mp4"
    ffmpeg(*picture(), *X264, whole)
    data = whole.read_bytes()
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    studio.input().write_bytes(data[:start] + b"\xa5" * (end - start) + data[end:])
    ended = studio.run(studio.order(spec=TOLERATE))
    assert ended.reason is Reason.INPUT_DAMAGED, ended.message
    assert "Nothing of stream 0 (video)" in ended.message


def without_sync(film: Path) -> bytes:
    """A film with FLAC whose frames begin with no sync code (RFC 9639 section 9.1), its video as it was."""
    asked = ["-select_streams", "a", "-show_entries", "packet=pos,size", "-of", "csv=p=0"]
    done = subprocess.run(["ffprobe", "-v", "error", *asked, film], capture_output=True, text=True, check=True)
    data = bytearray(film.read_bytes())
    for line in done.stdout.split():
        size, position = (int(word) for word in line.split(",")[:2])
        start = data.index(b"\xff\xf8", position, position + size)
        data[start] = 0
    return bytes(data)


def test_another_wish_of_damage_is_other_work(studio: Studio, tmp_path: Path) -> None:
    """What failed is published once damage is tolerated; sound of which nothing decodes is left out, and told."""
    whole = tmp_path / "whole.mkv"
    ffmpeg(*picture(), *tone(), *X264, "-c:a", "flac", "-shortest", whole)
    studio.input("in.mkv").write_bytes(without_sync(whole))
    failed = studio.run(studio.order("in.mkv"))
    assert (failed.reason, "stream 1" in failed.message) == (Reason.INPUT_DAMAGED, True), failed.message
    ended = studio.run(studio.order("in.mkv", spec=TOLERATE))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.report.plan is not None
    assert ended.report.plan.audio_tracks == 0
    assert_plays(studio.output / "master.m3u8", 80)
