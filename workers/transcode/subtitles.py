"""Text subtitles from the input to the store: extracted once, segmented as the video is, with one file of the whole."""

import asyncio
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.log import log
from workers.transcode import command, limits, runner, webvtt, wvtt
from workers.transcode.captions import TextTrack
from workers.transcode.inputfile import InputFile
from workers.transcode.layout import INIT, segment_name, text_name
from workers.transcode.rendition import Title
from workers.transcode.shelf import Shelf
from workers.transcode.tasks import together

RECORD: Final = "subtitles.json"
CHARSETS: Final = (None, "CP1252")
"""UTF-8, which all containers want; then what most files that are not have."""
AT_ONCE: Final = 64
"""Segments that wait for the store at once."""


@dataclass(slots=True)
class Subtitler:
    """The subtitles of one title."""

    title: Title
    given: InputFile
    shelf: Shelf
    scratch: Path
    dash: bool
    """Whether a DASH manifest is made."""

    async def run(self) -> None:
        """Makes and stores what is not stored yet; the record of it is last. Raises WorkError."""
        tracks = self.title.plan.subtitles
        if not tracks:
            return
        found = await self._recorded()
        if found is None:
            found = await self._make(tracks)
            await self.shelf.put(f"{self.shelf.layout.root}/{RECORD}", json.dumps(found, indent=1).encode())
        extras = self.title.extras
        extras.bits = {name: int(bits) for name, bits in found["bits"].items()}
        extras.notes += [str(note) for note in found["notes"]]
        extras.subtitles = tuple(track for track in tracks if track.name in extras.bits)

    async def _recorded(self) -> dict[str, Any] | None:
        """What an earlier run wrote down when all was stored."""
        text = await self.shelf.read(RECORD)
        try:
            found = json.loads(text) if text else None
        except ValueError:
            return None  # cut: made anew
        return found if isinstance(found, dict) and {"bits", "notes"} <= found.keys() else None

    async def _make(self, tracks: Sequence[TextTrack]) -> dict[str, Any]:
        folder = self.scratch / "subtitles"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        notes: list[str] = []
        if await self._extract(tracks, folder, None):
            for track in tracks:
                await self._alone(track, folder, notes)
        bits = {}
        for track in tracks:
            peak = await self._store(track, folder / f"{track.name}.vtt")
            if peak:
                bits[track.name] = peak
            else:
                notes.append(f"subtitles {track.name}: no text is shown within the film; left out")
        return {"bits": bits, "notes": notes}

    async def _alone(self, track: TextTrack, folder: Path, notes: list[str]) -> None:
        """One track, in the first encoding it reads in."""
        words = ""
        for charset in CHARSETS:
            words = await self._extract([track], folder, charset)
            if not words:
                notes += [f"subtitles {track.name}: no UTF-8; read as {charset}"] if charset else []
                return
        message = f"Subtitle stream {track.index} of {self.given.name} cannot be read. Export it again, or set"
        message += " spec.subtitles.mode to None, or spec.subtitles.languages to others."
        raise WorkError(Reason.INPUT_DAMAGED, message, evidence=words)

    async def _extract(self, tracks: Sequence[TextTrack], folder: Path, charset: str | None) -> str:
        """FFmpeg's last words when it failed, else nothing."""

        def argv(fd: int) -> Sequence[str]:
            job = command.Job(self.given.source, str(folder), fd, 1)
            return command.extract_text(tracks, job, limits.SUBTITLE_BYTES, charset, tolerant=self.title.plan.tolerant)

        log("info", "extracting", argv=list(argv(-1)))
        # Hours of film may have no subtitle: its progress is no sign of life.
        seconds = limits.PROBE_SECONDS + self.given.size / limits.SCAN_BYTES_PER_SECOND
        ended = await runner.ask(
            argv, fds=[self.given.fd], bounds=runner.Bounds(stall_seconds=None, wall_seconds=seconds)
        )
        if ended.stalled:
            message = (
                f"Reading the subtitles of {self.given.name} took over {seconds:.0f} s; is the scratch volume slow?"
            )
            raise WorkError(Reason.NO_PROGRESS, message)
        return (ended.tail[-1024:].strip() or f"exit code {ended.code}") if ended.code else ""

    async def _store(self, track: TextTrack, path: Path) -> int:
        """Stores a track; bits per second of its largest segment, 0 when nothing is shown."""
        plan, root = self.title.plan, self.shelf.layout.root
        raw = await asyncio.to_thread(path.read_bytes)
        if len(raw) >= limits.SUBTITLE_BYTES:
            raise self._large(track)
        text = raw.decode("utf-8", "replace")
        cues = await asyncio.to_thread(webvtt.parse, text, plan.origin, plan.timeline.duration)
        if not cues:
            return 0
        await self.shelf.put(f"{root}/{track.file}", webvtt.whole(cues).encode())
        total, largest, waiting = 0, 0, dict[str, bytes]()
        for name, content in self._objects(cues):
            waiting[f"{root}/{track.folder}/{name}"] = content
            total, largest = total + len(content), max(largest, len(content))
            if total > limits.SUBTITLE_SEGMENTS_BYTES:
                raise self._large(track)
            if len(waiting) >= AT_ONCE:
                await self._put(waiting)
                waiting = {}
        await self._put(waiting)
        return -int(-8 * largest / min(plan.timeline.segment_duration, plan.timeline.duration) // 1)

    def _objects(self, cues: Sequence[webvtt.Cue]) -> Iterator[tuple[str, bytes]]:
        """Names and contents of a track's segments: plain for HLS, in MP4 for DASH."""
        line = self.title.plan.timeline
        origin = 0
        if self.title.transport:
            from workers.transcode.transport import ORIGIN

            origin = ORIGIN
        for index, text in enumerate(webvtt.segments(cues, line.borders, origin)):
            yield text_name(index), text.encode()
        if self.dash:
            yield INIT, wvtt.init(line.timescale)
            for index, data in enumerate(wvtt.segments(cues, line.border_ticks, line.timescale)):
                yield segment_name(index), data

    async def _put(self, objects: Mapping[str, bytes]) -> None:
        await together(*(self.shelf.put(key, content) for key, content in objects.items()))

    def _large(self, track: TextTrack) -> WorkError:
        most = limits.SUBTITLE_BYTES // 1024**2
        message = f"Subtitle stream {track.index} of {self.given.name} is larger than is taken ({most} MiB of text);"
        return WorkError(Reason.INPUT_OVER_LIMITS, f"{message} leave it out by spec.subtitles.languages or mode None.")
