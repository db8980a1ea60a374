"""The argument lists, whole: a flag that changes is seen, with the reason beside it in command.py."""

from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace

from narwhal_operator.contract.transcode import TranscodeOptions
from tests.unit.transcode.inputs import probed
from workers.transcode import command, ffprobe, limits
from workers.transcode.command import Job, Range, Source, share
from workers.transcode.ladder import plan
from workers.transcode.plan import Plan
from workers.transcode.rates import timeline

JOB = Job(Source("/dev/fd/7"), "/scratch", progress_fd=9, threads=3)
DOORS = ["-protocol_whitelist", "file", "-format_whitelist", limits.DEMUXERS]


def words(line: str) -> list[str]:
    return line.split()


FFMPEG = words("ffmpeg -nostdin -hide_banner -nostats -loglevel level+error -y -progress pipe:9 -stats_period 0.5")
STRICT = words("-xerror -err_detect explode -max_pixels 35389440")
LADDER: dict[str, Any] = {
    "renditions": [
        {"name": "720p", "height": 720, "maxBitrate": "2M", "crf": 21},
        {"name": "360p", "height": 360},
    ]
}


def planned(**given: Any) -> Plan:
    return plan(probed("1280x720", "30000/1001", 10.01, **given), TranscodeOptions.model_validate({"ladder": LADDER}))


def after(argv: list[str], flag: str) -> str:
    return argv[argv.index(flag) + 1]


def test_a_scan_lists_packets_and_header_behind_the_doors() -> None:
    """One look: no name of a user's is an argument; demuxers, protocols and pixels are limited; nothing more is decoded."""
    guard, entries = ["-max_pixels", "35389440"], ["-show_entries", "packet=stream_index,pts,dts,duration,flags"]
    shown = ["-show_format", "-show_streams", "-show_chapters", "-of", "json=c=1", "file:/dev/fd/7"]
    assert ffprobe.scan(Source("/dev/fd/7")) == ["ffprobe", "-v", "error", *DOORS, *guard, *entries, *shown]


def test_a_header_is_read_under_another_guard() -> None:
    """To learn which bound an input is beyond."""
    shown = ["-show_format", "-show_streams", "-show_chapters", "-of", "json", "file:/dev/fd/7"]
    argv = ffprobe.header(Source("/dev/fd/7"), "-skip_frame", "all")
    assert argv == ["ffprobe", "-v", "error", *DOORS, "-skip_frame", "all", *shown]


def test_a_strict_decode_writes_nothing() -> None:
    """What an input is judged by when FFmpeg failed on it."""
    tail = ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", "-"]
    argv = command.decode(Source("/dev/fd/7"), 9)
    assert argv == [*FFMPEG, *STRICT, "-threads", "1", *DOORS, "-i", "file:/dev/fd/7", *tail]


def test_the_whole_title_is_one_process_that_decodes_once() -> None:
    """The golden argument list of both rungs of a whole title."""
    graph = (
        "[0:0]setpts=PTS-(0),fps=fps=30000/1001:start_time=0:round=near,tpad=stop=2:stop_mode=clone,"
        "trim=start_frame=0:end_frame=300[s0];"
        "[s0]scale=1280:720:flags=bicubic,setsar=1,format=yuv420p,split=2[v0][s1];"
        "[s1]scale=640:360:flags=bicubic,setsar=1,format=yuv420p[v1]"
    )
    head = [
        *FFMPEG,
        *STRICT,
        "-threads",
        "3",
        "-filter_complex_threads",
        "3",
        "-copyts",
        *DOORS,
        "-i",
        "file:/dev/fd/7",
        "-filter_complex",
        graph,
    ]
    cap = words("-maxrate 2000000 -bufsize 3000000")
    expected = [*head, *output(0, "720p", 21, cap), *output(1, "360p", 23, [])]
    assert command.encode_video(planned(), Range(0, 3), JOB) == expected


