"""How near a rung is to what its encoder was given: one process for the same segment of every rung."""

from collections.abc import Sequence
from typing import Final

from narwhal_operator.contract.quality import Metric
from workers.transcode.command.common import Job, Range, care, ffmpeg, given, overlaid
from workers.transcode.command.graph import video_graph
from workers.transcode.command.video import seek
from workers.transcode.plan import Plan
from workers.transcode.source import Source

FILTERS: Final[dict[Metric, str]] = {"SSIM": "ssim", "PSNR": "psnr", "VMAF": "libvmaf"}


def filters() -> list[str]:
    """The filters this FFmpeg has."""
    return ["ffmpeg", "-hide_banner", "-loglevel", "error", "-filters"]


def compare(plan: Plan, part: Range, metric: Metric, made: Sequence[Source], job: Job) -> list[str]:
    """A range of each rung, in the order of the plan, against the frames its encoder was given.

    Each comparison says its mean on standard error, named by the rung's number. Frames are paired by number: the rung's
    own times begin with its first segment.
    """
    name = FILTERS[metric]
    graphs, outputs = [video_graph(plan, part, len(made) + 1)], []
    for number in range(len(made)):
        # The source is input 0.
        graphs.append(f"[v{number}]settb=1/1000,setpts=N[a{number}]")
        graphs.append(f"[{number + 1}:0]settb=1/1000,setpts=N[b{number}]")
        graphs.append(f"[b{number}][a{number}]{name}@q{number}=shortest=1[o{number}]")
        outputs += ["-map", f"[o{number}]", "-f", "null", "-"]
    words = [flag if flag != "level+error" else "level+info" for flag in ffmpeg(job.progress_fd)]
    inputs = [flag for source in made for flag in given(source)]
    inputs += overlaid(plan.watermark.path) if plan.watermark else ()
    threads = ("-threads", str(job.threads), "-filter_complex_threads", str(job.threads), "-copyts")
    head = [*words, *care(tolerant=plan.tolerant), *threads, *seek(plan, part), *given(job.source), *inputs]
    return [*head, "-filter_complex", ";".join(graphs), *outputs]
