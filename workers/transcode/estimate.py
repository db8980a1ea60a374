"""What a title would take: a segment from its middle is encoded in every rung, and the rest is taken to be like it."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from msgspec.structs import replace

from narwhal_operator.contract.transcode import RungPlan, TranscodePlan
from workers.transcode import command, runner
from workers.transcode.inputfile import InputFile
from workers.transcode.plan import Plan

LONGEST_SECONDS: Final = 120.0
"""Wall clock of a sample; a title whose sample takes longer is told without an estimate."""


SOUND: Final = 4096
"""Packets that are encoded of a title of sound alone: about a minute and a half."""


class Estimate(msgspec.Struct, frozen=True):
    """The figures of a sample."""

    frames: int
    """Frames of the timeline, or packets, that were encoded."""
    seconds: float
    """Wall clock that took."""
    sizes: dict[str, int]
    """Bytes of each rung."""


def middle(plan: Plan) -> command.Range:
    """A whole segment from the middle; of a stream that cannot be sought in the first, for it is decoded up to there."""
    segments = plan.timeline.segments
    first = min(segments // 2, max(0, segments - 2)) if plan.seekable else 0
    return command.Range(first, first + 1)


async def estimate(plan: Plan, given: InputFile, scratch: Path, threads: int) -> Estimate | None:
    """Encodes the sample. None when that fails or takes too long: a run says why, a plan does not depend on it."""
    part = middle(plan)
    if not plan.rungs:
        plan = replace(plan, audio=tuple(replace(track, packets=min(track.packets, SOUND)) for track in plan.audio))
    with TemporaryDirectory(prefix="estimate-", dir=scratch) as folder:
        for one in plan.rungs or plan.audio:
            (Path(folder) / one.name).mkdir()
        began = time.monotonic()
        ended = await runner.ask(
            lambda fd: command.encode_title(plan, part, command.Job(given.source, folder, fd, threads)),
            fds=[given.fd],
            bounds=runner.Bounds(wall_seconds=LONGEST_SECONDS),
        )
        seconds = time.monotonic() - began
        if ended.code != 0:
            return None
        sizes = {rung.name: _bytes(Path(folder) / rung.name) for rung in plan.rungs}
    frames = plan.timeline.frames_of(part.start) if plan.rungs else plan.audio[0].packets
    return Estimate(frames, seconds, sizes)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.m4s"))


def told(summary: TranscodePlan, found: Estimate | None, frames: int) -> TranscodePlan:
    """The plan with what the whole, of so many frames or packets, is likely to take."""
    if found is None:
        return summary
    share = frames / max(1, found.frames)

    def sized(rung: RungPlan) -> RungPlan:
        return rung.model_copy(update={"estimated_bytes": round(found.sizes[rung.name] * share)})

    update = {"estimated_seconds": round(found.seconds * share, 1), "rungs": [sized(rung) for rung in summary.rungs]}
    return summary.model_copy(update=update)
