"""The audio: one process for the whole of a track."""

from workers.transcode.command.common import Job, ffmpeg, given, segments, strict
from workers.transcode.plan import AAC_FRAME, AUDIO_RATE, AudioTrack, Plan


def encode_audio(plan: Plan, track: AudioTrack, job: Job) -> list[str]:
    """The whole of one track: per range it would click at every border, for an AAC encoder starts with priming."""
    options = ["movflags=+frag_discont+skip_sidx", "use_editlist=0"]
    return [
        *ffmpeg(job.progress_fd),
        *strict(),
        *("-threads", "1", "-copyts", "-vn"),
        *given(job.source),
        *("-filter_complex", audio_graph(plan, track), "-map", "[a]"),
        *("-c:a", "aac", "-b:a", str(track.bitrate), "-ac", str(track.channels), "-flags:a", "+bitexact"),
        *segments(f"{job.scratch}/{track.name}", 0, plan.timeline.segment_duration, options),
    ]


def audio_graph(plan: Plan, track: AudioTrack) -> str:
    """Source samples to exactly the track's samples, in step with the first video frame.

    The encoder's priming takes the place of the first packet: samples from 1024 on are encoded, the packet before them
    starts at 0. The first 21 ms of sound are lost to it; in turn no player has to know of any priming.
    """
    origin = f"asetpts=PTS-round({plan.origin.numerator}/{plan.origin.denominator}/TB)"
    # first_pts cuts what is before the first frame or fills what is missing; async fills holes in the middle.
    even = f"aresample={AUDIO_RATE}:async=1:first_pts=0"
    shape = "stereo" if track.channels == 2 else "mono"
    cut = f"apad,atrim=start_sample={AAC_FRAME}:end_sample={track.samples}"
    return f"[0:{track.index}]{origin},{even},aformat=sample_fmts=fltp:channel_layouts={shape},{cut}[a]"
