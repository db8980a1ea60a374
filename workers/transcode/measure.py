"""The first pass over the sound: how loud each track is, and how loud it will be. Kept with the version."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from narwhal_operator.contract.model import ValidationError
from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import LoudnessPlan
from workers.common.log import log
from workers.transcode import command, runner
from workers.transcode.diagnose import failure
from workers.transcode.inputfile import InputFile
from workers.transcode.loudness import decide, read, resulting
from workers.transcode.plan import AudioTrack, Plan
from workers.transcode.rendition import Rendition
from workers.transcode.shelf import Shelf

RECORD: Final = "loudness.json"
TAIL: Final = 64 * 1024
"""Bytes of FFmpeg's last words that are read: a summary is 400, of at most 32 tracks, with a line around each."""


async def measure(plan: Plan, audios: Sequence[Rendition], given: InputFile, shelf: Shelf, scratch: Path) -> None:
    """Gives each rendition its loudness: what an earlier run wrote down, else measured and written down.

    A track is only ever encoded with the gain that is written down, whoever encodes it. Raises WorkError.
    """
    target = plan.loudness
    if target is None:
        return
    found = await _recorded(shelf)
    tracks = [audio.audio for audio in audios if audio.audio]
    missing = [track for track in tracks if track.name not in found]
    if missing:
        pairs = await _pass(plan, missing, found, given, scratch)
        found |= {name: decide(*pair, target) for name, pair in pairs.items()}
        raised = [track for track in missing if found[track.name].gain]
        results = await _pass(plan, raised, found, given, scratch) if raised else {}
        found |= {name: resulting(found[name], *pair) for name, pair in results.items()}
        await _record(shelf, found)
    for audio in audios:
        audio.loudness = found.get(audio.name)


async def adopt(plan: Plan, track: AudioTrack, shelf: Shelf, other: Shelf) -> bool:
    """Writes down of a track what another version did: it was encoded with that. False where nothing is known, or else."""
    if plan.loudness is None:
        return True
    theirs, mine = await _recorded(other), await _recorded(shelf)
    found = theirs.get(track.name)
    if found is None or mine.get(track.name, found) != found:
        return False
    if track.name not in mine:
        await _record(shelf, {**mine, track.name: found})
    return True


async def _record(shelf: Shelf, found: dict[str, LoudnessPlan]) -> None:
    text = json.dumps({name: one.wire() for name, one in sorted(found.items())}, indent=1)
    await shelf.put(f"{shelf.layout.root}/{RECORD}", text.encode())


async def _recorded(shelf: Shelf) -> dict[str, LoudnessPlan]:
    text = await shelf.read(RECORD)
    try:
        found: Any = json.loads(text) if text else {}
        return {str(name): LoudnessPlan.from_wire(one) for name, one in found.items()}
    except (ValueError, AttributeError, ValidationError):
        return {}  # cut or of another version of Narwhal: measured anew, to the same end


async def _pass(
    plan: Plan, tracks: Sequence[AudioTrack], gains: command.Gains, given: InputFile, scratch: Path
) -> dict[str, tuple[float, float]]:
    """Loudness and true peak of each track, with these gains."""

    def argv(fd: int) -> Sequence[str]:
        return command.measure_audio(plan, tracks, command.Job(given.source, "", fd, 1), gains)

    log("info", "measuring", argv=list(argv(-1)))
    ended = await runner.ask(argv, fds=[given.fd], bounds=runner.Bounds(tail_bytes=TAIL))
    if ended.code != 0:
        raise await failure(ended, given, sorted({track.index for track in tracks}), scratch)
    found = read(ended.tail)
    if len(found) != len(tracks):
        message = f"FFmpeg measured the loudness of {len(found)} tracks of {len(tracks)}; it is tried again."
        raise WorkError(Reason.ENCODER_FAILED, message, evidence=ended.tail)
    return {track.name: found[number] for number, track in enumerate(tracks)}
