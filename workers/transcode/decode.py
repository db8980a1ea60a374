"""Decodes segments strictly, at the lowest priority, and looks at what comes out: how much, whether black, whether silent."""

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from msgspec.structs import replace

from workers.common.files import scratch_errors
from workers.transcode import command, runner
from workers.verify.given import Sample

PICTURE: Final = command.TINY * command.TINY
DARK: Final = 40
"""A picture is black when none of its points is brighter, of 255; video black is 16."""
BRIGHT: Final = 96
"""It surely is not when one is brighter than this: a tone map makes what is between darker or lighter."""
SILENT: Final = 33
"""Sound is silent when no sample is louder: -60 dB of full scale."""
LOUD: Final = 330
"""It surely is not when one is louder than this: -40 dB."""
PRIMING: Final = 3 * 2048
"""Samples that an encoder's priming and padding may be: three packets of HE-AAC."""
MARGIN: Final = Fraction(1, 20)
"""Seconds at both ends that are not looked at: what a border cuts may be in the next segment of the output."""
WORDS: Final = 300


class Piece(msgspec.Struct, frozen=True):
    """A stream of a file on scratch that is to be decoded, and what it must be."""

    path: Path
    stream: str
    rate: int
    sample: Sample
    """As it is before decoding."""


async def decode(pieces: Sequence[Piece], scratch: Path) -> list[Sample]:
    """All in one process; when that fails, each alone, to know which it is."""
    found = await _together(pieces, scratch)
    if len(pieces) > 1 and any(sample.error for sample in found):
        return [sample for piece in pieces for sample in await _together([piece], scratch)]
    return found


async def _together(pieces: Sequence[Piece], scratch: Path) -> list[Sample]:
    if not pieces:
        return []
    with TemporaryDirectory(prefix="look-", dir=scratch) as directory:
        targets = [Path(directory) / str(number) for number, _ in zip(count(), pieces, strict=False)]
        views = [
            command.View(command.Source(str(piece.path)), piece.stream, str(target), piece.rate)
            for piece, target in zip(pieces, targets, strict=True)
        ]
        ended = await runner.ask(lambda fd: command.look(views, fd))
        if ended.code != 0:
            words = ended.tail[-WORDS:].strip() or f"exit code {ended.code}"
            return [replace(piece.sample, error=words) for piece in pieces]
        return [
            await asyncio.to_thread(_seen, piece.sample, target, piece.rate)
            for piece, target in zip(pieces, targets, strict=True)
        ]


def _seen(sample: Sample, target: Path, rate: int) -> Sample:
    with scratch_errors(target):
        data = target.read_bytes()
    if rate:
        silent = _below(_loudest(data), SILENT, LOUD) if data else None
        return replace(sample, decoded=len(data) // 2, slack=PRIMING, silent=silent, sound=True)
    return replace(sample, decoded=len(data) // PICTURE, dark=_below(max(data), DARK, BRIGHT) if data else None)


def _below(value: int, low: int, high: int) -> bool | None:
    """Whether a value is at most the lower bound; None when it is between the two."""
    return True if value <= low else False if value > high else None


def _loudest(data: bytes) -> int:
    samples = memoryview(data[: len(data) // 2 * 2]).cast("h")
    highest, lowest = max(samples), min(samples)
    return max(highest, -lowest)


async def source_is(
    source: command.Source, fd: int, stream: int, rate: int, span: tuple[Fraction, Fraction], scratch: Path
) -> bool | None:
    """Whether the source is black (silent, where a rate is given) from a time on for so long; None when that is not known."""
    if span[1] <= 4 * MARGIN:
        return None
    with TemporaryDirectory(prefix="look-", dir=scratch) as directory:
        target = Path(directory) / "source"
        start, seconds = max(Fraction(0), span[0] + MARGIN), span[1] - 2 * MARGIN
        view = command.View(source, str(stream), str(target), rate, start=start, seconds=seconds)
        ended = await runner.ask(lambda progress: command.look([view], progress), fds=[fd])
        if ended.code != 0 or not target.exists() or not target.stat().st_size:
            return None
        seen = await asyncio.to_thread(_seen, Sample("", "", None), target, rate)
        return seen.silent if rate else seen.dark
