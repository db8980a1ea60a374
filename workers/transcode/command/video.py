"""The video: one process that decodes once and encodes a range of segments of every rung."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

from workers.transcode.command.common import Job, Range, ffmpeg, given, segments, strict
from workers.transcode.plan import Plan, Rung
from workers.transcode.rates import Timeline

PRESET: Final = "veryfast"
"""x264's preset; see bench/transcode.py for what others cost."""
SEARCH: Final = ("-motion-est", "dia", "-partitions", "i8x8,i4x4")
"""Less of x264's search than the preset does: a sixth of the encode's work for a hundredth of the bits (docs/adr)."""
FEW_THREADS: Final = 3
"""Threads of two CPUs."""
BUFFER: Final = Fraction(3, 2)
"""Seconds of the cap that the decoder's buffer holds (VBV)."""
REORDERED: Final = 2
"""Frames that decoding is ahead of showing, where B frames are referred to (x264's b-pyramid)."""
SEEK_MARGIN: Final = 2
"""Seconds a seek aims before the range: demuxers seek by decoding time, and the deinterlacer needs neighbours."""
PADDING: Final = 2
"""Frames the last one may be repeated for, where a container's rounding hides the last frame's end. More are missing
frames, and are found by their number."""


def delay(line: Timeline) -> int:
    """Frames that decoding is ahead of showing: the same in every range, so that all have one init segment.

    The edit list takes them off (boxes.with_edit). Negative composition offsets would do without one, but FFmpeg's
    demuxer, and all players on it, learn the largest of them only as segments come and then show a frame twice. A process
    that is given fewer frames than this cannot know it (x264): such a title, or such a GOP, has no B frames.
    """
    return REORDERED if min(line.gop, line.frames) > REORDERED else 0


def first_segment(line: Timeline, stored: int) -> int:
    """Where a tail begins of which so many segments are stored: one earlier when too few frames are left for B frames."""
    left = line.frames - stored * line.gop
    return stored - 1 if 0 < left <= delay(line) else stored


def encode_video(plan: Plan, part: Range, job: Job) -> list[str]:
    """One process that decodes once and encodes a range of segments of every rung."""
    outputs = [flag for number, rung in enumerate(plan.rungs) for flag in _video_output(plan, part, job, number, rung)]
    # -copyts keeps the input's clock; the filters count from the first frame. Threads of an input are its decoder's.
    return [
        *ffmpeg(job.progress_fd),
        *strict(),
        # Threads are what the order's CPUs allow; FFmpeg's own guess is the machine's.
        *("-threads", str(job.threads), "-filter_complex_threads", str(job.threads), "-copyts"),
        *_seek(plan, part),
        *given(job.source),
        *("-filter_complex", video_graph(plan, part)),
        *outputs,
    ]


def video_graph(plan: Plan, part: Range) -> str:
    """Source frames to the frames of each rung of a range.

    The frame rate filter counts from the title's first frame whatever the range, and `trim` cuts by frame number: so a
    range has exactly the frames a whole encode gives it, at any frame rate, and a seek only saves decoding.
    """
    line = plan.timeline
    head = [f"setpts=PTS-({plan.first_tick})"]
    head += ["bwdif=mode=send_frame:parity=auto:deint=interlaced"] if plan.deinterlace else []
    head += [
        f"fps=fps={line.rate.numerator}/{line.rate.denominator}:start_time=0:round=near",
        f"tpad=stop={PADDING}:stop_mode=clone",
        f"trim=start_frame={part.start * line.gop}:end_frame={min(part.stop * line.gop, line.frames)}",
    ]
    head += list(TONEMAP) if plan.tonemap else []
    chains = [f"[0:{plan.video.index}]{','.join(head)}[s0]"]
    for number, rung in enumerate(plan.rungs):
        last = number == len(plan.rungs) - 1
        # Each rung is scaled from the one above: less to read than the source, and no worse to see.
        chain = f"[s{number}]scale={rung.width}:{rung.height}:flags=bicubic,setsar=1,format=yuv420p"
        chains.append(f"{chain}[v{number}]" if last else f"{chain},split=2[v{number}][s{number + 1}]")
    return ";".join(chains)


TONEMAP: Final = (
    "zscale=transfer=linear:npl=100",
    "format=gbrpf32le",
    "tonemap=tonemap=hable:desat=0",
    "zscale=primaries=bt709:transfer=bt709:matrix=bt709:range=tv",
)
"""PQ or HLG to BT.709 through linear light."""


def _seek(plan: Plan, part: Range) -> Iterable[str]:
    target = part.start * plan.timeline.segment_duration - SEEK_MARGIN
    if not plan.seekable or target <= 0:
        return ()
    # Without accurate seek all frames from the key frame on reach the filters, which count.
    return ("-noaccurate_seek", "-ss", f"{float(target):.6f}")


def _video_output(plan: Plan, part: Range, job: Job, number: int, rung: Rung) -> Sequence[str]:
    line = plan.timeline
    # Of the segmenter's muxer inside FFmpeg's hls muxer, which would shift times by itself as well.
    options = ["movflags=+frag_discont+skip_sidx", "use_editlist=0", "avoid_negative_ts=disabled"]
    options.append(f"video_track_timescale={line.timescale}")
    cap, ahead = rung.max_bitrate, delay(line)
    return [
        *("-map", f"[v{number}]", "-c:v", "libx264", "-preset", PRESET, *SEARCH),
        *("-profile:v", "high", "-crf", str(rung.crf)),
        *(("-maxrate", str(cap), "-bufsize", str(int(cap * BUFFER))) if cap else ()),
        # Closed GOPs of one length, whatever the scene does: rungs are aligned and each segment starts with an IDR frame.
        *("-g", str(line.gop), "-keyint_min", str(line.gop), "-sc_threshold", "0", "-flags:v", "+cgop"),
        *("-force_key_frames", f"expr:not(mod(n,{line.gop}))", "-threads:v", str(share(plan, rung, job.threads))),
        *("-bf", "3" if ahead else "0", "-b-pyramid", "normal"),
        # The first decoding time is before the first picture: moved to 0, in every range alike. FFmpeg's own ways do not
        # do: shifting by itself moves the first range and no other, its edit lists differ between ranges.
        *("-avoid_negative_ts", "disabled", "-output_ts_offset", f"{float(ahead / line.rate):.6f}"),
        *segments(f"{job.scratch}/{rung.name}", part.start, 1 / line.rate, options),
    ]


def share(plan: Plan, rung: Rung, threads: int) -> int:
    """Threads of a rung's encoder: its part of all pixels, for all encoders run at once.

    With one thread x264 encodes within FFmpeg's own loop, which decodes and scales as well: on two CPUs that saves work
    and costs no time, on more it would keep them idle.
    """
    pixels = sum(other.width * other.height for other in plan.rungs)
    least = 1 if threads <= FEW_THREADS else 2
    return max(least, round(threads * rung.width * rung.height / pixels))
