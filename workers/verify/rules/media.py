"""Rules of segments: that they are there, what they are, and how they follow each other."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Final

from workers.verify.facts import LONGEST_PACKET, Package, Segment, Stream
from workers.verify.rule import SPEC, Finding, Rule, Severity, rule
from workers.verify.rules.texts import grammar
from workers.verify.ts import CLOCK, WRAP

MILLISECOND: Final = Fraction(1, 1000)
OVER_TARGET: Final = Fraction(1, 2)
"""Seconds a segment may last longer than the target duration."""
BLOCK: Final = 16
"""Bytes of a block of AES."""
COUNTERS: Final = 16
"""Values of a continuity counter (ISO/IEC 13818-1 section 2.4.3.3)."""
CMAF_ONLY: Final = frozenset({"hvc1", "hev1", "av01", "vp09"})


def place(stream: Stream, segment: Segment) -> tuple[str, int | None]:
    """Where a segment is listed."""
    return stream.name.partition("#")[0], segment.line


@rule("objects-exist", "RFC 8216 6.2.1", "Every URI of a playlist or manifest answers.")
def objects_exist(package: Package) -> Iterator[Finding]:
    """A segment, init segment or playlist that is not there; told where it is listed."""
    told: set[str] = set()
    for stream in package.streams:
        for segment in stream.segments:
            yield from _missing(package, segment.uri, place(stream, segment), told)
        for init in stream.inits:
            yield from _missing(package, init, (stream.name.partition("#")[0], None), told)
    for named, uri in package.targets.items():
        master, _, line = named.rpartition(" ")
        yield from _missing(package, uri, (master, int(line)), told)


def _missing(package: Package, uri: str, where: tuple[str, int | None], told: set[str]) -> Iterator[Finding]:
    found = package.objects.get(uri)
    if found is not None and found.missing is not None and uri not in told:
        told.add(uri)
        yield Finding(*where, f"{uri}: {found.missing}")


@rule("segments-whole", "ISO/IEC 14496-12 4.2", "Each segment is readable and as long as its own boxes say.")
def segments_whole(package: Package) -> Iterator[Finding]:
    """A segment that breaks off, is too long, or is none."""
    told: set[str] = set()
    for stream in package.streams:
        if stream.kind == "i-frames":
            continue
        for segment in stream.segments:
            length = max((part.length for part in segment.fragments), default=0)
            if segment.uri in told and segment.range is None:
                continue
            if segment.problem is not None:
                told.add(segment.uri)
                yield Finding(*place(stream, segment), f"{segment.uri}: {segment.problem}")
            elif length and segment.size is not None and stored_size(segment, length) != segment.size:
                told.add(segment.uri)
                yield Finding(*place(stream, segment), f"{segment.uri} has {segment.size} bytes, its boxes {length}")


def stored_size(segment: Segment, length: int) -> int:
    """Bytes that so many bytes of media take: AES-128 pads them to whole blocks (RFC 8216 section 4.3.2.4)."""
    return length + BLOCK - length % BLOCK if segment.encrypted == "AES-128" else length


@rule("byte-ranges", "RFC 8216 4.3.2.2", "Byte ranges follow the grammar and lie within their objects.")
def byte_ranges(package: Package) -> Iterator[Finding]:
    """A range beyond the end of its object."""
    yield from GRAMMAR.check(package)
    for stream in package.streams:
        for segment in stream.segments:
            found = package.objects.get(segment.uri)
            if segment.range is None or found is None or found.size is None:
                continue
            end = segment.range.start + segment.range.count
            if end > found.size:
                words = f"the range ends at byte {end} of {segment.uri}, which has {found.size}"
                yield Finding(*place(stream, segment), words)


GRAMMAR: Final = grammar("byte-ranges", "RFC 8216 4.3.2.2", "Byte ranges follow the grammar.")


@rule("segment-duration-limit", f"{SPEC} 7.7", "No segment lasts more than half a second over the target duration.")
def segment_duration_limit(package: Package) -> Iterator[Finding]:
    """A segment that is too long by its bytes."""
    for stream in package.media:
        track, playlist = stream.main, stream.playlist
        target = playlist.number("EXT-X-TARGETDURATION") if playlist else None
        if track is None or target is None or stream.kind not in {"video", "audio"}:
            continue
        for segment, part in stream.parts():
            lasts = Fraction(part.duration, track.timescale)
            if lasts > target + OVER_TARGET:
                words = f"{segment.uri} lasts {float(lasts):.3f} s, the target duration is {target} s"
                yield Finding(*place(stream, segment), words)


def hidden(stream: Stream, number: int) -> Fraction:
    """Seconds of a segment that the edit list hides: an encoder's priming, in the first segment of sound."""
    track, first = stream.main, next(stream.parts(), None)
    if number or track is None or first is None:
        return Fraction(0)
    return Fraction(max(0, track.edit - first[1].offset), track.timescale)


