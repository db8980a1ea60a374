"""Measures the rungs on a few of their segments, as they are stored, and holds them to a floor."""

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msgspec.structs import replace

from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.quality import Metric, Quality
from workers.transcode import command, runner
from workers.transcode.command.compare import compare, filters
from workers.transcode.diagnose import failure
from workers.transcode.encode import Place
from workers.transcode.inputfile import InputFile
from workers.transcode.plan import Plan
from workers.transcode.rendition import Title
from workers.transcode.shelf import Shelf

SAMPLES: Final = 3
"""Segments of each rung that are measured: at a quarter, at the half and at three quarters of the title."""
TAIL: Final = 64 * 1024
"""Bytes of FFmpeg's last words that are read: a line for each of at most 12 rungs, and some around."""
SAID: Final = re.compile(
    r"(?:ssim|psnr|libvmaf)@q(\d+) @ [^\]]*\][^\n]*?(?:All:|average:|VMAF score: )(inf|\d+(?:\.\d+)?)"
)
LOSSLESS: Final = 100.0
"""What PSNR is called where there is no difference at all."""


async def require(wish: Quality | None) -> None:
    """Raises WorkError(NotSupported) where this FFmpeg cannot measure what is wished for."""
    if wish is None or wish.metric != "VMAF":
        return
    text = bytearray()
    await runner.ask(
        lambda _: filters(), bounds=runner.Bounds(stall_seconds=None, wall_seconds=30), on_output=text.extend
    )
    if b" libvmaf " not in text:
        message = "spec.quality.metric is VMAF, but this FFmpeg was built without libvmaf; take SSIM or PSNR."
        raise WorkError(Reason.NOT_SUPPORTED, message)


def read(text: str, rungs: int) -> list[float]:
    """The values by rung that FFmpeg said. Raises ValueError when one is missing."""
    found = {int(number): LOSSLESS if value == "inf" else float(value) for number, value in SAID.findall(text)}
    missing = [number for number in range(rungs) if number not in found]
    if missing:
        raise ValueError(f"no value of rung {missing[0]}")
    return [found[number] for number in range(rungs)]


def picks(segments: int) -> list[int]:
    """Which segments are measured."""
    return sorted({segments * (number + 1) // (SAMPLES + 1) for number in range(SAMPLES)})


async def measure(title: Title, wish: Quality, given: InputFile, shelf: Shelf, place: Place) -> None:
    """Gives each rung its value, the mean of its samples. Raises WorkError(QualityBelowFloor | EncoderFailed | …)."""
    values = [
        await _one(title, wish.metric, index, given, shelf, place) for index in picks(title.plan.timeline.segments)
    ]
    for video, found in zip(title.videos, zip(*values, strict=True), strict=True):
        video.quality = round(sum(found) / len(found), 4)
    title.extras.metric = wish.metric
    low = [f"{video.name} has {video.quality}" for video in title.videos if _below(video.quality, wish.floor)]
    if low:
        mend = "lower its crf, raise its maxBitrate, or lower the floor"
        message = f"Nothing was published: {wish.metric} of {', '.join(low)}, the floor is {wish.floor}; {mend}."
        raise WorkError(Reason.QUALITY_BELOW_FLOOR, message)


def _below(value: float | None, floor: float | None) -> bool:
    return value is not None and floor is not None and value < floor


async def _one(
    title: Title, metric: Metric, index: int, given: InputFile, shelf: Shelf, place: Place
) -> Sequence[float]:
    part = command.Range(index, index + 1)
    with TemporaryDirectory(prefix="quality-", dir=place.scratch) as folder:
        made = []
        for number, video in enumerate(title.videos):
            path = Path(folder) / f"{number}.mp4"
            await shelf.fetch_segment(video, index, path)
            made.append(command.Source(str(path)))

        async def run(plan: Plan) -> runner.Ended:
            return await runner.ask(
                lambda fd: compare(plan, part, metric, made, command.Job(given.source, folder, fd, place.threads)),
                fds=[given.fd],
                bounds=runner.Bounds(tail_bytes=TAIL),
            )

        ended = await run(title.plan)
        if ended.code != 0 and title.plan.seekable:
            ended = await run(replace(title.plan, seekable=False))  # as the encode does it
    if ended.code != 0:
        raise await failure(ended, given, [title.plan.picture.index], place.scratch)
    try:
        return read(ended.tail, len(title.videos))
    except ValueError as error:
        message = f"FFmpeg measured no {metric} of segment {index}: {error}."
        raise WorkError(Reason.ENCODER_FAILED, message, evidence=ended.tail) from error


def unmeasured(wish: Quality | None, metric: str | None, values: Sequence[float | None]) -> bool:
    """Whether what an earlier run recorded is not what is asked for now: another metric, none, or below the floor."""
    if wish is None:
        return False
    return metric != wish.metric or any(value is None or _below(value, wish.floor) for value in values)