def output(number: int, name: str, crf: int, cap: list[str]) -> list[str]:
    encoder = words(f"-map [v{number}] -c:v libx264 -preset veryfast -motion-est dia -partitions i8x8,i4x4")
    encoder += words(f"-profile:v high -crf {crf}")
    gop = words("-g 120 -keyint_min 120 -sc_threshold 0 -flags:v +cgop -force_key_frames expr:not(mod(n,120))")
    colours = "-color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv"
    muxer = words(
        f"-threads:v {2 if number == 0 else 1} -bf 3 -b-pyramid normal {colours} -avoid_negative_ts disabled -output_ts_offset 0.066733 -map_metadata -1 -map_chapters -1 -f hls -start_number 0 "
        "-hls_time 0.033366 -hls_playlist_type vod -hls_segment_type fmp4 -hls_flags temp_file "
        "-hls_fmp4_init_filename init.mp4 -hls_segment_options "
        "movflags=+frag_discont+skip_sidx:use_editlist=0:avoid_negative_ts=disabled:video_track_timescale=30000"
    )
    return [
        *encoder, *cap, *gop, *muxer,
        "-hls_segment_filename", f"/scratch/{name}/%05d.m4s", f"/scratch/{name}/ffmpeg.m3u8",
    ]  # fmt: skip


def test_encoders_share_the_threads_by_their_pixels() -> None:
    """What the CPUs allow, at least one each; on two CPUs two for over a fifth of the work, on more for all; a rung alone has all."""
    both = planned()
    high, low = both.rungs
    assert [share(both, rung, 12) for rung in (high, low)] == [10, 2]
    assert [share(both, rung, 6) for rung in (high, low)] == [5, 2]
    assert [share(both, rung, 3) for rung in (high, low)] == [2, 1]
    assert [share(both, rung, 2) for rung in (high, low)] == [2, 1]
    assert [share(both, rung, 1) for rung in (high, low)] == [1, 1]
    middle = replace(low, name="480p", width=854, height=480)
    assert [share(replace(both, rungs=(high, middle, low)), rung, 3) for rung in (high, middle, low)] == [2, 2, 1]
    assert share(replace(both, rungs=(low,)), low, 12) == 12


def test_a_range_is_cut_by_frame_number_and_the_seek_only_saves_decoding() -> None:
    """Segments 1 and 2: frames 120 to 300 are kept, the seek aims 2 s earlier, numbers start at 1."""
    argv = command.encode_video(planned(), Range(1, 3), JOB)
    assert "trim=start_frame=120:end_frame=300[s0]" in after(argv, "-filter_complex")
    assert argv[argv.index("-noaccurate_seek") : argv.index("-i")][:3] == ["-noaccurate_seek", "-ss", "2.004000"]
    assert after(argv, "-start_number") == "1"


@pytest.mark.parametrize(
    ("rate", "seconds", "delay"),
    [
        pytest.param("25", 10, 2, id="usual"),
        pytest.param("25", 0.08, 0, id="two-frames"),
        pytest.param("25", 0.12, 2, id="three-frames"),
        pytest.param("1/2", 60, 0, id="segments-of-two-frames"),
    ],
)
def test_titles_too_short_for_b_frames_have_none(rate: str, seconds: float, delay: int) -> None:
    """X264 knows its delay after as many frames: every process must be given more, or none may be reordered."""
    made = plan(probed("640x360", rate, seconds), TranscodeOptions())
    argv = command.encode_video(made, Range(0, made.timeline.segments), JOB)
    assert command.delay(made.timeline) == delay
    assert after(argv, "-bf") == ("3" if delay else "0")
    assert Fraction(after(argv, "-output_ts_offset")) == pytest.approx(delay / Fraction(rate))