@rule("extinf-true", f"{SPEC} 8.1", "Each EXTINF is what its segment lasts, and so is the sum, within half a frame.")
def extinf_true(package: Package) -> Iterator[Finding]:
    """A duration in a playlist that is not that of the bytes."""
    for stream in package.media:
        track = stream.main
        if track is None or stream.kind not in {"video", "audio"}:
            continue
        margin = max(stream.step() / 2, MILLISECOND)
        for number, (segment, part) in enumerate(stream.parts()):
            lasts = Fraction(part.duration, track.timescale)
            apart = (
                [abs(segment.said - one) for one in (lasts, lasts - hidden(stream, number))] if segment.said else [0]
            )
            if segment.said is not None and min(apart) > margin:
                words = f"EXTINF is {float(segment.said):.6f}, {segment.uri} lasts {float(lasts):.6f} s"
                yield Finding(*place(stream, segment), words)


@rule("starts-with-key", f"{SPEC} 7.4", "Each video segment starts with a picture that decoding can begin with (IDR).")
def starts_with_key(package: Package) -> Iterator[Finding]:
    """A segment that needs the one before it."""
    told: set[str] = set()
    for stream in package.streams:
        track = stream.main
        if stream.kind != "video" or track is None or track.kind != "video" or track.protected:
            continue
        for segment, part in stream.parts():
            if not part.key and segment.uri not in told:
                told.add(segment.uri)
                yield Finding(*place(stream, segment), f"{segment.uri} does not start with an IDR or key picture")


@rule(
    "timeline-continuous", f"{SPEC} 7.1-7.3", "Each segment starts where the one before it ends, for each track of it."
)
def timeline_continuous(package: Package) -> Iterator[Finding]:
    """A hole or an overlap between two segments, or within one."""
    for stream in _once_each(package):
        for track in stream.tracks if stream.kind in {"video", "audio"} else ():
            ends: int | None = None
            for segment in stream.segments:
                part = segment.of(track)
                if part is None or segment.timed is False:
                    ends = None
                    continue
                if part.broken:
                    yield Finding(*place(stream, segment), f"{segment.uri}: {part.broken}")
                apart = 0 if ends is None or segment.discontinuity else _apart(stream, part.start, ends)
                if abs(apart) > _slack(stream, track.timescale, part.duration, part.samples):
                    words = f"{segment.uri} starts at {part.start}, the one before it ends at {ends}"
                    yield Finding(*place(stream, segment), f"{words} (ticks of 1/{track.timescale} s)")
                ends = part.start + part.duration


