"""Finds out what an input is, by facts: lengths in the file, ffprobe's JSON, and a walk over all packets.

Every refusal is decided here, before anything is encoded.
"""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.transcode import command, limits, runner
from workers.transcode.colour import HDR, Mastering
from workers.transcode.damage import Span
from workers.transcode.examine import admit
from workers.transcode.media import MediaInfo, Video, mastering, parse
from workers.transcode.scan import Scan, Scanner
from workers.transcode.sniff import Sniff, sniff
from workers.transcode.tasks import stop

BOUNDS: Final = runner.Bounds(
    stall_seconds=None, wall_seconds=limits.PROBE_SECONDS, address_space=limits.PROBE_ADDRESS_SPACE
)
SHORT_SECONDS: Final = Fraction(1)
SHORT_PART: Final = Fraction(1, 20)
"""A file whose packets end this much before its declared end was cut; less is how containers round."""
GUESSED: Final = frozenset({"mp3", "aac"})
"""Containers without a duration: FFmpeg guesses one by the bit rate of the first packets."""
ACCEPTED: Final = (
    "Give an MP4, MOV, Matroska, WebM, MPEG-TS, AVI or FLV file, or sound as M4A, MP3, FLAC, Ogg, WAV or AAC; playlists"
    " are refused."
)


@dataclass(frozen=True, slots=True)
class InputFile:
    """An open input. Programs read it by its descriptor: no name of a user's is ever an argument of theirs."""

    file: BufferedReader
    size: int
    name: str
    """For messages: bucket/key."""
    written: int
    """When its content last changed, in nanoseconds."""
    seen: Sniff
    """What its bytes say."""

    @property
    def fd(self) -> int:
        """The descriptor programs inherit."""
        return self.file.fileno()

    @property
    def source(self) -> command.Source:
        """How FFmpeg opens it: anew, with a position of its own."""
        return command.Source(f"/dev/fd/{self.fd}")

    @property
    def trouble(self) -> WorkError | None:
        """Why it could not be read, where that is known and no fault of its own."""
        return None

    @property
    def changed(self) -> bool:
        """Whether it was written to since it was opened."""
        found = os.fstat(self.fd)
        return (found.st_size, found.st_mtime_ns) != (self.size, self.written)


def open_input(path: Path, name: str) -> InputFile:
    """Opens a fetched input. Raises WorkError(InputEmpty)."""
    found = path.stat()
    if found.st_size == 0:
        raise WorkError(Reason.INPUT_EMPTY, f"{name} has 0 bytes; upload the file again.")
    file = path.open("rb")
    return InputFile(file, found.st_size, name, found.st_mtime_ns, sniff(file, found.st_size))


def check_unchanged(given: InputFile) -> None:
    """An input in a directory store is linked, not copied: who writes into it changes what is encoded.

    Raises WorkError(InputChanged).
    """
    if given.changed:
        message = f"{given.name} was written to while it was encoded; start again when it is whole."
        raise WorkError(Reason.INPUT_CHANGED, message)


async def examine(given: InputFile, *, tolerant: bool = False) -> MediaInfo:
    """What the input is, with its packets walked; of one that was cut, where that is tolerated, what is there. Raises WorkError with an Input* reason or NoVideo."""
    walking = asyncio.create_task(_walk(given))  # beside the probe, which says which stream to look at
    try:
        info = await _header(given)
        video = admit(info)
        if video and video.transfer in HDR and video.mastering is None:
            info = replace(info, video=replace(video, mastering=await _mastering(given, video.index)))
        walk = await walking
        cut = given.seen.cut or _short(info, video, walk)
        stream = video.index if video else info.audio[0].index
        if cut and not tolerant:
            raise _cut(given, f"{cut}; {walk.reach(info, stream)}")
        scan = walk.scanners.get(stream, Scanner()).result() if video else None
        return replace(info, scan=scan, spans=walk.spans(info), cut=cut)
    finally:
        await stop([walking])


def _cut(given: InputFile, how: str) -> WorkError:
    return WorkError(Reason.INPUT_TRUNCATED, f"{given.name} was cut: {how}. Fetch or export the file again.")


async def _header(given: InputFile) -> MediaInfo:
    info, ended = await _probe(given)
    seen = given.seen
    if info is not None:
        return info
    if seen.cut:
        raise _cut(given, seen.cut)
    if seen.container is None:
        raise WorkError(Reason.INPUT_NOT_MEDIA, f"{given.name} is no media file that is accepted. {ACCEPTED}")
    await _refuse_large(given)
    raise WorkError(
        Reason.INPUT_DAMAGED,
        f"{given.name} begins like {seen.container} but cannot be read; fetch or export the file again.",
        evidence=ended.tail,
    )


async def _mastering(given: InputFile, stream: int) -> Mastering | None:
    """What the first frame says of the light it was made for, where the container does not."""
    text = bytearray()

    def take(data: bytes) -> None:
        text.extend(data[: limits.PROBE_OUTPUT - len(text)])

    await runner.ask(lambda _: command.first_frame(given.source, stream), fds=[given.fd], bounds=BOUNDS, on_output=take)
    try:
        frames = json.loads(bytes(text)).get("frames", [])
        return mastering(frames[0]) if frames else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


