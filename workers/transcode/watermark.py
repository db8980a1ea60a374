"""Makes the watermark ready: the user's picture is read once, strictly, and becomes a PNG of our own at the size it is laid on."""

import asyncio
from fractions import Fraction
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.watermark import Watermark
from workers.common.store import ObjectInfo, ObjectStore
from workers.transcode import command, runner
from workers.transcode.examine import shown
from workers.transcode.media import Video
from workers.transcode.plan import Mark, Plan

MOST_BYTES: Final = 16 * 1024**2
DEMUXERS: Final = ((b"\x89PNG\r\n\x1a\n", "png_pipe"), (b"\xff\xd8\xff", "jpeg_pipe"))
"""By the first bytes: the only formats that are opened."""
FIELD: Final = "spec.watermark.image"


async def find(store: ObjectStore, wish: Watermark) -> ObjectInfo:
    """The image in the store. Raises WorkError(InputNotFound | InputOverLimits)."""
    image = wish.image
    info = await asyncio.to_thread(store.head, image.bucket, image.key)
    if info is None:
        message = f"{FIELD} {image.bucket}/{image.key} does not exist in the input's store; correct it, or upload it."
        raise WorkError(Reason.INPUT_NOT_FOUND, message)
    if info.size > MOST_BYTES:
        message = f"{FIELD} {image.bucket}/{image.key} has {info.size} bytes; at most {MOST_BYTES} are taken."
        raise WorkError(Reason.INPUT_OVER_LIMITS, message)
    return info


def place(video: Video, wish: Watermark) -> tuple[Fraction, Fraction, Mark]:
    """Width, height per height of an image as wide as high, and the place, in pixels of the upright frame as it is coded."""
    wide, high = shown(video)
    turned = video.rotation % 180 == 90
    coded = (video.height, video.width) if turned else (video.width, video.height)
    across, down = Fraction(coded[0], wide), Fraction(coded[1], high)
    width = Fraction(wide * wish.width, 100)
    margin = Fraction(high * wish.margin, 100)
    return width * across, width * down, Mark("", wish.position, round(margin * across), round(margin * down))


async def prepare(plan: Plan, video: Video, wish: Watermark, store: ObjectStore, scratch: Path) -> Plan:
    """The plan with its watermark, which is then on scratch. Raises WorkError with an Input* reason, or NotSupported."""
    high = [rung.name for rung in plan.rungs if rung.dynamic_range != "SDR"]
    if high:
        message = f"spec.watermark is for standard range; {', '.join(high)[:200]} keep the input's high dynamic range."
        raise WorkError(Reason.NOT_SUPPORTED, f"{message} Take renditions with dynamicRange SDR.")
    name = f"{FIELD} {wish.image.bucket}/{wish.image.key}"
    path, made = scratch / "watermark", scratch / "watermark.png"
    await asyncio.to_thread(store.fetch, wish.image.bucket, wish.image.key, path)
    demuxer = await asyncio.to_thread(_demuxer, path)
    if demuxer is None:
        raise WorkError(Reason.INPUT_NOT_MEDIA, f"{name} is neither a PNG nor a JPEG; give one of them.")
    width, height, mark = place(video, wish)
    made.unlink(missing_ok=True)
    source = command.Source(str(path))
    ended = await runner.ask(
        lambda fd: command.mark(source, demuxer, (width, height), Fraction(wish.opacity, 100), str(made), fd),
        bounds=runner.Bounds(stall_seconds=None, wall_seconds=60),
    )
    if ended.code != 0 or not made.exists():
        message = f"{name} cannot be read; export the picture again."
        raise WorkError(Reason.INPUT_DAMAGED, message, evidence=ended.tail)
    return replace(plan, watermark=replace(mark, path=str(made)))


def _demuxer(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(16)
    return next((demuxer for magic, demuxer in DEMUXERS if head.startswith(magic)), None)