def _apart(stream: Stream, start: int, ends: int) -> int:
    if not stream.wraps:
        return start - ends
    return (start - ends + WRAP // 2) % WRAP - WRAP // 2  # time stamps of transport streams wrap


def _slack(stream: Stream, timescale: int, duration: int, samples: int) -> Fraction:
    """Ticks that two segments may be apart: none; half a sample where durations are not stored but derived."""
    if not stream.wraps:
        return Fraction(timescale, 1000) if timescale > 10_000_000 else Fraction(0)
    return Fraction(duration, 2 * samples) + Fraction(CLOCK, 1000) if samples else Fraction(CLOCK)


def _once_each(package: Package) -> Iterator[Stream]:
    """Streams, each set of segments once: DASH over the same objects tells nothing new."""
    seen: set[tuple[str, ...]] = set()
    for stream in package.streams:
        key = tuple(segment.uri for segment in stream.segments if segment.range is None)
        if not key or key not in seen:
            seen.add(key)
            yield stream


@rule("packed-audio-timed", "RFC 8216 3.4", "Each segment of packed audio says in an ID3 tag when it starts.")
def packed_audio_timed(package: Package) -> Iterator[Finding]:
    """Sound that players cannot put beside the picture."""
    for stream in package.media:
        for segment in stream.segments:
            if segment.timed is False:
                words = f"{segment.uri} has no PRIV frame com.apple.streaming.transportStreamTimestamp"
                yield Finding(*place(stream, segment), words)
                break


@rule("continuity-counters", f"{SPEC} 7.2", "Continuity counters of a transport stream have no gap: no packet is lost.")
def continuity_counters(package: Package) -> Iterator[Finding]:
    """Packets that are missing within a segment."""
    for stream in package.media:
        for segment in stream.segments:
            for gap in segment.gaps:
                yield Finding(*place(stream, segment), f"{segment.uri}: {gap}")


@rule(
    "counters-continue",
    "RFC 8216 3",
    "Continuity counters of a transport stream go on from each segment to the next, where no EXT-X-DISCONTINUITY stands.",
)
def counters_continue(package: Package) -> Iterator[Finding]:
    """A segment whose first packets players take for damaged: packets seem to be missing before them."""
    for stream in package.media:
        told = {finding.line for finding in timeline_continuous.check(package) if finding.where == stream.name}
        for before, segment in pairwise(stream.segments if stream.kind in {"video", "audio"} else ()):
            last = {pid: counter for pid, _, counter in before.counters}
            jumps = [
                f"the continuity counter of PID {pid} goes from {last[pid]} to {first}"
                for pid, first, _ in segment.counters
                if pid in last and first not in {last[pid], (last[pid] + 1) % COUNTERS}
            ]
            # Where a segment is missing between the two, that is what is told.
            if jumps and not segment.discontinuity and segment.line not in told:
                yield Finding(*place(stream, segment), f"{segment.uri}: {jumps[0]}")


@rule("presentation-continuous", f"{SPEC} 7.1", "The first picture of each segment is shown when the segment starts.")
def presentation_continuous(package: Package) -> Iterator[Finding]:
    """A segment whose first picture is shown later or earlier after its start than that of the first segment."""
    for stream in _once_each(package):
        track = stream.main
        if stream.kind != "video" or track is None or stream.container != "fmp4":
            continue
        first: int | None = None
        for segment, part in stream.parts():
            first = part.offset if first is None or segment.discontinuity else first
            if part.offset != first:
                words = f"{segment.uri}: the first picture is shown {part.offset} ticks after its start, before it was {first}"
                yield Finding(*place(stream, segment), words)
                break


@rule("start-together", "RFC 8216 6.2.4", "All renditions begin at the same time, within a frame or audio packet.")
def start_together(package: Package) -> Iterator[Finding]:
    """Picture and sound, or two rungs, that begin apart."""
    streams = package.kinds("video", "audio")
    starts = [(stream, start) for stream in streams if (start := stream.first_shown()) is not None]
    for stream, start in starts[1:]:
        first, origin = starts[0]
        margin = max(
            first.step(), stream.step(), LONGEST_PACKET if "audio" in {first.kind, stream.kind} else first.step()
        )
        if abs(start - origin) > margin + MILLISECOND:
            words = f"it begins at {float(start):.3f} s, {first.name} at {float(origin):.3f} s"
            yield Finding(stream.name, None, words)


@rule(
    "rungs-aligned", "RFC 8216 6.2.4, HLS Authoring Specification 8.22", "Segments of all rungs have the same borders."
)
def rungs_aligned(package: Package) -> Iterator[Finding]:
    """A rung whose segments begin at other times than those of the first."""
    streams = [stream for stream in package.kinds("video") if stream.whole]
    borders = [(stream, _borders(stream)) for stream in streams]
    for stream, times in borders[1:]:
        first, expected = borders[0]
        if len(times) != len(expected):
            yield Finding(stream.name, None, f"it has {len(times)} segments, {first.name} has {len(expected)}")
            continue
        margin = max(first.step(), stream.step()) / 2 + MILLISECOND
        for number, (one, other) in enumerate(zip(times[:-1], expected[:-1], strict=True)):
            if abs(one - other) > margin:
                words = f"a segment ends at {float(one):.3f} s, that of {first.name} at {float(other):.3f} s"
                yield Finding(*place(stream, stream.segments[number]), words)
                break


def _borders(stream: Stream) -> list[Fraction]:
    track, at, found = stream.main, Fraction(0), []
    for _, part in stream.parts():
        at += Fraction(part.duration, track.timescale if track else 1)
        found.append(at)
    return found


@rule("durations-equal", f"{SPEC} 8.3", "All renditions last equally long, within a frame or audio packet.")
def durations_equal(package: Package) -> Iterator[Finding]:
    """A rendition that ends before or after the first."""
    streams = [stream for stream in package.kinds("video", "audio") if stream.whole]
    for stream in streams[1:]:
        first = streams[0]
        apart = abs(stream.duration() - first.duration())
        margin = max(first.step(), stream.step())
        if apart > margin + MILLISECOND:
            words = f"it lasts {float(stream.duration()):.3f} s, {first.name} {float(first.duration()):.3f} s"
            yield Finding(stream.name, None, words)


@rule("discontinuities-match", f"{SPEC} 8.13-8.15", "EXT-X-DISCONTINUITY stands at the same place in all variants.")
def discontinuities_match(package: Package) -> Iterator[Finding]:
    """A playlist with discontinuities at other places than the first of its kind."""
    found: dict[str, tuple[Stream, list[int]]] = {}
    for stream in package.media:
        if stream.kind not in {"video", "audio"}:
            continue
        places = [number for number, segment in enumerate(stream.segments) if segment.discontinuity]
        first, expected = found.setdefault(stream.kind, (stream, places))
        if places != expected:
            words = f"EXT-X-DISCONTINUITY stands before segments {places[:10]}, in {first.name} before {expected[:10]}"
            yield Finding(stream.name, None, words)


@rule("map-for-fmp4", f"{SPEC} 8.20", "A playlist of fragmented MP4 names its init segment with EXT-X-MAP.")
def map_for_fmp4(package: Package) -> Iterator[Finding]:
    """Segments of fragmented MP4 and no init segment."""
    for stream in package.media:
        first = next((segment for segment in stream.segments if segment.uri.endswith((".m4s", ".mp4", ".cmfv"))), None)
        if first is not None and not stream.inits and stream.kind != "images":
            yield Finding(*place(stream, first), "no EXT-X-MAP before segments of fragmented MP4")


@rule("codec-container", f"{SPEC} 1.5", "HEVC, AV1 and VP9 come in fragmented MP4 only.")
def codec_container(package: Package) -> Iterator[Finding]:
    """HEVC in a transport stream."""
    for stream in package.media:
        track = stream.main
        if track and stream.container == "ts" and track.entry in CMAF_ONLY:
            yield Finding(stream.name, None, f"{track.entry} in a transport stream, which most players refuse")


@rule("one-audio-per-segment", f"{SPEC} 2.17", "A segment holds at most one audio track.")
def one_audio_per_segment(package: Package) -> Iterator[Finding]:
    """Several audio tracks in one stream."""
    for stream in package.streams:
        count = sum(track.kind == "audio" for track in stream.tracks)
        if count > 1:
            yield Finding(stream.name, None, f"its segments hold {count} audio tracks")


@rule("six-second-segments", f"{SPEC} 7.5", "The target duration is 6 s.", Severity.ADVICE)
def six_second_segments(package: Package) -> Iterator[Finding]:
    """Another target duration."""
    for stream in package.media:
        target = stream.playlist.number("EXT-X-TARGETDURATION") if stream.playlist else None
        if stream.kind == "video" and target not in {None, 6}:
            yield Finding(stream.name, None, f"the target duration is {target} s")
            break


MEDIA: Final[tuple[Rule, ...]] = (
    objects_exist,
    grammar("init-readable", "ISO/IEC 14496-12 8.1", "Each init segment is readable."),
    grammar("objects-unchanged", "nothing else writes there", "What is stored is what was stored and read back."),
    segments_whole,
    byte_ranges,
    segment_duration_limit,
    extinf_true,
    starts_with_key,
    timeline_continuous,
    packed_audio_timed,
    continuity_counters,
    counters_continue,
    presentation_continuous,
    start_together,
    rungs_aligned,
    durations_equal,
    discontinuities_match,
    map_for_fmp4,
    codec_container,
    one_audio_per_segment,
    six_second_segments,
)