async def _refuse_large(given: InputFile) -> None:
    """Whether the guard on pixels is what refused: asks without it, first without decoding, then in little memory."""
    for extra in (("-skip_frame", "all"), ("-threads", "1")):
        info, _ = await _probe(given, *extra)
        if info is not None and info.video is not None and info.video.width > 0:
            admit(info)
            return


async def _probe(given: InputFile, *extra: str) -> tuple[MediaInfo | None, runner.Ended]:
    text = bytearray()

    def take(data: bytes) -> None:
        text.extend(data[: limits.PROBE_OUTPUT - len(text)])

    ended = await runner.ask(
        lambda _: command.probe(given.source, *extra), fds=[given.fd], bounds=BOUNDS, on_output=take
    )
    if ended.code != 0:
        return None, ended
    try:
        return replace(parse(json.loads(bytes(text))), name=given.name), ended
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, ended


async def _walk(given: InputFile) -> "Walk":
    """All packets of all streams."""
    walk = Walk()
    seconds = limits.PROBE_SECONDS + given.size / limits.SCAN_BYTES_PER_SECOND
    bounds = runner.Bounds(stall_seconds=None, wall_seconds=seconds, address_space=limits.PROBE_ADDRESS_SPACE)
    ended = await runner.ask(
        lambda _: command.scan(given.source), fds=[given.fd], bounds=bounds, on_output=lines(walk.line)
    )
    if ended.stalled:
        message = f"Walking over the packets of {given.name} took over {seconds:.0f} s; is the scratch volume slow?"
        raise WorkError(Reason.NO_PROGRESS, message)
    return walk


def _short(info: MediaInfo, video: Video | None, walk: "Walk") -> str | None:
    """How the walk found less than is declared; None where it is all there."""
    # nb_frames is exact where the index is a table of samples; AVI counts empty chunks.
    if video and video.declared_frames and "mov" in info.container:
        packets = walk.scanners.get(video.index, Scanner()).packets
        if packets < video.declared_frames:
            return f"it has {packets} of {video.declared_frames} frames"
    if info.container in GUESSED:
        return None
    length = walk.length(info)
    if info.duration and info.duration - length > max(SHORT_SECONDS, info.duration * SHORT_PART):
        return f"it ends after {float(length):.1f} of {float(info.duration):.1f} s"
    return None


@dataclass(slots=True)
class Walk:
    """The packets as ffprobe lists them."""

    scanners: dict[int, Scanner] = field(default_factory=dict)
    starts: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)

    def line(self, line: bytes) -> None:
        """One line: stream, presentation time, decoding time, duration, flags. Others (side data) are left out."""
        fields = line.decode("ascii", "replace").split(",")
        if len(fields) < 5 or not fields[0].isdecimal():
            return
        stream, time, duration = int(fields[0]), _number(fields[1]), _number(fields[3]) or 0
        time = _number(fields[2]) if time is None else time  # AVI has decoding times only
        if time is not None:
            self.starts[stream] = min(time, self.starts.get(stream, time))
            self.ends[stream] = max(time + duration, self.ends.get(stream, time))
        self.scanners.setdefault(stream, Scanner()).feed(time, duration, hidden="D" in fields[4])

    def length(self, info: MediaInfo) -> Fraction:
        """Seconds from the first packet to the end of the last; in Matroska, whose durations count so, from 0."""
        bases = info.time_bases
        ends = [time * bases[stream] for stream, time in self.ends.items() if stream in bases]
        starts = [time * bases[stream] for stream, time in self.starts.items() if stream in bases]
        first = min(starts, default=Fraction(0))
        if "matroska" in info.container:
            first = min(first, Fraction(0))
        return max(ends, default=Fraction(0)) - first

    def spans(self, info: MediaInfo) -> dict[int, Span]:
        """When the packets that are shown begin and end, of each stream."""
        found = {stream: scanner.result() for stream, scanner in self.scanners.items()}
        bases, sounds = info.time_bases, {track.index for track in info.audio}

        def end(stream: int, scan: Scan) -> int:
            # A short last packet of sound is what is left, not how a container counts.
            return self.ends[stream] if stream in sounds else scan.end

        return {
            stream: Span(scan.first * bases[stream], end(stream, scan) * bases[stream])
            for stream, scan in found.items()
            if scan is not None and stream in bases
        }

    def reach(self, info: MediaInfo, stream: int) -> str:
        """How far a stream comes, for a message."""
        span = self.spans(info).get(stream)
        return f"stream {stream} has no packet" if span is None else f"stream {stream} ends at {float(span.end):.2f} s"


def lines(take: Callable[[bytes], Any]) -> Callable[[bytes], None]:
    """Cuts bytes as they come into lines; an endless one is cut off."""
    rest = b""

    def feed(data: bytes) -> None:
        nonlocal rest
        whole = (rest + data).split(b"\n")
        rest = whole.pop()[:4096]
        for line in whole:
            take(line)

    return feed


def _number(text: str) -> int | None:
    return int(text) if text.removeprefix("-").isdecimal() else None
