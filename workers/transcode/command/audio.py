"""The audio: one process that decodes each source once and encodes the whole of every rendition."""

from collections.abc import Mapping, Sequence
from typing import Final

from narwhal_operator.contract.transcode import LoudnessPlan
from workers.transcode.command.common import Job, care, ffmpeg, given, segments
from workers.transcode.loudness import chain
from workers.transcode.plan import AUDIO_RATE, AudioTrack, Plan

LAYOUTS: Final = {1: "mono", 2: "stereo", 6: "5.1"}
DOWNMIX: Final = (
    "aresample=out_channel_layout=stereo:out_sample_fmt=fltp:internal_sample_fmt=fltp"
    ":center_mix_level=0.7071:surround_mix_level=0.7071:lfe_mix_level=0,"
    "alimiter=limit=0.891:level=false:latency=true"
)
"""L = L + 0.7071 C + 0.7071 Ls, R alike, without the LFE (ITU-R BS.775 annex 4). Speech stays as loud as it was to the front;
the few peaks that add up to more than -1 dBFS meet a limiter, not a quieter film."""
ENCODERS: Final = {
    "aac": ("-c:a", "aac"),
    # 20 ms is what all players know; the family tells 5.1 from six channels of something else (RFC 7845 section 5.1.1).
    "opus": ("-c:a", "libopus", "-frame_duration", "20", "-application", "audio", "-vbr", "constrained"),
}


Gains = Mapping[str, LoudnessPlan]
"""What is done about the loudness of tracks, by their names."""
NO_GAINS: Final[Gains] = {}


def measure_audio(plan: Plan, tracks: Sequence[AudioTrack], job: Job, gains: Gains = NO_GAINS) -> list[str]:
    """The loudness of these tracks as they would be encoded: summaries on standard error, named by the track's number.

    By ebur128: loudnorm measures the same in seven times the time, for it works at 192 kHz.
    """
    graphs, outputs = [], []
    for number, track in enumerate(tracks):
        graph = audio_graph(plan, track, gains.get(track.name))
        graphs.append(f"{graph},ebur128@t{number}=peak=true:framelog=verbose[a{number}]")
        outputs += ["-map", f"[a{number}]", "-f", "null", "-"]
    words = [flag if flag != "level+error" else "level+info" for flag in ffmpeg(job.progress_fd)]
    return [*words, *_input(plan, job), "-filter_complex", ";".join(graphs), *outputs]


def encode_audio(plan: Plan, tracks: Sequence[AudioTrack], job: Job, gains: Gains = NO_GAINS) -> list[str]:
    """The whole of these tracks: per range they would click at every border, for an encoder starts with priming."""
    options = ["movflags=+frag_discont+skip_sidx", "use_editlist=0"]
    outputs = [
        flag
        for number, track in enumerate(tracks)
        for flag in (
            *("-map", f"[a{number}]", *ENCODERS[track.codec], "-b:a", str(track.bitrate)),
            *("-ac", str(track.channels), "-flags:a", "+bitexact"),
            *segments(f"{job.scratch}/{track.name}", 0, plan.timeline.segment_duration, options),
        )
    ]
    graphs = [f"{audio_graph(plan, track, gains.get(track.name))}[a{number}]" for number, track in enumerate(tracks)]
    # Beside the video, which takes all there is for longer: what it leaves idle is enough for the sound.
    patient = ("nice", "-n", "10") if plan.rungs else ()
    return [*patient, *ffmpeg(job.progress_fd), *_input(plan, job), "-filter_complex", ";".join(graphs), *outputs]


def _input(plan: Plan, job: Job) -> Sequence[str]:
    return [*care(tolerant=plan.tolerant), "-threads", "1", "-copyts", "-vn", *given(job.source)]


def audio_graph(plan: Plan, track: AudioTrack, gain: LoudnessPlan | None = None) -> str:
    """Source samples to exactly the track's samples, in step with the first video frame.

    The encoder's priming takes the place of the first samples: those from there on are encoded, the first packet starts
    at 0. The first 21 ms of sound (AAC; 6.5 ms of Opus) are lost to it; in turn no player has to know of any priming.
    """
    origin = f"asetpts=PTS-round({plan.origin.numerator}/{plan.origin.denominator}/TB)"
    # first_pts cuts what is before the first frame or fills what is missing; async fills holes in the middle.
    even = f"aresample={AUDIO_RATE}:async=1:first_pts=0"
    mix = [DOWNMIX] if track.downmix else []
    shape = f"aformat=sample_fmts={'fltp' if track.codec == 'aac' else 'flt'}:channel_layouts={LAYOUTS[track.channels]}"
    cut = f"apad,atrim=start_sample={track.priming}:end_sample={track.samples}"
    return f"[0:{track.index}]{','.join([origin, even, *mix, *chain(gain), shape, cut])}"
