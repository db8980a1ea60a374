"""The encoders: x264, x265 and SVT-AV1, held to closed GOPs of one length and to one output for one input.

Measured with FFmpeg 5.1.9, x265 3.5 and SVT-AV1 1.4.1; docs/adr has the figures.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from narwhal_operator.contract.ladder import Codec
from workers.transcode.colour import Mastering, high
from workers.transcode.plan import Plan, Rung
from workers.transcode.rates import Timeline
from workers.transcode.recipe import AV1_PRESET, HEVC_PRESET, PRESET

SEARCH: Final = ("-motion-est", "dia", "-partitions", "i8x8,i4x4")
"""Less of x264's search than the preset does: a sixth of the encode's work for a hundredth of the bits (docs/adr)."""
FEW_THREADS: Final = 3
"""Threads of two CPUs."""
BESIDE: Final = Fraction(1, 5)
"""More than that part of all work is on two CPUs worth a rung's encoder a thread of its own (ADR 0029)."""
BUFFER: Final = Fraction(3, 2)
"""Seconds of the cap that the decoder's buffer holds (VBV)."""
REORDERED: Final = 2
"""Frames that decoding is ahead of showing, where B frames are referred to (b-pyramid of x264 and x265)."""
WORK: Final[dict[Codec, int]] = {"h264": 1, "hevc": 4, "av1": 1}
"""What a pixel costs to encode; SVT-AV1 has one thread in any case."""


def delay(line: Timeline, codec: Codec = "h264") -> int:
    """Frames that decoding is ahead of showing: the same in every range, so that all have one init segment.

    The edit list takes them off (boxes.with_edit). Negative composition offsets would do without one, but FFmpeg's
    demuxer, and all players on it, learn the largest of them only as segments come and then show a frame twice. A process
    that is given fewer frames than this cannot know it (x264, x265): such a title, or such a GOP, has no B frames. AV1
    shows frames in the order of decoding: what is shown later is in the packets, hidden.
    """
    return REORDERED if codec != "av1" and min(line.gop, line.frames) > REORDERED else 0


def encoder(plan: Plan, rung: Rung, threads: int) -> Iterable[str]:
    """The options of a rung's encoder, but for where its output goes."""
    line, cap = plan.timeline_of(rung), rung.max_bitrate
    capped = ("-maxrate", str(cap), "-bufsize", str(int(cap * BUFFER))) if cap else ()
    keys = ("-force_key_frames", f"expr:not(mod(n,{line.gop}))")
    bframes = "3" if delay(line, rung.codec) else "0"
    quality = ("-crf", str(rung.crf), *capped, "-g", str(line.gop))
    if rung.codec == "h264":
        return (
            *("-c:v", "libx264", "-preset", PRESET, *SEARCH, "-profile:v", "high", *quality),
            # Closed GOPs of one length, whatever the scene does: rungs are aligned and each segment starts with an IDR frame.
            *("-keyint_min", str(line.gop), "-sc_threshold", "0", "-flags:v", "+cgop", *keys),
            *(
                "-threads:v",
                str(share(plan, rung, threads)),
                "-bf",
                bframes,
                "-b-pyramid",
                "normal",
                *_tags(plan, rung),
            ),
        )
    if rung.codec == "hevc":
        return (
            *("-c:v", "libx265", "-preset", HEVC_PRESET, "-tag:v", "hvc1", "-profile:v", _profile(rung), *quality),
            *("-keyint_min", str(line.gop), "-forced-idr", "1", *keys, "-bf", bframes),
            *("-x265-params", _x265(plan, rung, share(plan, rung, threads)), *_tags(plan, rung)),
        )
    return (
        *("-c:v", "libsvtav1", "-preset", AV1_PRESET, *quality, *keys),
        *("-svtav1-params", _svt(plan, rung), *_tags(plan, rung)),
    )


def share(plan: Plan, rung: Rung, threads: int) -> int:
    """Threads of a rung's encoder: its part of all work, for all encoders run at once.

    With one thread x264 encodes within FFmpeg's own loop, which scales as well and meanwhile feeds nobody: on one CPU that
    saves work, on two it may be done with small rungs, on more it would keep them idle.
    """
    work = sum(other.width * other.height * WORK[other.codec] for other in plan.rungs)
    part = Fraction(rung.width * rung.height * WORK[rung.codec], work)
    beside = threads > FEW_THREADS or (threads == FEW_THREADS and part > BESIDE)
    return max(2 if beside else 1, round(threads * part))


def _tags(plan: Plan, rung: Rung) -> Iterable[str]:
    colour = plan.colour if rung.dynamic_range == "SDR" else high(plan.picture.colour)
    named = ("-color_primaries", colour.primaries, "-color_trc", colour.transfer, "-colorspace", colour.matrix)
    return (*named, "-color_range", "tv")


def _profile(rung: Rung) -> str:
    return "main" if rung.dynamic_range == "SDR" else "main10"


def _x265(plan: Plan, rung: Rung, threads: int) -> str:
    options = [
        # info writes x265's own settings into the stream, with the threads among them.
        "log-level=error:info=0:repeat-headers=0",
        "scenecut=0:open-gop=0:b-pyramid=1",
        # One frame at a time, its rows in parallel; without const-vbv two runs with a cap differ.
        f"frame-threads=1:pools={threads}:const-vbv=1",
    ]
    if rung.dynamic_range == "PQ":
        options += ["hdr10=1", *_light(plan.picture.mastering, 50_000, 10_000, ("master-display", "max-cll"))]
    return ":".join(options)


def _svt(plan: Plan, rung: Rung) -> str:
    # A key frame starts each GOP; with more than one processor two runs with a cap differ.
    options = ["irefresh-type=2:scd=0:lp=1"]
    if rung.dynamic_range == "PQ":
        options += _light(plan.picture.mastering, 1, 1, ("mastering-display", "content-light"))
    return ":".join(options)


def _light(known: Mastering | None, points: int, luminance: int, names: tuple[str, str]) -> Iterable[str]:
    """The mastering display and the light of the content, in the encoder's units of chromaticity and of luminance."""
    if known and known.points:
        pairs = zip(("G", "B", "R", "WP"), known.points, strict=True)
        words = [f"{name}({_number(x, points)},{_number(y, points)})" for name, (x, y) in pairs]
        most, least = (_number(value, luminance) for value in known.luminance)
        yield f"{names[0]}={''.join(words)}L({most},{least})"
    if known and known.content:
        yield f"{names[1]}={known.content[0]},{known.content[1]}"


def _number(value: float, unit: int) -> str:
    return str(round(value * unit)) if unit > 1 else f"{value:.6g}"
