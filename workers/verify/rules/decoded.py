"""Rules of what was decoded, and of what is known of the source."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from workers.verify.facts import LONGEST_PACKET, Package, Stream
from workers.verify.given import Planned
from workers.verify.rule import Finding, Rule, Severity, rule
from workers.verify.rules.media import MILLISECOND


@rule(
    "decodes-strictly",
    "ISO/IEC 14496-10, -3; FFmpeg",
    "Each sampled segment decodes without an error to all its frames.",
)
def decodes_strictly(package: Package) -> Iterator[Finding]:
    """An error, or fewer frames than the boxes say."""
    for sample in package.samples:
        if sample.error is not None:
            yield Finding(sample.uri, None, sample.error)
        elif sample.expected is not None and abs(sample.decoded - sample.expected) > sample.slack:
            what = "samples" if sample.sound else "frames"
            yield Finding(sample.uri, None, f"{sample.decoded} {what} decode of {sample.expected}")


@rule(
    "picture-as-source",
    "what is shown is what was given",
    "No picture is black where the source, or another rung, is not.",
)
def picture_as_source(package: Package) -> Iterator[Finding]:
    """A sampled segment of black pictures."""
    bright = [sample for sample in package.samples if sample.dark is False]
    for sample in package.samples:
        if not sample.dark:
            continue
        known = package.source.dark.get(sample.uri) if package.source else None
        other = next((one for one in bright if _overlap(sample.start, sample.duration, one.start, one.duration)), None)
        if known is False:
            yield Finding(sample.uri, None, "every picture of it is black; the source is not black there")
        elif known is None and other is not None:
            yield Finding(sample.uri, None, f"every picture of it is black; {other.uri} is not")


@rule("sound-as-source", "what is heard is what was given", "No sound is silent where the source is not.")
def sound_as_source(package: Package) -> Iterator[Finding]:
    """A sampled segment of silence."""
    for sample in package.samples:
        if sample.silent and package.source and package.source.silent.get(sample.uri) is False:
            yield Finding(sample.uri, None, "it is silent; the source is not silent there")


def _overlap(start: Fraction, lasts: Fraction, other: Fraction, long: Fraction) -> bool:
    return abs(start - other) < MILLISECOND and abs(lasts - long) < Fraction(1, 10)


@rule("frames-complete", "no frame is lost", "Each rendition has every frame, or packet of sound, that it must have.")
def frames_complete(package: Package) -> Iterator[Finding]:
    """A rendition with fewer, or more."""
    for stream, planned in _planned(package):
        if stream.whole and stream.samples() != planned.samples:
            yield Finding(stream.name, None, f"it has {stream.samples()} frames or packets of {planned.samples}")


@rule(
    "as-planned",
    "what is made is what was asked for",
    "Each planned rendition is there, with its codec, size and channels.",
)
def as_planned(package: Package) -> Iterator[Finding]:
    """A rendition that is missing, or another."""
    found = {stream.name: stream for stream in package.media}
    for name in package.source.planned if package.source else ():
        if name not in found and (name not in package.objects or package.objects[name].missing is None):
            yield Finding(name, None, "no playlist names it")
    for stream, planned in _planned(package):
        track = stream.main
        if track is None:
            continue
        is_ = (track.entry, track.width, track.height, track.channels)
        if is_ != (planned.entry, planned.width, planned.height, planned.channels):
            yield Finding(stream.name, None, f"it is {_words(*is_)}, planned was {_words(*_shape(planned))}")


def _planned(package: Package) -> Iterator[tuple[Stream, Planned]]:
    for stream in package.media:
        if package.source and stream.name in package.source.planned:
            yield stream, package.source.planned[stream.name]


def _shape(planned: Planned) -> tuple[str, int, int, int]:
    return planned.entry, planned.width, planned.height, planned.channels


def _words(entry: str, width: int, height: int, channels: int) -> str:
    return f"{entry} with {channels} channels" if channels else f"{entry} of {width}x{height}"


@rule(
    "duration-as-source",
    "nothing is cut off",
    "Each rendition lasts as long as the source, within a frame or audio packet.",
)
def duration_as_source(package: Package) -> Iterator[Finding]:
    """A rendition that is shorter or longer."""
    source = package.source
    for stream in package.kinds("video", "audio") if source else ():
        if source is None or not stream.whole:
            continue
        margin = max(source.frame, stream.step(), LONGEST_PACKET if stream.kind == "audio" else source.frame)
        if abs(stream.duration() - source.duration) > margin + MILLISECOND:
            words = f"it lasts {float(stream.duration()):.3f} s, the source {float(source.duration):.3f} s"
            yield Finding(stream.name, None, words)


@rule("judged-whole", "what is encrypted cannot be looked into", "All of the package could be judged.", Severity.ADVICE)
def judged_whole(package: Package) -> Iterator[Finding]:
    """A stream whose bits are encrypted."""
    decoded = {sample.uri for sample in package.samples}
    for stream in package.streams:
        if stream.protected and not any(segment.uri in decoded for segment in stream.segments):
            yield Finding(stream.name, None, "it is encrypted: its pictures and sound are not judged")


DECODED: Final[tuple[Rule, ...]] = (
    decodes_strictly,
    picture_as_source,
    sound_as_source,
    frames_complete,
    as_planned,
    duration_as_source,
    judged_whole,
)
