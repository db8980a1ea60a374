"""The argument lists of HEVC and AV1, of high dynamic range and of half rates, whole; and the graphs behind them."""

from fractions import Fraction
from typing import Any

import pytest

from narwhal_operator.contract.transcode import TranscodeOptions
from tests.unit.transcode.inputs import probed
from tests.unit.transcode.kinds import PQ
from workers.transcode import command
from workers.transcode.colour import Mastering
from workers.transcode.command import Job, Range, Source
from workers.transcode.command.compare import compare
from workers.transcode.command.encoders import delay, encoder
from workers.transcode.ladder import plan
from workers.transcode.plan import Plan
from workers.transcode.rates import Timeline

LIGHT = Mastering(((0.265, 0.69), (0.15, 0.06), (0.68, 0.32), (0.3127, 0.329)), (1000.0, 0.0001), (1000, 400))
BT709 = "-color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv"
WIDE = "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv"


def planned(*rungs: dict[str, Any], rate: str = "25", **video: Any) -> Plan:
    named = [{"name": f"r{number}", **rung} for number, rung in enumerate(rungs)]
    return plan(
        probed("1280x720", rate, 10, **video), TranscodeOptions.model_validate({"ladder": {"renditions": named}})
    )


def options(made: Plan, number: int = 0) -> list[str]:
    return list(encoder(made, made.rungs[number], 3))


def test_hevc_is_closed_deterministic_and_tagged() -> None:
    """The golden options of x265, with a cap."""
    made = planned({"height": 720, "codec": "hevc", "maxBitrate": "2M"})
    assert options(made) == [
        *[
            "-c:v",
            "libx265",
            "-preset",
            "veryfast",
            "-tag:v",
            "hvc1",
            "-profile:v",
            "main",
            "-crf",
            "25",
            "-maxrate",
            "2000000",
            "-bufsize",
            "3000000",
        ],
        *[
            "-g",
            "100",
            "-keyint_min",
            "100",
            "-forced-idr",
            "1",
            "-force_key_frames",
            "expr:not(mod(n,100))",
            "-bf",
            "3",
        ],
        "-x265-params",
        "log-level=error:info=0:repeat-headers=0:scenecut=0:open-gop=0:b-pyramid=1:frame-threads=1:pools=3:const-vbv=1",
        *BT709.split(),
    ]


def test_av1_is_closed_and_deterministic() -> None:
    """The golden options of SVT-AV1, without a cap."""
    made = planned({"height": 720, "codec": "av1"})
    assert options(made) == [
        *["-c:v", "libsvtav1", "-preset", "10", "-crf", "35", "-g", "100", "-force_key_frames", "expr:not(mod(n,100))"],
        *["-svtav1-params", "irefresh-type=2:scd=0:lp=1"],
        *BT709.split(),
    ]


def test_hdr10_says_its_light_in_each_encoders_units() -> None:
    """Chromaticities in fifty-thousandths and luminance in ten-thousandths for x265, as they are for SVT-AV1."""
    rungs = ({"height": 720, "codec": "hevc"}, {"height": 720, "codec": "av1"})
    made = planned(*rungs, **PQ, mastering=LIGHT)
    first, second = options(made), options(made, 1)
    assert first[first.index("-profile:v") + 1] == "main10"
    assert first[first.index("-x265-params") + 1].endswith(
        ":hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
    )
    assert second[second.index("-svtav1-params") + 1].endswith(
        ":mastering-display=G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(1000,0.0001):content-light=1000,400"
    )
    assert first[-8:] == second[-8:] == WIDE.split()


def test_what_is_not_known_of_the_light_is_not_said() -> None:
    """HDR10 without metadata stays without."""
    made = planned({"height": 720, "codec": "hevc"}, **PQ)
    assert options(made)[options(made).index("-x265-params") + 1].endswith(":const-vbv=1:hdr10=1")


