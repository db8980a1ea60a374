"""Why FFmpeg failed, by facts: its exit, the scratch volume, and whether the input decodes without an encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final

from narwhal_operator.contract.outcome import TABLE, Reason, WorkError
from workers.transcode import command, limits, runner
from workers.transcode.inputfile import InputFile
from workers.transcode.room import free
from workers.transcode.walk import lines
from workers.verify.boxes import DamagedSegmentError

FULL_BYTES: Final = 1024 * 1024
"""A volume with less room than this is full."""


async def failure(ended: runner.Ended, given: InputFile, streams: Sequence[int], scratch: Path) -> WorkError:
    """The error that a failed encode of these streams of the input ends with."""
    evidence = ended.tail
    if ended.stalled:
        seconds = limits.STALL_SECONDS
        return WorkError(
            Reason.NO_PROGRESS, f"FFmpeg made no progress for {seconds:.0f} s and was killed.", evidence=evidence
        )
    if error := _full(scratch, evidence):
        return error
    if error := runner.starved(ended):
        return error
    if streams and given.trouble is not None:
        return given.trouble
    for stream in streams:
        argv, reached = partial(_decode, given, stream), Reached()
        check = await runner.ask(argv, fds=[given.fd], on_output=lines(reached.line))
        if check.code > 0:
            return _damaged(check, given, f"in stream {stream}, {reached.words()}")
    how = f"signal {ended.killed_by}" if ended.killed_by else f"exit code {ended.code}"
    return WorkError(
        Reason.ENCODER_FAILED,
        f"FFmpeg ended with {how}, though the input decodes; it is tried again.",
        evidence=evidence,
    )


def damaged(what: str, error: DamagedSegmentError, scratch: Path) -> WorkError:
    """The error that a file of the encoder ends with which is not whole: FFmpeg goes on for a while when the disk is full."""
    message = f"The encoder made a damaged {what}: {error}."
    return _full(scratch, message) or WorkError(Reason.ENCODER_FAILED, message)


def _full(scratch: Path, evidence: str | None) -> WorkError | None:
    if free(scratch) >= FULL_BYTES:
        return None
    message = f"The scratch volume {scratch} has no room left. {TABLE[Reason.SCRATCH_FULL].mend}"
    return WorkError(Reason.SCRATCH_FULL, message, evidence=evidence)


def _decode(given: InputFile, stream: int, fd: int) -> Sequence[str]:
    return command.decode(given.source, fd, str(stream))


@dataclass(slots=True)
class Reached:
    """How far a decode came, by FFmpeg's list of frames."""

    tick: Fraction = Fraction(0)
    end: Fraction | None = None
    """Seconds on the stream's clock at which the last good frame ends."""

    def line(self, line: bytes) -> None:
        """A line of framecrc: `#tb 0: 1/25`, or stream, dts, pts, duration, size, checksum."""
        text = line.decode("ascii", "replace")
        if text.startswith("#tb 0:"):
            numerator, _, denominator = text.partition(":")[2].strip().partition("/")
            if numerator.isdecimal() and denominator.isdecimal() and int(denominator):
                self.tick = Fraction(int(numerator), int(denominator))
            return
        fields = [field.strip() for field in text.split(",")]
        if len(fields) >= 4 and fields[2].removeprefix("-").isdecimal() and fields[3].isdecimal():
            self.end = (int(fields[2]) + int(fields[3])) * self.tick

    def words(self) -> str:
        """For a message."""
        return "at its beginning" if self.end is None else f"after {float(self.end):.2f} s"


def _damaged(check: runner.Ended, given: InputFile, where: str) -> WorkError:
    evidence = check.tail
    if given.seen.ragged:
        message = f"{given.name} was cut: {given.seen.ragged}, and it does not decode to its end: {where}. Fetch or export the file again."
        return WorkError(Reason.INPUT_TRUNCATED, message, evidence=evidence)
    message = f"{given.name} has errors that a strict decoder refuses, {where}. Fetch or export the file again."
    return WorkError(Reason.INPUT_DAMAGED, message, evidence=evidence)
