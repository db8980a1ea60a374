"""Ranges of a title are encoded apart and join: no frame is lost or doubled, times go on, the borders look like the rest."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode import stages
from tests.integration.transcode.studio import AAC, X264, Studio, args, ffmpeg, frame_times, picture, sound, tone
from tests.integration.transcode.test_encryption import KEYS, KIDS, secret

FILM = pytest.param("25", "mp4", (), {}, id="25")
INPUTS = [
    FILM,
    pytest.param("24000/1001", "mp4", (), {}, id="film-ntsc"),
    pytest.param("30000/1001", "mkv", (), {}, id="ntsc-matroska"),
    pytest.param("25", "mkv", ("-output_ts_offset", "7.3"), {}, id="late-start"),
    pytest.param("30", "mp4", ("-vf", "select='not(eq(mod(n,7),3))*not(eq(mod(n,11),5))'", "-fps_mode", "vfr"), {}, id="variable-rate"),
    pytest.param("25", "mkv", ("-preset", "fast", "-g", "20", "-x264-params", "open-gop=1"), {}, id="open-gop"),
    pytest.param("25", "mp4", ("-preset", "fast", "-bf", "3", "-g", "500"), {}, id="one-key-frame"),
    pytest.param("24", "mp4", (), {"codec": "hevc"}, id="hevc"),
    pytest.param("25", "mp4", (), {"codec": "av1"}, id="av1"),
]  # fmt: skip


def ladder(**rung: Any) -> dict[str, Any]:
    return {
        "ladder": {"renditions": [{"name": "high", "height": 90, "crf": 12, **rung}, {"name": "low", "height": 48}]}
    }


@pytest.mark.parametrize(("rate", "container", "extra", "rung"), INPUTS)
def test_ranges_join_without_a_seam(
    studio: Studio, tmp_path: Path, rate: str, container: str, extra: tuple[str, ...], rung: dict[str, Any]
) -> None:
    """The same frames at the same times as of a whole encode, the same sound to the byte, and no border worse than 40 dB."""
    name = f"in.{container}"
    film = args(picture(rate=rate, seconds=6.4), tone(6.4), X264, AAC, extra)
    ffmpeg(*film, studio.input(name))
    whole = Studio(tmp_path / "whole")
    whole.input(name).hardlink_to(studio.input(name))
    assert whole.run(whole.order(name, spec=ladder(**rung))).reason is Reason.COMPLETED
    order = stages.divided(studio, name, spec=ladder(**rung))
    ended = stages.by_parts(studio, order)
    assert ended.reason is Reason.COMPLETED, ended.message
    joined, alone = stages.files(studio.version), stages.files(whole.version)
    assert joined.keys() == alone.keys()
    assert not (studio.version / "plan.json").exists()
    assert {path for path in joined if path.startswith("audio/") and joined[path] != alone[path]} == set()
    for path in ("high/init.mp4", "low/init.mp4"):
        assert joined[path] == alone[path]
    times = frame_times(whole.version / "high/media.m3u8")
    assert frame_times(studio.version / "high/media.m3u8") == times == list(range(len(times)))
    assert min(likeness(studio.version, whole.version)) > 40


def likeness(one: Path, other: Path) -> list[float]:
    """PSNR of each frame of the top rung against that of another encode."""
    inputs = args("-i", str(one / "high/media.m3u8"), "-i", str(other / "high/media.m3u8"))
    graph = "[0:v]settb=1/1000,setpts=N[a];[1:v]settb=1/1000,setpts=N[b];[a][b]psnr=stats_file=-"
    argv = ["ffmpeg", "-v", "error", "-nostdin", *map(str, inputs), "-lavfi", graph, "-f", "null", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    found = re.findall(r"psnr_avg:(inf|[\d.]+)", done.stdout)
    assert len(found) > 100
    return [float(value) for value in found]


def test_a_short_title_is_one_pods_work(studio: Studio) -> None:
    """Plan does all of it by itself and says why."""
    ffmpeg(*picture(), *X264, studio.input())
    order = studio.order(spec={"parallelism": 4})
    ended = studio.run(stages.staged(order, "Plan"))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.result is not None
    assert ended.result.ranges is None
    assert "parallelism: one pod does all: more would not pay" in ended.notes
    assert (studio.output / "master.m3u8").exists()


def test_a_transport_stream_is_one_pods_work(studio: Studio) -> None:
    """Without an index each range would be decoded from the start."""
    ffmpeg(*picture(seconds=6), *X264, studio.input("in.ts"))
    ended = studio.run(stages.staged(stages.divided(studio, "in.ts"), "Plan"))
    assert any("cannot be sought in" in note for note in ended.notes)


def test_parts_are_made_once(studio: Studio) -> None:
    """What an earlier attempt stored is not made again, in whatever parts it is divided now; holes are filled."""
    ffmpeg(*picture(seconds=8), *tone(8), *X264, *AAC, studio.input())
    first = stages.divided(studio)
    count = stages.plan(studio, first)
    for index in range(0, count, 2):
        assert stages.part(studio, first, index).reason is Reason.COMPLETED
    before = {path: path.stat().st_mtime_ns for path in studio.version.rglob("*.m4s")}
    assert 0 < len([path for path in before if path.parent.name == "high"]) < 8
    ended = stages.by_parts(studio, stages.divided(studio, pods=1 + count), attempt=2)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert frame_times(studio.version / "high/media.m3u8") == list(range(200))
    assert len(sound(studio.output / "master.m3u8")) > 7.9 * 48_000


def test_the_last_pod_makes_what_is_missing(studio: Studio) -> None:
    """A part that was never made, or was lost, is made by who finishes: one code for both."""
    ffmpeg(*picture(seconds=8), *X264, studio.input())
    order = stages.divided(studio)
    count = stages.plan(studio, order)
    for index in range(count - 1):
        assert stages.part(studio, order, index).reason is Reason.COMPLETED
    ended = studio.run(stages.staged(order, "Finish"))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert frame_times(studio.version / "high/media.m3u8") == list(range(200))


def test_a_pod_of_an_earlier_attempt_is_fenced(studio: Studio) -> None:
    """Once a later attempt has claimed the version neither a part nor the end of an earlier one goes on."""
    ffmpeg(*picture(seconds=8), *X264, studio.input())
    order = stages.divided(studio)
    stages.plan(studio, order)
    stages.plan(studio, order, attempt=2)
    for index, task in ((1, "Range"), (None, "Finish")):
        ended = studio.run(stages.staged(order, task), index=index)
        assert ended.reason is Reason.PLAN_LOST, ended.message
    claim = studio.version / "order.json"
    claim.write_text(json.dumps(json.loads(claim.read_text()) | {"attempt": "3"}))
    ended = stages.part(studio, order, 1, attempt=2)
    assert ended.reason is Reason.CANCELLED
    assert "Attempt 3 has taken over" in ended.message
    assert list(studio.version.rglob("*.m4s")) == []


@pytest.mark.parametrize("harm", ["gone", "cut", "another index"])
def test_a_plan_that_is_not_there_is_said(studio: Studio, harm: str) -> None:
    """The attempt ends with a reason that lets the next one plan anew."""
    ffmpeg(*picture(seconds=4), *X264, studio.input())
    order = stages.divided(studio)
    count = stages.plan(studio, order)
    plan = studio.version / "plan.json"
    if harm == "gone":
        plan.unlink()
    elif harm == "cut":
        plan.write_bytes(plan.read_bytes()[:-9])
    ended = stages.part(studio, order, count if harm == "another index" else 1)
    assert ended.reason is (Reason.INVALID_ORDER if harm == "another index" else Reason.PLAN_LOST)


def test_a_cut_input_is_told_by_the_part_that_meets_the_end(studio: Studio) -> None:
    """A plan for more frames than there are: the last range says so, the first one does not mind."""
    ffmpeg(*picture(seconds=8), *X264, studio.input())
    order = stages.divided(studio)
    count = stages.plan(studio, order)
    plan = studio.version / "plan.json"
    found = json.loads(plan.read_text())
    found["plan"]["timeline"]["frames"] = 224
    found["parts"][-1][-1]["stop"] = 9
    plan.write_text(json.dumps(found))
    assert stages.part(studio, order, 1).reason is Reason.COMPLETED
    ended = stages.part(studio, order, count - 1)
    assert ended.reason is Reason.INPUT_TRUNCATED, ended.message
    assert "from frame" in ended.message


@pytest.mark.parametrize("method", ["AES-128", "cenc"])
def test_an_encrypted_title_is_divided_as_well(studio: Studio, method: str) -> None:
    """Each pod has the key; the pod that finishes opens every segment, and all rules pass."""
    ffmpeg(*picture(seconds=6), *tone(6), *X264, *AAC, studio.input())
    keys = secret(studio.base, (KIDS[0], KEYS[0]))
    wish = {"method": method, "keysFrom": {"secretRef": {"name": "film-keys"}}, "keyUri": "/keys/{kid}"}
    order = stages.divided(studio, spec={"packaging": {"segmentDuration": "1s", "encryption": wish}}, keys=keys)
    ended = stages.by_parts(studio, order)
    assert ended.reason is Reason.COMPLETED, ended.message