GRAPHS = [
    pytest.param(
        planned({"height": 720}, {"height": 720, "codec": "hevc"}, {"height": 360}),
        "[s0]scale=1280:720:flags=bicubic,setsar=1,format=yuv420p,split=3[v0][v2][s1];"
        "[s1]scale=640:360:flags=bicubic,setsar=1,format=yuv420p[v1]",
        id="two-codecs-of-a-size-are-scaled-once",
    ),
    pytest.param(
        planned({"height": 720}, {"height": 360, "frameRate": "Half"}, {"height": 180, "frameRate": "Half"}, rate="50"),
        "[s0]scale=1280:720:flags=bicubic,setsar=1,format=yuv420p,split=2[v0][s1];"
        "[s1]framestep=2,scale=640:360:flags=bicubic,setsar=1,format=yuv420p,split=2[v1][s2];"
        "[s2]scale=320:180:flags=bicubic,setsar=1,format=yuv420p[v2]",
        id="every-other-frame-is-dropped-once",
    ),
    pytest.param(
        planned({"height": 720}, {"height": 720, "codec": "hevc"}, **PQ),
        "split=2[sdr][s1];"
        "[sdr]zscale=transfer=linear:npl=100,format=gbrpf32le,tonemap=tonemap=hable:desat=0,"
        "zscale=primaries=bt709:transfer=bt709:matrix=bt709:range=tv[s0];"
        "[s0]scale=1280:720:flags=bicubic,setsar=1,format=yuv420p[v0];"
        "[s1]scale=1280:720:flags=bicubic,setsar=1,format=yuv420p10le[v1]",
        id="high-dynamic-range-parts-before-the-tone-map",
    ),
    pytest.param(
        planned({"height": 720}, pixel_format="yuvj420p", full_range=True),
        "[s0]scale=1280:720:flags=bicubic:out_range=tv,setsar=1,format=yuv420p[v0]",
        id="full-range-is-made-limited-where-it-is-scaled",
    ),
    pytest.param(
        planned({"height": 720}, transfer="smpte2084", pixel_format="yuv420p10le"),
        "setparams=colorspace=bt2020nc:color_primaries=bt2020,zscale=transfer=linear",
        id="a-tone-map-is-told-what-the-input-does-not-say",
    ),
]


@pytest.mark.parametrize(("made", "part"), GRAPHS)
def test_a_picture_is_made_from_the_nearest_above_it(made: Plan, part: str) -> None:
    """The graph has this part, word by word."""
    assert part in command.video_graph(made, Range(0, made.timeline.segments))


def test_halves_begin_their_segments_where_the_whole_does() -> None:
    """99 frames a segment become 98 or 100, never a segment that begins between two frames of the half."""
    made = planned({"height": 720}, {"height": 360, "frameRate": "Half"}, rate="60000/1001")
    half = made.timeline_of(made.rungs[1])
    assert made.timeline.gop % 2 == 0
    assert half.segment_duration == made.timeline.segment_duration
    assert (half.timescale, half.frame_ticks) == (made.timeline.timescale, 2 * made.timeline.frame_ticks)


@pytest.mark.parametrize(
    ("codec", "frames", "expected"), [("h264", 100, 2), ("hevc", 100, 2), ("hevc", 2, 0), ("av1", 100, 0)]
)
def test_the_delay_of_decoding_is_the_codecs(codec: Any, frames: int, expected: int) -> None:
    """X264 and x265 reorder two frames, SVT-AV1 hides what comes early."""
    assert delay(Timeline(Fraction(25), frames, 100), codec) == expected


def test_a_comparison_reads_the_source_and_every_rung() -> None:
    """The golden end of the argument list: rungs are inputs behind the doors, frames are paired by number."""
    made = planned({"height": 720})
    argv = compare(made, Range(1, 2), "SSIM", [Source("/s/0.mp4")], Job(Source("/dev/fd/7"), "/s", 9, 3))
    assert argv.count("-format_whitelist") == argv.count("-protocol_whitelist") == argv.count("-i") == 2
    assert argv[argv.index("-ss") + 1] == "2.000000"
    graph = argv[argv.index("-filter_complex") + 1]
    assert graph.endswith(
        ";[v0]settb=1/1000,setpts=N[a0];[1:0]settb=1/1000,setpts=N[b0];[b0][a0]ssim@q0=shortest=1[o0]"
    )
    assert argv[-5:] == ["-map", "[o0]", "-f", "null", "-"]
