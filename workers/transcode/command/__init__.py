"""The argument lists of FFmpeg (those of ffprobe: ffprobe.py). Pure: no file is touched, nothing is run, every flag says why.

Facts behind the flags are in docs/adr and were measured with FFmpeg 5.1.9; a change here is a change of RECIPE (recipe.py).
"""

from workers.transcode.command.audio import Gains, audio_graph, encode_audio, measure_audio
from workers.transcode.command.common import Job, Range
from workers.transcode.command.encoders import SEARCH, delay, share
from workers.transcode.command.graph import video_graph
from workers.transcode.command.looks import TINY, View, decode, look, survey
from workers.transcode.command.pictures import cover, mark, posters, sheet
from workers.transcode.command.text import extract_text
from workers.transcode.command.video import encode_video, first_segment
from workers.transcode.plan import Plan
from workers.transcode.source import Source


def encode_title(plan: Plan, part: Range, job: Job) -> list[str]:
    """What takes the time of a title: a range of its video, or, of one of sound alone, the sound."""
    return encode_video(plan, part, job) if plan.rungs else encode_audio(plan, plan.audio, job)


__all__ = [
    "SEARCH",
    "TINY",
    "Gains",
    "Job",
    "Range",
    "Source",
    "View",
    "audio_graph",
    "cover",
    "decode",
    "delay",
    "encode_audio",
    "encode_title",
    "encode_video",
    "extract_text",
    "first_segment",
    "look",
    "mark",
    "measure_audio",
    "posters",
    "share",
    "sheet",
    "survey",
    "video_graph",
]
