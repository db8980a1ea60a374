"""The argument lists of ffprobe and FFmpeg. Pure: no file is touched, nothing is run, every flag says why.

Facts behind the flags are in docs/adr and were measured with FFmpeg 5.1.9; a change here is a change of RECIPE.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from workers.transcode import limits
from workers.transcode.plan import AAC_FRAME, AUDIO_RATE, AudioTrack, Plan, Rung
from workers.transcode.rates import Timeline

RECIPE: Final = 2
"""Number of the way segments are made. Segments of two recipes may not join: part of the version of an output."""
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
INIT: Final = "init.mp4"
SEGMENT: Final = "%05d.m4s"
LIST: Final = "ffmpeg.m3u8"
"""FFmpeg's own playlist; never published (segments.md: it lacks tags and guesses bit rates)."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where FFmpeg reads: a path it takes literally, such as /dev/fd/7."""

    path: str


@dataclass(frozen=True, slots=True)
class Job:
    """The surroundings of one encode: where it reads and writes, the descriptor of its progress, threads."""

    source: Source
    scratch: str
    progress_fd: int
    threads: int


@dataclass(frozen=True, slots=True)
class Range:
    """Segments from `start` to before `stop`."""

    start: int
    stop: int


def version() -> list[str]:
    """FFmpeg's version and build."""
    return ["ffmpeg", "-hide_banner", "-version"]


def probe(source: Source, *extra: str) -> list[str]:
    """Container and streams as JSON. `extra` replaces the guard on pixels, to learn what it refused."""
    guard = extra or ("-max_pixels", str(limits.MAX_PIXELS))
    shown = ("-show_format", "-show_streams", "-of", "json")
    return ["ffprobe", "-v", "error", *_doors(), *guard, *shown, f"file:{source.path}"]


def scan(source: Source) -> list[str]:
    """A line for each packet: stream, presentation time, decoding time, duration, flags."""
    entries = "packet=stream_index,pts,dts,duration,flags"
    return ["ffprobe", "-v", "quiet", *_doors(), "-show_entries", entries, "-of", "csv=p=0", f"file:{source.path}"]


def decode(source: Source, progress_fd: int, stream: str = "v:0") -> list[str]:
    """Decodes one stream strictly and throws it away: what is wrong with a file, without an encoder's part in it."""
    output = ["-map", f"0:{stream}", "-fps_mode", "passthrough", "-f", "null", "-"]
    return [*_ffmpeg(progress_fd), *_strict(), *_input(source), *output]


def count(sources: Sequence[Source], progress_fd: int) -> list[str]:
    """Decodes the first stream of each source strictly; a line on standard output for each frame: stream, times, size.

    All that can be wrong with the bits is found without the deblocking filter, which is a quarter of the work.
    """
    inputs = [flag for source in sources for flag in ("-threads", "1", "-skip_loop_filter", "all", *_input(source))]
    maps = [flag for number in range(len(sources)) for flag in ("-map", f"{number}:0")]
    tiny = ("-filter:v", "scale=16:16:flags=neighbor", "-fps_mode", "passthrough", "-f", "framecrc", "-")
    return ["nice", "-n", "19", *_ffmpeg(progress_fd), *_strict(), *inputs, *maps, *tiny]


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
        *_ffmpeg(job.progress_fd),
        *_strict(),
        # Threads are what the order's CPUs allow; FFmpeg's own guess is the machine's.
        *("-threads", str(job.threads), "-filter_complex_threads", str(job.threads), "-copyts"),
        *_seek(plan, part),
        *_input(job.source),
        *("-filter_complex", video_graph(plan, part)),
        *outputs,
    ]


def encode_audio(plan: Plan, track: AudioTrack, job: Job) -> list[str]:
    """The whole of one track: per range it would click at every border, for an AAC encoder starts with priming."""
    options = ["movflags=+frag_discont+skip_sidx", "use_editlist=0"]
    return [
        *_ffmpeg(job.progress_fd),
        *_strict(),
        *("-threads", "1", "-copyts", "-vn"),
        *_input(job.source),
        *("-filter_complex", audio_graph(plan, track), "-map", "[a]"),
        *("-c:a", "aac", "-b:a", str(track.bitrate), "-ac", str(track.channels), "-flags:a", "+bitexact"),
        *_segments(f"{job.scratch}/{track.name}", 0, plan.timeline.segment_duration, options),
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


def _doors() -> Iterable[str]:
    return ("-protocol_whitelist", "file", "-format_whitelist", limits.DEMUXERS)


def _ffmpeg(progress_fd: int) -> list[str]:
    quiet = ("-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+error")
    return ["ffmpeg", *quiet, "-y", "-progress", f"pipe:{progress_fd}", "-stats_period", "0.5"]


def _strict() -> Iterable[str]:
    # Without both, a file cut in half or with flipped bits ends with exit code 0.
    return ("-xerror", "-err_detect", "explode", "-max_pixels", str(limits.MAX_PIXELS))


def _input(source: Source) -> Iterable[str]:
    return (*_doors(), "-i", f"file:{source.path}")


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
        *_segments(f"{job.scratch}/{rung.name}", part.start, 1 / line.rate, options),
    ]


def share(plan: Plan, rung: Rung, threads: int) -> int:
    """Threads of a rung's encoder: its part of all pixels, for all encoders run at once.

    With one thread x264 encodes within FFmpeg's own loop, which decodes and scales as well: on two CPUs that saves work
    and costs no time, on more it would keep them idle.
    """
    pixels = sum(other.width * other.height for other in plan.rungs)
    least = 1 if threads <= FEW_THREADS else 2
    return max(least, round(threads * rung.width * rung.height / pixels))


def _segments(directory: str, start: int, seconds: Fraction, options: Iterable[str]) -> Iterable[str]:
    """Fragmented MP4 segments in a directory. A video one ends at each key frame: `seconds` only has to be shorter."""
    return (
        *("-map_metadata", "-1", "-map_chapters", "-1", "-f", "hls", "-start_number", str(start)),
        *("-hls_time", f"{int(seconds * 1_000_000) / 1_000_000:.6f}", "-hls_playlist_type", "vod"),
        # temp_file: a segment has its name once it is whole.
        *("-hls_segment_type", "fmp4", "-hls_flags", "temp_file", "-hls_fmp4_init_filename", INIT),
        *("-hls_segment_options", ":".join(options), "-hls_segment_filename", f"{directory}/{SEGMENT}"),
        f"{directory}/{LIST}",
    )
