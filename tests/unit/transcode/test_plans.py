"""The planner as a whole: a table of named inputs, and whatever else an input may be."""

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import TranscodeOptions
from tests.unit.transcode.kinds import KINDS, table
from workers.transcode import command
from workers.transcode.colour import BT601, BT709
from workers.transcode.command import Job, Range, Source
from workers.transcode.damage import Span
from workers.transcode.ladder import plan
from workers.transcode.limits import MAX_RATE
from workers.transcode.media import Audio, MediaInfo, Video
from workers.transcode.plan import NOTE_LENGTH, Plan
from workers.transcode.presets import LEAST_SIDE
from workers.transcode.scan import Scan

PLANS: Final = Path(__file__).with_name("plans.txt")
REFUSALS: Final = {
    Reason.NO_VIDEO,
    Reason.INPUT_DAMAGED,
    Reason.INPUT_OVER_LIMITS,
    Reason.LADDER_EMPTY,
    Reason.CLIP_EMPTY,
    Reason.NOT_SUPPORTED,
}
FORMATS = ["yuv420p", "yuvj420p", "yuv420p10le", "yuv422p12le", "yuv444p", "gbrp", "gray", "pal8", "unknown"]
COLOURS = ["unknown", "bt709", "smpte170m", "bt470bg", "bt2020", "bt2020nc", "bt2020-10", "smpte2084", "arib-std-b67"]


def test_every_named_input_has_its_plan() -> None:
    """Rungs, sizes, rates, what is dropped and what is noted are those of plans.txt, word by word."""
    assert len(KINDS) >= 60
    assert len({name for name, _, _ in KINDS}) == len(KINDS)
    assert table() == PLANS.read_text()


def fractions(least: int, most: int) -> st.SearchStrategy[Fraction]:
    return st.fractions(least, most, max_denominator=1001).filter(lambda value: value > 0)


@st.composite
def videos(draw: st.DrawFn) -> Video:
    side = st.one_of(st.integers(0, 200), st.integers(0, 9000))
    return Video(
        index=draw(st.integers(0, 3)),
        codec=draw(st.sampled_from(["h264", "hevc", "unknown"])),
        width=draw(side),
        height=draw(side),
        time_base=draw(
            st.sampled_from([Fraction(1, 90_000), Fraction(1, 1000), Fraction(1001, 30_000), Fraction(1, 25)])
        ),
        sample_aspect=draw(st.one_of(st.just(Fraction(1)), fractions(0, 100))),
        rotation=draw(st.sampled_from([0, 90, 180, 270, 45])),
        nominal_rate=draw(st.one_of(st.none(), fractions(0, 90_000))),
        pixel_format=draw(st.sampled_from(FORMATS)),
        field_order=draw(st.sampled_from(["progressive", "tt", "bb", "unknown"])),
        transfer=draw(st.sampled_from(COLOURS)),
        primaries=draw(st.sampled_from(COLOURS)),
        matrix=draw(st.sampled_from([*COLOURS, "gbr"])),
        full_range=draw(st.booleans()),
    )