@pytest.mark.parametrize(
    ("frames", "stored", "expected"), [(301, 3, 2), (302, 3, 2), (303, 3, 3), (300, 3, 3), (301, 0, 0)]
)
def test_a_tail_of_a_frame_or_two_begins_a_segment_earlier(frames: int, stored: int, expected: int) -> None:
    """Encoded alone, such a tail would have another delay than the rest."""
    made = replace(planned(), timeline=timeline(Fraction(25), frames, 4.0))
    assert command.first_segment(made, stored) == expected


def test_a_transport_stream_is_decoded_from_its_start() -> None:
    """Its demuxer finds no key frame before a time: no seek, the same frames by `trim`."""
    argv = command.encode_video(planned(container="mpegts", start=1.4), Range(1, 3), JOB)
    assert "-ss" not in argv
    assert after(argv, "-filter_complex").startswith("[0:0]setpts=PTS-(126000),fps=")


def test_the_first_frames_time_is_the_outputs_zero() -> None:
    """Ticks of the stream's own time base are taken off: whole numbers."""
    assert command.video_graph(planned(start=1.48), Range(0, 1)).startswith("[0:0]setpts=PTS-(133200),")


def test_interlaced_frames_are_made_whole_before_they_are_counted() -> None:
    """Bwdif stands before fps, and touches only frames that say they are interlaced."""
    graph = command.video_graph(planned(field_order="tt"), Range(0, 1))
    assert "bwdif=mode=send_frame:parity=auto:deint=interlaced,fps=" in graph


def test_high_dynamic_range_is_tone_mapped_once() -> None:
    """Before the rungs part, through linear light."""
    graph = command.video_graph(planned(transfer="smpte2084"), Range(0, 1))
    assert graph.count("tonemap=tonemap=hable") == 1
    assert graph.index("tonemap") < graph.index("split")


def test_audio_is_whole_and_its_priming_is_the_first_packet() -> None:
    """The golden argument list of a stereo track: samples from 1024 on, no edit list, segments by the video's time.

    Beside video it has what that leaves idle; alone it has all.
    """
    made = planned()
    samples = round(Fraction(300 * 1001, 30000) * 48000 / 1024) * 1024
    graph = (
        "[0:1]asetpts=PTS-round(0/1/TB),aresample=48000:async=1:first_pts=0,"
        f"aformat=sample_fmts=fltp:channel_layouts=stereo,apad,atrim=start_sample=1024:end_sample={samples}[a0]"
    )
    options = words(
        "-c:a aac -b:a 128000 -ac 2 -flags:a +bitexact -map_metadata -1 -map_chapters -1 -f hls -start_number 0 "
        "-hls_time 4.004000 -hls_playlist_type vod -hls_segment_type fmp4 -hls_flags temp_file "
        "-hls_fmp4_init_filename init.mp4 -hls_segment_options movflags=+frag_discont+skip_sidx:use_editlist=0 "
        "-hls_segment_filename /scratch/main/%05d.m4s /scratch/main/ffmpeg.m3u8"
    )
    head = [*FFMPEG, *STRICT, "-threads", "1", "-copyts", "-vn", *DOORS, "-i", "file:/dev/fd/7"]
    alone = [*head, "-filter_complex", graph, "-map", "[a0]", *options]
    assert command.encode_audio(made, made.audio, JOB) == ["nice", "-n", "10", *alone]
    assert command.encode_audio(replace(made, rungs=()), made.audio, JOB) == alone


@pytest.mark.parametrize("rate", ["24", "25", "24000/1001", "30000/1001", "60", "25/2", "1/10", "143/3"])
def test_a_video_segment_ends_at_each_key_frame_whatever_the_rate(rate: str) -> None:
    """The time given to FFmpeg's segmenter is never above a frame's, so rounding cannot merge two segments."""
    made = plan(probed("640x360", rate, 60), TranscodeOptions())
    argv = command.encode_video(made, Range(0, made.timeline.segments), JOB)
    assert Fraction(after(argv, "-hls_time")) <= 1 / made.timeline.rate
