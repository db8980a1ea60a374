"""Decodes segments of a package that is somewhere else: fetched to scratch, a batch at a time."""

import asyncio
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msgspec.structs import replace

from workers.transcode.decode import Piece, decode
from workers.verify.boxes import DamagedSegmentError
from workers.verify.facts import Package, Segment, Stream
from workers.verify.given import Sample
from workers.verify.init import Track
from workers.verify.opened import Opened
from workers.verify.readers import Reader
from workers.verify.rules.media import stored_size

BATCH: Final = 8
"""Segments that are decoded in one process."""
CHUNK: Final = 4 * 1024 * 1024
INIT_LIMIT: Final = 1024 * 1024


async def decoded(package: Package, reader: Reader, scratch: Path, *, full: bool) -> tuple[Sample, ...]:
    """What decoding finds: of the middle segment of each stream, or of all."""
    found: list[Sample] = []
    wanted = iter(list(_wanted(package, full=full)))
    while batch := list(islice(wanted, BATCH)):
        with TemporaryDirectory(prefix="batch-", dir=scratch) as directory:
            pieces: list[Piece] = []
            for number, (stream, segment) in enumerate(batch):
                path = Path(directory) / str(number)
                await _fetch(reader, segment, path)
                pieces += _pieces(stream, segment, path)
            found += await decode(pieces, scratch)
    return tuple(found)


def _wanted(package: Package, *, full: bool) -> Iterator[tuple[Stream, Segment]]:
    """Segments that can be decoded: whole, in clear or opened, of video or sound; each once however many list it."""
    seen: set[tuple[object, ...]] = set()
    for stream in package.streams:
        if stream.kind not in {"video", "audio"} or any(track.protected for track in stream.tracks):
            continue
        if stream.container == "packed" and stream.main and stream.main.entry != "mp4a":
            continue  # none of the demuxers that are allowed reads frames of AC-3 by themselves
        usable = [s for s in stream.segments if s.fragments and s.size and not s.problem and _sound(s)]
        for segment in usable if full else usable[len(usable) // 2 :][:1]:
            if (segment.uri, segment.range) not in seen:
                seen.add((segment.uri, segment.range))
                yield stream, segment


def _sound(segment: Segment) -> bool:
    """Whether its boxes are as long as it is: one that breaks off is told by another rule already."""
    whole = {0, segment.size}
    return all(
        part.key and (not part.length or stored_size(segment, part.length) in whole) for part in segment.fragments
    )


async def _fetch(reader: Reader, segment: Segment, path: Path) -> None:
    with path.open("wb") as out:
        init = segment.init
        if init is not None and (init.uri, segment.range) != (segment.uri, None):  # else it is in the segment itself
            count = min(init.range.count if init.range else INIT_LIMIT, INIT_LIMIT)
            out.write((await reader.read(init.uri, init.range.start if init.range else 0, count))[0])
        start, size = segment.range.start if segment.range else 0, segment.size or 0
        if segment.lock is not None:
            reader = opened = Opened.of(reader, segment, segment.lock)
            try:
                start, size = 0, await opened.length()
            except DamagedSegmentError:
                return  # it had an end when it was judged, and does not answer with one now: decoding says what is missing
        at = 0
        while at < size:
            data, _ = await reader.read(segment.uri, start + at, min(CHUNK, size - at))
            if not data:
                break  # decoding says what is missing
            await asyncio.to_thread(out.write, data)
            at += len(data)


def _pieces(stream: Stream, segment: Segment, path: Path) -> Iterator[Piece]:
    numbers = {"video": 0, "audio": 0}
    for track in segment.tracks:
        part = segment.of(track)
        if part is None or track.kind not in numbers:
            continue
        lasts = Fraction(part.duration, track.timescale)
        start = Fraction(part.start + part.offset - track.edit, track.timescale)
        sample = Sample(stream.name, segment.uri, None, start=start, duration=lasts)
        where = f"{track.kind[0]}:{numbers[track.kind]}"
        numbers[track.kind] += 1
        expected = _expected(stream, track, part.samples, lasts)
        yield Piece(path, where, track.sample_rate if track.kind == "audio" else 0, replace(sample, expected=expected))


def _expected(stream: Stream, track: Track, samples: int, lasts: Fraction) -> int | None:
    """What must come out of it; None where the container does not count it."""
    if stream.wraps:
        return None
    return round(lasts * track.sample_rate) if track.kind == "audio" else samples
