"""Rules of a DASH manifest, by itself and against the bytes it names (ISO/IEC 23009-1)."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from workers.verify.codecs import same_codec
from workers.verify.facts import Package, Stream, average, peak
from workers.verify.mpd import Manifest, Representation
from workers.verify.playlist import integer
from workers.verify.rule import Finding, Rule, rule
from workers.verify.rules.media import MILLISECOND, hidden, place
from workers.verify.rules.texts import grammar

MIME_TYPES: Final = {
    "video": ("video/",),
    "audio": ("audio/",),
    "subtitles": ("text/", "application/"),
    "images": ("image/",),
}
TOO_LOW: Final = Fraction(1, 10)


def _streams(package: Package) -> Iterator[tuple[str, Stream, Representation]]:
    for stream in package.dash:
        if stream.representation is not None:
            yield stream.name.partition("#")[0], stream, stream.representation


@rule(
    "mpd-required",
    "ISO/IEC 23009-1 5.3",
    "A static manifest says profiles, minBufferTime, its duration; ids and bandwidths.",
)
def mpd_required(package: Package) -> Iterator[Finding]:
    """What players cannot do without."""
    for manifest in package.manifests:
        yield from (Finding(manifest.uri, line, words) for line, words in _lacks(manifest))


def _lacks(manifest: Manifest) -> Iterator[tuple[int, str]]:
    said = manifest.attributes
    for name in ("profiles", "minBufferTime"):
        if name not in said:
            yield manifest.line, f"MPD has no {name}"
    if said.get("type", "static") != "static":
        yield manifest.line, f"type is {said['type'][:20]}; a live manifest is not judged by this"
    elif manifest.duration is None and manifest.periods == 1:
        yield manifest.line, "mediaPresentationDuration is missing or no duration"
    if not manifest.representations:
        yield manifest.line, "it has no Representation"
    seen: set[tuple[int, str]] = set()
    for one in manifest.representations:
        if not one.name or (one.period, one.name) in seen:
            yield one.line, f'Representation id "{one.name}" is empty or stands twice in its Period'
        seen.add((one.period, one.name))
        if not integer(one.attributes.get("bandwidth")):
            yield one.line, f"Representation {one.name} has no bandwidth"


@rule("mpd-mime-type", "ISO/IEC 23009-1 5.3.7", "mimeType is said and fits what the segments are.")
def mpd_mime_type(package: Package) -> Iterator[Finding]:
    """A mimeType that is missing or of another kind."""
    for uri, stream, one in _streams(package):
        said, track = one.attributes.get("mimeType"), stream.main
        kind = track.kind if track else stream.kind
        fits = MIME_TYPES.get("subtitles" if kind == "text" else kind, ("",))
        if said is None or not said.startswith(fits):
            yield Finding(uri, one.line, f"mimeType of {one.name} is {said}, its segments are {kind}")


@rule("mpd-codecs-true", "ISO/IEC 23009-1 5.3.7.2", "codecs of each Representation is what its bytes say.")
def mpd_codecs_true(package: Package) -> Iterator[Finding]:
    """Codecs that are missing or others."""
    for uri, stream, one in _streams(package):
        said, true = one.attributes.get("codecs"), [track.codec for track in stream.tracks]
        if not true or all(track.kind in {"text", "other"} for track in stream.tracks):
            continue
        parts = [part.strip() for part in (said or "").split(",")]
        if len(parts) != len(true) or not all(any(same_codec(part, codec) for part in parts) for codec in true):
            yield Finding(uri, one.line, f"codecs of {one.name} is {said}, the bytes say {','.join(true)}")


@rule("mpd-resolution-true", "ISO/IEC 23009-1 5.3.7.2", "width and height are those of the pictures.")
def mpd_resolution_true(package: Package) -> Iterator[Finding]:
    """Another size."""
    for uri, stream, one in _streams(package):
        track = stream.main
        said = (one.attributes.get("width"), one.attributes.get("height"))
        if track and track.kind == "video" and track.width and said != (str(track.width), str(track.height)):
            yield Finding(uri, one.line, f"{one.name} says {said[0]}x{said[1]}, the bytes {track.width}x{track.height}")


@rule("mpd-frame-rate-true", "ISO/IEC 23009-1 5.3.7.2", "frameRate, where it is said, is that of the pictures.")
def mpd_frame_rate_true(package: Package) -> Iterator[Finding]:
    """Another rate."""
    for uri, stream, one in _streams(package):
        text, step = one.attributes.get("frameRate"), stream.step()
        if text is None or not step or not stream.whole or stream.kind != "video":
            continue
        try:
            said = Fraction(text[:32])
        except (ValueError, ZeroDivisionError):
            said = Fraction(0)
        if abs(said - 1 / step) > Fraction(1, 2000) / step:
            yield Finding(uri, one.line, f"frameRate of {one.name} is {text[:32]}, measured {float(1 / step):.3f}")


@rule("mpd-audio-true", "ISO/IEC 23009-1 5.3.7.2, 5.8.5.4", "audioSamplingRate and channels are those of the sound.")
def mpd_audio_true(package: Package) -> Iterator[Finding]:
    """Another sampling rate or number of channels."""
    for uri, stream, one in _streams(package):
        track = stream.main
        if track is None or track.kind != "audio":
            continue
        rate, channels = integer(one.attributes.get("audioSamplingRate")), integer(one.channels)
        if rate is not None and track.sample_rate and rate != track.sample_rate:
            yield Finding(
                uri, one.line, f"audioSamplingRate of {one.name} is {rate}, the bytes say {track.sample_rate}"
            )
        if channels is not None and track.channels and channels != track.channels:
            yield Finding(uri, one.line, f"{one.name} says {channels} channels, the bytes {track.channels}")


@rule(
    "mpd-bandwidth-true",
    "ISO/IEC 23009-1 5.3.5.2",
    "bandwidth of a Representation is not below what its segments need.",
)
def mpd_bandwidth_true(package: Package) -> Iterator[Finding]:
    """A bandwidth that a player would run dry on, or that is far above the peak.

    The standard's definition is of a buffer: it is met by the peak, and never by less than the average.
    """
    for uri, stream, one in _streams(package):
        said, mean = integer(one.attributes.get("bandwidth")), average(stream)
        lengths = [segment.said for segment in stream.segments if segment.said]
        if said is None or mean is None or not lengths:
            continue
        top = peak(stream, max(lengths)) or mean
        # One file has an index and an init segment as well, which are no segments' bits.
        least = mean * (1 - TOO_LOW) if one.indexed else mean
        if said < least or (stream.kind in {"video", "audio"} and not one.indexed and said > 2 * top):
            words = f"bandwidth of {one.name} is {said}, measured average {mean}, peak {top}"
            yield Finding(uri, one.line, words)


def _off(said: Fraction, lasts: Fraction, unseen: Fraction) -> Fraction:
    return min(abs(said - lasts), abs(said - lasts + unseen))


@rule(
    "mpd-timeline-true",
    "ISO/IEC 23009-1 5.3.9.6",
    "SegmentTimeline (or duration) gives the starts and durations of the bytes.",
)
def mpd_timeline_true(package: Package) -> Iterator[Finding]:
    """A segment that starts or lasts otherwise than the manifest says."""
    for _, stream, one in _streams(package):
        track = stream.main
        if track is None or one.indexed:
            continue
        # A template's constant duration may be half a segment off (section 7.2.1); a timeline may not.
        exact = one.timed
        ends: int | None = None
        for number, (segment, part) in enumerate(stream.parts()):
            if segment.said_start is None or (ends is not None and part.start != ends):
                break  # a hole in the bytes themselves is told by another rule
            ends = part.start + part.duration
            edit = Fraction(track.edit, track.timescale)
            said = Fraction(segment.said_start - one.offset, one.timescale)
            true = Fraction(part.start, track.timescale)
            lasts = Fraction(part.duration, track.timescale)
            margin = max(stream.step() / 2, MILLISECOND) if exact else lasts / 2 + MILLISECOND
            words = ""
            if min(abs(said - true), abs(said - true + edit)) > margin:
                words = f"{segment.uri} starts at {float(true):.3f} s, the manifest says {float(said):.3f} s"
            elif exact and segment.said is not None and _off(segment.said, lasts, hidden(stream, number)) > margin:
                words = f"{segment.uri} lasts {float(lasts):.3f} s, the manifest says {float(segment.said):.3f} s"
            if words:
                yield Finding(*place(stream, segment), words)
                break


@rule(
    "mpd-duration-true", "ISO/IEC 23009-1 5.3.1.2", "mediaPresentationDuration is that of the longest Representation."
)
def mpd_duration_true(package: Package) -> Iterator[Finding]:
    """A presentation that is said to be longer or shorter than its media, by more than a frame."""
    for manifest in package.manifests:
        streams = [s for s in package.dash if s.name.startswith(f"{manifest.uri}#") and s.kind in {"video", "audio"}]
        if manifest.duration is None or manifest.periods != 1 or not streams or not all(s.whole for s in streams):
            continue
        longest = max(streams, key=lambda stream: stream.duration())
        apart = abs(manifest.duration - longest.duration())
        if apart > max(*(stream.step() for stream in streams), Fraction(1, 10)):
            words = f"mediaPresentationDuration is {float(manifest.duration):.3f} s, {longest.name} lasts"
            yield Finding(manifest.uri, manifest.line, f"{words} {float(longest.duration()):.3f} s")


@rule("mpd-aligned", "ISO/IEC 23009-1 5.3.3.2", "Segments are aligned where an AdaptationSet says segmentAlignment.")
def mpd_aligned(package: Package) -> Iterator[Finding]:
    """Representations of a set whose segments are said to begin at other times."""
    first: dict[tuple[str, int], tuple[str, list[Fraction]]] = {}
    for uri, stream, one in _streams(package):
        if one.attributes.get("segmentAlignment", "false") == "false" or one.indexed:
            continue
        starts = [Fraction(s.said_start or 0, one.timescale) for s in stream.segments]
        name, expected = first.setdefault((uri, one.group), (one.name, starts))
        margin = stream.step() / 2 + MILLISECOND
        even = len(starts) == len(expected)
        if not even or any(abs(a - b) > margin for a, b in zip(starts, expected, strict=True)):
            yield Finding(
                uri, one.line, f"segments of {one.name} are not those of {name}, though segmentAlignment says so"
            )


DASH: Final[tuple[Rule, ...]] = (
    grammar("mpd-well-formed", "ISO/IEC 23009-1 5.2", "A manifest is well-formed XML without document type."),
    mpd_required,
    mpd_mime_type,
    mpd_codecs_true,
    mpd_resolution_true,
    mpd_frame_rate_true,
    mpd_audio_true,
    mpd_bandwidth_true,
    mpd_timeline_true,
    mpd_duration_true,
    mpd_aligned,
)