@st.composite
def inputs(draw: st.DrawFn) -> MediaInfo:
    shown, first = draw(st.integers(1, 500_000)), draw(st.integers(-1000, 10**7))
    scan = Scan(
        packets=shown + draw(st.integers(0, 9)),
        shown=shown,
        first=first,
        end=first + draw(st.integers(0, 10**8)),
        variable=draw(st.booleans()),
    )
    return MediaInfo(
        container=draw(st.sampled_from(["mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "avi", "flv"])),
        streams=draw(st.integers(1, 70)),
        video=draw(st.one_of(st.none(), videos())),
        audio=tuple(draw(st.lists(st.builds(Audio, st.integers(1, 9), st.just("aac"), st.integers(1, 8)), max_size=3, unique_by=lambda track: track.index))),
        scan=draw(st.one_of(st.none(), st.just(scan))),
        spans={number: draw(spans()) for number in draw(st.sets(st.integers(1, 9)))},
        time_bases=dict.fromkeys(range(1, 9), Fraction(1, 48_000)),
    )  # fmt: skip


def spans() -> st.SearchStrategy[Span]:
    moments = st.fractions(0, 100_000, max_denominator=48_000)
    return st.builds(Span, moments, moments)


@st.composite
def wishes(draw: st.DrawFn) -> TranscodeOptions:
    presets = ["h264-standard", "h264-mobile", "hevc-standard", "av1-standard", "hevc+h264"]
    seconds = draw(st.sampled_from(["1s", "2s", "4s", "10s"]))
    if draw(st.booleans()):
        ladder: dict[str, Any] = {"preset": draw(st.sampled_from(presets))}
    else:
        codecs = draw(st.lists(st.sampled_from(["h264", "hevc", "av1"]), min_size=1, max_size=12))
        ladder = {
            "renditions": [
                {
                    "name": f"r{number}",
                    "codec": codec,
                    "height": draw(st.integers(16, 4320)),
                    "frameRate": draw(st.sampled_from(["Source", "Half"])),
                }
                for number, codec in enumerate(codecs)
            ]
        }
    clip = draw(st.sampled_from([None, {"start": "1s"}, {"start": "1h", "duration": "10s"}, {"duration": "1500ms"}]))
    return TranscodeOptions.model_validate({"ladder": ladder, "packaging": {"segmentDuration": seconds}, "clip": clip})


def planned(info: MediaInfo, wish: TranscodeOptions) -> Plan | WorkError:
    try:
        return plan(info, wish)
    except WorkError as error:
        return error


@settings(max_examples=150, deadline=None)
@given(inputs(), wishes())
def test_any_input_gets_a_plan_that_can_be_carried_out_or_a_named_refusal(
    info: MediaInfo, wish: TranscodeOptions
) -> None:
    """Whatever a probe may find: rungs that fit it and the encoders, whole segments, an argument list; or a reason and a mend."""
    made = planned(info, wish)
    if isinstance(made, WorkError):
        assert made.reason in REFUSALS
        assert len(made.message) <= 1024
        return
    assert_rungs_fit(made)
    assert_time_is_whole(made)
    assert all(len(line) <= NOTE_LENGTH for line in (*made.notes, *made.dropped))
    assert made.summary().rungs or made.summary().audio
    if made.video is None:
        assert_sound_is_aligned(made)
        return
    argv = command.encode_video(made, Range(0, made.timeline.segments), Job(Source("/dev/fd/7"), "/s", 9, 3))
    assert_graph_is_joined(argv[argv.index("-filter_complex") + 1], len(made.rungs))


def assert_sound_is_aligned(made: Plan) -> None:
    line = made.timeline
    assert {(one.packets, one.segments(line.segment_duration)) for one in made.audio} == {(line.frames, line.segments)}
    assert line.segment_duration * 48_000 % made.audio[0].frame == 0
    argv = command.encode_title(made, Range(0, line.segments), Job(Source("/dev/fd/7"), "/s", 9, 3))
    assert len([word for word in argv if word == "-map"]) == len(made.audio)


def assert_rungs_fit(made: Plan) -> None:
    names = [rung.name for rung in made.rungs]
    assert len(set(names)) == len(names)
    sizes: dict[str, list[int]] = {}
    for rung in made.rungs:
        assert rung.width % 2 == rung.height % 2 == 0
        assert min(rung.width, rung.height) >= LEAST_SIDE[rung.codec]
        assert rung.codec != "h264" or rung.dynamic_range == "SDR"
        assert made.timeline_of(rung).segments == made.timeline.segments
        sizes.setdefault(rung.codec, []).append(rung.width * rung.height)
    assert all(found == sorted(found, reverse=True) for found in sizes.values())
    plain = [rung for rung in made.rungs if rung.dynamic_range == "SDR"]
    assert not made.convert or made.colour == BT709 or not plain
    assert made.colour.matrix in {BT709.matrix, BT601.matrix, "bt470bg"}


def assert_time_is_whole(made: Plan) -> None:
    line = made.timeline
    assert 0 < line.rate <= MAX_RATE
    assert sum(line.frames_of(number) for number in range(line.segments)) == line.frames
    for rung in made.rungs:
        own = made.timeline_of(rung)
        assert own.timescale == line.timescale
        assert own.frame_ticks * own.gop == line.frame_ticks * line.gop
        assert 0 <= own.duration - line.duration <= 1 / line.rate


def assert_graph_is_joined(graph: str, rungs: int) -> None:
    """Each label is made once and used once; those of the rungs are left for the outputs."""
    made, used = [], []
    for chain in graph.split(";"):
        inner = chain.split("]", 1)[1] if chain.startswith("[0:") else chain
        parts = inner.split("[")
        if not chain.startswith("[0:"):
            used.append(parts[1].split("]")[0])
            parts = parts[1:]
        made += [part.split("]")[0] for part in parts[1:]]
    assert len(set(made)) == len(made)
    assert sorted(set(made) - set(used)) == sorted(f"v{number}" for number in range(rungs))
    assert set(used) <= set(made)
