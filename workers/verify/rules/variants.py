"""Rules of what a master playlist says of its variants, against their bytes."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from workers.verify.codecs import same_codec
from workers.verify.facts import Package, Stream, average, peak
from workers.verify.playlist import Playlist, Tag, Variant, decimal, integer
from workers.verify.rule import SPEC, Finding, Rule, Severity, rule

TRUE_BANDWIDTH: Final = Fraction(1, 10)
"""Said and measured bit rates are within this part of each other."""
TRUE_RATE: Final = Fraction(1, 2000)
"""Said and measured frame rates are: 24000/1001 and 24 differ by 1/1001."""
HIGHEST_RATE: Final = 60
CELLULAR: Final = 192_000
LEVEL_52: Final = 52
TEXT_CODECS: Final = ("wvtt", "stpp")
RANGES: Final = {16: "PQ", 18: "HLG"}
STEREO: Final = 2


def attribute(variant: Variant | Tag, name: str) -> str:
    """An attribute as it is said; `missing` where it is not."""
    return variant.attributes.get(name, "missing")


def _played(package: Package) -> Iterator[tuple[Playlist, Variant, Stream, list[Stream]]]:
    """Each variant with the audio it is played with. One whose audio group is missing is told by another rule."""
    for master, variant, stream in package.variants():
        name = variant.attributes.get("AUDIO")
        found = package.group(master, "AUDIO", name)
        if name is None or found:
            yield master, variant, stream, [one for _, one in found if one is not None]


def _measured(stream: Stream, audio: list[Stream]) -> tuple[int | None, int | None]:
    """Peak and average bit rate of a variant: its own and the largest of the audio it is played with."""
    streams = [stream, *audio]
    target = stream.playlist.peak_target if stream.playlist else Fraction(1)
    peaks, averages = [peak(one, target) for one in streams], [average(one) for one in streams]
    return _sum(peaks), _sum(averages)


def _sum(rates: list[int | None]) -> int | None:
    known = [rate for rate in rates if rate is not None]
    return known[0] + max(known[1:], default=0) if len(known) == len(rates) else None


@rule(
    "bandwidth-true",
    f"RFC 8216 4.3.4.2, {SPEC} 9.13",
    "BANDWIDTH is no less than the measured peak of segments with the audio, and at most a tenth more.",
)
def bandwidth_true(package: Package) -> Iterator[Finding]:
    """BANDWIDTH of a variant that is not its peak."""
    for master, variant, stream, audio in _played(package):
        true, said = _measured(stream, audio)[0], integer(variant.attributes.get("BANDWIDTH"))
        if true is not None and said is not None and not true <= said <= true * (1 + TRUE_BANDWIDTH):
            yield Finding(master.uri, variant.line, f"BANDWIDTH is {said}, measured {true}: {variant.uri}")


@rule(
    "average-bandwidth-true",
    f"RFC 8216 4.3.4.2, {SPEC} 9.14",
    "AVERAGE-BANDWIDTH, where it is said, is the measured average within a tenth.",
)
def average_bandwidth_true(package: Package) -> Iterator[Finding]:
    """AVERAGE-BANDWIDTH of a variant that is not its average."""
    for master, variant, stream, audio in _played(package):
        true = _measured(stream, audio)[1]
        text = variant.attributes.get("AVERAGE-BANDWIDTH")
        said = integer(text)
        if text is None or true is None:
            continue
        if said is None or abs(said - true) > true * TRUE_BANDWIDTH:
            yield Finding(master.uri, variant.line, f"AVERAGE-BANDWIDTH is {text}, measured {true}: {variant.uri}")


@rule("average-bandwidth-said", f"{SPEC} 9.14", "AVERAGE-BANDWIDTH is said of each variant.", Severity.WARNING)
def average_bandwidth_said(package: Package) -> Iterator[Finding]:
    """A variant without it."""
    for master in package.masters:
        for variant in master.variants:
            if "AVERAGE-BANDWIDTH" not in variant.attributes:
                yield Finding(master.uri, variant.line, f"no AVERAGE-BANDWIDTH: {variant.uri}")


@rule("peak-moderate", f"{SPEC} 1.30", "The peak bit rate is at most twice the average.", Severity.ADVICE)
def peak_moderate(package: Package) -> Iterator[Finding]:
    """A variant whose rate varies more."""
    for master, variant, stream, audio in _played(package):
        top, mean = _measured(stream, audio)
        if top and mean and top > 2 * mean:
            yield Finding(master.uri, variant.line, f"its peak is {top}, its average {mean}: {variant.uri}")


@rule(
    "codecs-true",
    f"RFC 8216 4.3.4.2, {SPEC} 9.1",
    "CODECS names the codec of each track of a variant, with its profile and level, and no other.",
)
def codecs_true(package: Package) -> Iterator[Finding]:
    """A codec that is not said, or that nothing has."""
    for master, variant, stream, audio in _played(package):
        streams = [stream, *audio]
        if not all(one.tracks for one in streams):
            continue
        true = [track.codec for one in streams for track in one.tracks if track.kind in {"video", "audio"}]
        yield from codecs_differ(master.uri, variant, true)


def codecs_differ(where: str, said_by: Variant | Tag, true: list[str]) -> Iterator[Finding]:
    """What CODECS says wrong of these codecs."""
    text = said_by.attributes.get("CODECS")
    expected = ",".join(dict.fromkeys(true))
    if text is None:
        yield Finding(where, said_by.line, f"no CODECS; the bytes say {expected}")
        return
    said = [codec.strip() for codec in text.split(",")]
    missing = [codec for codec in true if not any(same_codec(one, codec) for one in said)]
    extra = [
        one for one in said if not one.startswith(TEXT_CODECS) and not any(same_codec(one, codec) for codec in true)
    ]
    if missing or extra:
        yield Finding(where, said_by.line, f"CODECS is {text}, the bytes say {expected}")


@rule("resolution-true", f"RFC 8216 4.3.4.2, {SPEC} 9.2", "RESOLUTION of each video variant is that of its pictures.")
def resolution_true(package: Package) -> Iterator[Finding]:
    """RESOLUTION that is missing or another."""
    for master, variant, stream in package.variants():
        track = stream.main
        if track is None or track.kind != "video" or not track.width:
            continue
        true = f"{track.width}x{track.height}"
        if attribute(variant, "RESOLUTION") != true:
            words = f"RESOLUTION is {attribute(variant, 'RESOLUTION')}, the bytes say {true}: {variant.uri}"
            yield Finding(master.uri, variant.line, words)


@rule("frame-rate-true", f"RFC 8216 4.3.4.2, {SPEC} 9.15", "FRAME-RATE, where it is said, is that of the pictures.")
def frame_rate_true(package: Package) -> Iterator[Finding]:
    """FRAME-RATE that is another."""
    for master, variant, stream in package.variants():
        text, step = variant.attributes.get("FRAME-RATE"), stream.step()
        track = stream.main
        if text is None or not step or not stream.whole or track is None or track.kind != "video":
            continue
        said, true = decimal(text), 1 / step
        # Time stamps of transport streams are rounded to 90 kHz, and the last frame's end is not said.
        slack = Fraction(1, 100) if stream.wraps else TRUE_RATE
        if said is None or abs(said - true) > true * slack + Fraction(1, 2000):
            yield Finding(master.uri, variant.line, f"FRAME-RATE is {text}, measured {float(true):.3f}: {variant.uri}")


@rule("frame-rate-said", f"{SPEC} 9.15", "FRAME-RATE is said of each video variant.", Severity.WARNING)
def frame_rate_said(package: Package) -> Iterator[Finding]:
    """A video variant without it."""
    for master, variant, stream in package.variants():
        if stream.main and stream.main.kind == "video" and "FRAME-RATE" not in variant.attributes:
            yield Finding(master.uri, variant.line, f"no FRAME-RATE: {variant.uri}")


@rule("frame-rate-limit", f"{SPEC} 1.19", "No more than 60 frames a second.")
def frame_rate_limit(package: Package) -> Iterator[Finding]:
    """A faster video stream."""
    for stream in package.kinds("video"):
        step = stream.step()
        if step and stream.main and stream.main.kind == "video" and 1 / step > HIGHEST_RATE * (1 + Fraction(1, 100)):
            yield Finding(stream.name, None, f"{float(1 / step):.2f} frames a second")


@rule("video-range-true", f"RFC 8216bis 4.4.6.2, {SPEC} 9.16", "VIDEO-RANGE is SDR, HLG or PQ as the pictures are.")
def video_range_true(package: Package) -> Iterator[Finding]:
    """A variant of high dynamic range that does not say so, or one that says so and is none."""
    for master, variant, stream in package.variants():
        track = stream.main
        if track is None or track.kind != "video" or track.transfer is None:
            continue
        true, said = RANGES.get(track.transfer, "SDR"), variant.attributes.get("VIDEO-RANGE", "SDR")
        if said != true:
            words = f"VIDEO-RANGE is {said}, the pictures' transfer characteristics say {true}: {variant.uri}"
            yield Finding(master.uri, variant.line, words)


@rule(
    "h264-limits",
    f"{SPEC} 1.3b",
    "H.264 is at most High Profile, Level 5.2; Apple's devices decode no more.",
    Severity.WARNING,
)
def h264_limits(package: Package) -> Iterator[Finding]:
    """A profile or level that devices do not decode."""
    for stream in package.kinds("video"):
        track = stream.main
        if track is None or track.entry not in {"avc1", "avc3"} or len(track.codec) != len("avc1.640028"):
            continue
        profile, level = int(track.codec[5:7], 16), int(track.codec[9:11], 16)
        if profile > 100 or level > LEVEL_52:
            yield Finding(stream.name, None, f"{track.codec} is above High Profile, Level 5.2")


@rule("variants-many", f"{SPEC} 9.9", "A master playlist has at least two video variants.", Severity.WARNING)
def variants_many(package: Package) -> Iterator[Finding]:
    """Nothing to adapt to."""
    for master in package.masters:
        if len({variant.uri for variant in master.variants}) == 1 and "RESOLUTION" in master.variants[0].attributes:
            yield Finding(master.uri, master.variants[0].line, "one variant: players cannot adapt")


@rule("variant-for-cellular", f"{SPEC} 9.21", "One variant is at most 192 kbit/s, for slow networks.", Severity.ADVICE)
def variant_for_cellular(package: Package) -> Iterator[Finding]:
    """All variants are faster."""
    for master in package.masters:
        rates = [rate for variant in master.variants if (rate := integer(variant.attributes.get("BANDWIDTH")))]
        if rates and min(rates) > CELLULAR:
            yield Finding(master.uri, None, f"the slowest variant needs {min(rates)} bit/s")


@rule("same-shape", f"{SPEC} 1.33", "All video variants have the same shape.", Severity.WARNING)
def same_shape(package: Package) -> Iterator[Finding]:
    """A variant of another aspect ratio than the first, by more than rounding to even sizes."""
    found = [(stream, stream.main) for stream in package.kinds("video")]
    sized = [(stream, track) for stream, track in found if track and track.width and track.height]
    for stream, track in sized[1:]:
        first = sized[0][1]
        one, other = Fraction(track.width, track.height), Fraction(first.width, first.height)
        slack = other * (Fraction(2, track.width) + Fraction(2, track.height))
        if abs(one - other) > slack:
            yield Finding(stream.name, None, f"{track.width}x{track.height} beside {first.width}x{first.height}")


@rule("stereo-present", f"{SPEC} 2.3", "Where there is sound, there is stereo (or mono) AAC.", Severity.WARNING)
def stereo_present(package: Package) -> Iterator[Finding]:
    """Sound that only some devices play."""
    tracks = [track for stream in package.media for track in stream.tracks if track.kind == "audio"]
    if tracks and not any(track.entry == "mp4a" and track.channels <= STEREO for track in tracks):
        words = ", ".join(sorted({f"{track.codec} with {track.channels} channels" for track in tracks}))
        yield Finding(package.entries[0], None, f"only {words}")


VARIANTS: Final[tuple[Rule, ...]] = (
    bandwidth_true,
    average_bandwidth_true,
    average_bandwidth_said,
    peak_moderate,
    codecs_true,
    resolution_true,
    frame_rate_true,
    frame_rate_said,
    frame_rate_limit,
    video_range_true,
    h264_limits,
    variants_many,
    variant_for_cellular,
    same_shape,
    stereo_present,
)
