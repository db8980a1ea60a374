"""The video: one process that decodes once and encodes a range of segments of every rung."""

from collections.abc import Container, Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from workers.transcode.command.common import Job, Range, care, ffmpeg, given, overlaid, segments
from workers.transcode.command.encoders import delay, encoder
from workers.transcode.command.graph import video_graph
from workers.transcode.plan import Plan, Rung

SEEK_MARGIN: Final = 2
"""Seconds a seek aims before the range: demuxers seek by decoding time, and the deinterlacer needs neighbours."""


def first_segment(plan: Plan, stored: int) -> int:
    """Where a tail begins of which so many segments are stored: one earlier when too few frames are left for B frames."""
    lines = [(plan.timeline_of(rung), rung.codec) for rung in plan.rungs]
    short = any(0 < line.frames - stored * line.gop <= delay(line, codec) for line, codec in lines)
    return stored - 1 if short else stored


def encode_video(plan: Plan, part: Range, job: Job, wanted: Container[str] | None = None) -> list[str]:
    """One process that decodes once and encodes a range of segments of every rung, or of the wanted ones by name.

    Those are scaled as they are among all rungs: what is made of one is the same whatever else is made.
    """
    chosen = [number for number, rung in enumerate(plan.rungs) if wanted is None or rung.name in wanted]
    made = replace(plan, rungs=tuple(plan.rungs[number] for number in chosen))
    outputs = [flag for number in chosen for flag in _video_output(made, part, job, number, plan.rungs[number])]
    # -copyts keeps the input's clock; the filters count from the first frame. Threads of an input are its decoder's.
    return [
        *ffmpeg(job.progress_fd),
        *care(tolerant=plan.tolerant),
        # Threads are what the order's CPUs allow; FFmpeg's own guess is the machine's.
        *("-threads", str(job.threads), "-filter_complex_threads", str(job.threads), "-copyts"),
        *seek(plan, part),
        *given(job.source),
        *(overlaid(plan.watermark.path) if plan.watermark else ()),
        *("-filter_complex", video_graph(plan, part, wanted=chosen)),
        *outputs,
    ]


def seek(plan: Plan, part: Range) -> Iterable[str]:
    """Where the demuxer begins: before a range, if it finds its way there."""
    target = plan.skipped + part.start * plan.timeline.segment_duration - SEEK_MARGIN
    if not plan.seekable or target <= 0:
        return ()
    # Without accurate seek all frames from the key frame on reach the filters, which count.
    return ("-noaccurate_seek", "-ss", f"{float(target):.6f}")


def _video_output(plan: Plan, part: Range, job: Job, number: int, rung: Rung) -> Sequence[str]:
    line = plan.timeline_of(rung)
    # Of the segmenter's muxer inside FFmpeg's hls muxer, which would shift times by itself as well.
    options = ["movflags=+frag_discont+skip_sidx", "use_editlist=0", "avoid_negative_ts=disabled"]
    options.append(f"video_track_timescale={line.timescale}")
    ahead = delay(line, rung.codec)
    return [
        *("-map", f"[v{number}]", *encoder(plan, rung, job.threads)),
        # The first decoding time is before the first picture: moved to 0, in every range alike. FFmpeg's own ways do not
        # do: shifting by itself moves the first range and no other, its edit lists differ between ranges.
        *("-avoid_negative_ts", "disabled", "-output_ts_offset", f"{float(ahead / line.rate):.6f}"),
        *segments(f"{job.scratch}/{rung.name}", part.start, 1 / line.rate, options),
    ]
