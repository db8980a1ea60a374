"""HEVC and AV1 beside H.264: segments, resumed runs, playlists, frame rates and dynamic ranges."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import X264, Studio, assert_plays, ffmpeg, frame_times, picture, tone

SIZE = "320x180"


def rendition(codec: str, height: int = 180, **given: Any) -> dict[str, Any]:
    return {"name": f"{codec}-{height}", "height": height, "codec": codec, **given}


def ladder(*renditions: dict[str, Any], manifests: tuple[str, ...] = ("HLS", "DASH")) -> dict[str, Any]:
    packaging = {"segmentDuration": "1s", "manifests": list(manifests)}
    return {"ladder": {"renditions": list(renditions)}, "packaging": packaging}


def stream(playlist: Path) -> dict[str, Any]:
    """The video stream of a package and the side data of its first frame."""
    argv = [
        "ffprobe",
        "-v",
        "error",
        "-select_streams",
        "v:0",
        "-show_streams",
        "-show_frames",
        "-read_intervals",
        "%+#1",
    ]
    done = subprocess.run([*argv, "-of", "json", str(playlist)], capture_output=True, timeout=60, check=True)
    found = json.loads(done.stdout)
    return {**found["streams"][0], "side": found["frames"][0].get("side_data_list", [])}


def test_a_ladder_of_three_codecs_is_one_package(studio: Studio) -> None:
    """H.264, HEVC and AV1 of one decode: each plays to the last frame, from HLS and from DASH, with its own codec string."""
    ffmpeg(*picture(SIZE), *tone(), *X264, "-c:a", "aac", studio.input())
    spec = ladder(rendition("h264"), rendition("hevc"), rendition("av1"), rendition("hevc", 90))
    ended = studio.run(studio.order(spec=spec))
    assert ended.reason is Reason.COMPLETED, ended.message
    for rung in ("h264-180", "hevc-180", "av1-180", "hevc-90"):
        assert_plays(studio.version / rung / "media.m3u8", 80)
    master = (studio.output / "master.m3u8").read_text()
    codecs = [line.split('CODECS="')[1].split(",")[0] for line in master.splitlines() if "-X-STREAM-INF" in line]
    assert [codec.split(".")[0] for codec in codecs] == ["avc1", "hvc1", "hvc1", "av01"]
    assert "VIDEO-RANGE" not in master
    assert_plays(studio.output / "manifest.mpd", 80)
    manifest = (studio.output / "manifest.mpd").read_text()
    assert manifest.count('contentType="video"') == 3


@pytest.mark.parametrize("codec", ["hevc", "av1"])
@pytest.mark.parametrize("rate", ["25", "30000/1001"])
def test_a_resumed_run_joins_without_a_stitch(studio: Studio, codec: str, rate: str) -> None:
    """Segments of a second process follow those of the first: the same init segment, times and frames."""
    ffmpeg(*picture(SIZE, rate, 4.2), *X264, studio.input())
    order = studio.order(spec=ladder(rendition(codec), rendition(codec, 90), manifests=("HLS",)))
    assert studio.run(order).reason is Reason.COMPLETED
    before = frame_times(studio.version / f"{codec}-90/media.m3u8")
    inits = {path: path.read_bytes() for path in studio.version.glob("*/init.mp4")}
    for path in [
        studio.version / "outcome.json",
        *studio.version.glob("*/0000[2-9].m4s"),
        *studio.version.glob("*/*.m3u8"),
    ]:
        path.unlink()
    (studio.output / "master.m3u8").unlink()
    ended = studio.run(order)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert {path: path.read_bytes() for path in inits} == inits
    assert frame_times(studio.version / f"{codec}-90/media.m3u8") == before == list(range(len(before)))


@pytest.mark.parametrize("codec", ["hevc", "av1"])
@pytest.mark.parametrize(("rate", "seconds", "frames"), [("25", 0.04, 1), ("25", 0.08, 2), ("1", 7, 7), ("1/5", 20, 4)])
def test_the_shortest_titles_come_out_whole(studio: Studio, codec: str, rate: str, seconds: float, frames: int) -> None:
    """A frame or two, and segments of a frame or two."""
    ffmpeg(*picture(SIZE, rate, seconds), *X264, studio.input("in.mkv"))
    ended = studio.run(studio.order("in.mkv", spec=ladder(rendition(codec), manifests=("HLS",))))
    assert ended.reason is Reason.COMPLETED, ended.message
    times = frame_times(studio.version / f"{codec}-180/media.m3u8")
    # In ticks that FFmpeg guesses: of two frames of AV1 it knows no rate.
    assert times == [number * (times[-1] // max(1, frames - 1)) for number in range(frames)]


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_the_same_input_gives_the_same_bytes(studio: Studio, codec: str) -> None:
    """Under a cap, where rate control looks at what was encoded before, two runs do not differ."""
    ffmpeg("-f", "lavfi", "-i", f"mandelbrot=s={SIZE}:r=25", "-t", "3", *X264, studio.input())
    found = []
    for prefix in ("one", "two"):
        spec = ladder(rendition(codec, maxBitrate="200k", crf=15), manifests=("HLS",))
        spec["output"] = {"bucket": "media", "prefix": prefix}
        assert studio.run(studio.order(spec=spec)).reason is Reason.COMPLETED
        root = studio.root / "media" / prefix
        found.append({path.name: path.read_bytes() for path in sorted(root.glob(f"v/*/{codec}-180/*"))})
    assert found[0] == found[1]


def test_low_rungs_of_fast_video_have_every_other_frame(studio: Studio) -> None:
    """At 50 frames per second: 150 frames above, 75 below, the same segment starts, true frame rates."""
    ffmpeg(*picture(SIZE, "50", 3.02), *tone(3.02), *X264, "-c:a", "aac", studio.input())
    low = [rendition("h264", 90, frameRate="Half"), rendition("hevc", 90, frameRate="Half")]
    ended = studio.run(studio.order(spec=ladder(rendition("h264"), *low)))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert_plays(studio.version / "h264-180/media.m3u8", 151)
    assert len(frame_times(studio.version / "h264-90/media.m3u8")) == 76
    assert len(frame_times(studio.version / "hevc-90/media.m3u8")) == 76
    master = (studio.output / "master.m3u8").read_text()
    assert [line.split("FRAME-RATE=")[1].split(",")[0] for line in master.splitlines() if "FRAME-RATE" in line] == [
        "50.000",
        "25.000",
        "25.000",
    ]
    assert ended.report.plan is not None
    assert [rung.frame_rate for rung in ended.report.plan.rungs] == ["50/1", "25/1", "25/1"]


LIGHT = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"


def hdr(studio: Studio, transfer: str, extra: str = "") -> None:
    params = f"log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc{extra}"
    ffmpeg(
        *picture(SIZE, seconds=2),
        "-vf",
        "format=yuv420p10le",
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        params,
        studio.input(),
    )


def test_hdr10_stays_in_hevc_and_av1_and_is_mapped_for_h264(studio: Studio) -> None:
    """PQ, 10 bits, BT.2020 and the mastering light come through; the H.264 rung is BT.709; the master says which is which."""
    hdr(studio, "smpte2084", f":hdr10=1:{LIGHT}")
    ended = studio.run(
        studio.order(
            spec=ladder(
                rendition("h264"), rendition("hevc"), rendition("av1"), rendition("hevc", 90, dynamicRange="SDR")
            )
        )
    )
    assert ended.reason is Reason.COMPLETED, ended.message
    for rung in ("hevc-180", "av1-180"):
        seen = stream(studio.version / rung / "media.m3u8")
        assert (seen["pix_fmt"], seen["color_transfer"]) == ("yuv420p10le", "smpte2084")
        assert (seen["color_primaries"], seen["color_space"], seen["color_range"]) == ("bt2020", "bt2020nc", "tv")
        sides = {side["side_data_type"]: side for side in seen["side"]}
        assert sides["Content light level metadata"]["max_content"] == 1000
        assert "max_luminance" in sides["Mastering display metadata"]
        assert_plays(studio.version / rung / "media.m3u8", 50)
    for rung in ("h264-180", "hevc-90"):
        seen = stream(studio.version / rung / "media.m3u8")
        assert (seen["pix_fmt"], seen["color_transfer"], seen["color_space"], seen["color_primaries"]) == (
            "yuv420p",
            "bt709",
            "bt709",
            "bt709",
        )
    master = (studio.output / "master.m3u8").read_text()
    lines = [line for line in master.splitlines() if "VIDEO-RANGE" in line]
    # The variants, then the I-frame playlists of the same rungs.
    assert [line.split("VIDEO-RANGE=")[1].split(",")[0] for line in lines] == 2 * ["SDR", "PQ", "SDR", "PQ"]
    assert "kept in hevc-180, av1-180" in " ".join(ended.notes)


def test_hlg_stays_hlg(studio: Studio) -> None:
    """The other transfer of high dynamic range."""
    hdr(studio, "arib-std-b67")
    ended = studio.run(studio.order(spec=ladder(rendition("hevc"))))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert stream(studio.version / "hevc-180/media.m3u8")["color_transfer"] == "arib-std-b67"
    assert "VIDEO-RANGE=HLG" in (studio.output / "master.m3u8").read_text()
    assert 'value="18"' in (studio.output / "manifest.mpd").read_text()
