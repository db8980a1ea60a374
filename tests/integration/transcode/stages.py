"""A title by several pods, without a cluster: the stages of an attempt one after the other, as the operator has them."""

from pathlib import Path
from typing import Any, Final

from narwhal_operator.contract.order import TranscodeOrder
from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import Ended, Studio

TINY: Final = 0.001
"""Estimated seconds of a range: any title is long enough."""


def staged(order: TranscodeOrder, task: str, attempt: int = 1) -> TranscodeOrder:
    """The order of a stage."""
    head = order.head.model_copy(update={"task": task, "attempt": attempt})
    return order.model_copy(update={"head": head})


def divided(studio: Studio, key: str = "in.mp4", pods: int = 2, **changed: Any) -> TranscodeOrder:
    """An order for several pods, however short the title."""
    spec = {**changed.pop("spec", {}), "parallelism": pods}
    return studio.order(key, spec=spec, range_seconds=TINY, **changed)


def plan(studio: Studio, order: TranscodeOrder, attempt: int = 1) -> int:
    """Runs the first stage; the number of parts."""
    ended = studio.run(staged(order, "Plan", attempt))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.result is not None
    assert ended.result.ranges is not None, ended.result.message
    return ended.result.ranges


def part(studio: Studio, order: TranscodeOrder, index: int, attempt: int = 1) -> Ended:
    """Runs one part."""
    return studio.run(staged(order, "Range", attempt), index=index)


def by_parts(studio: Studio, order: TranscodeOrder, attempt: int = 1) -> Ended:
    """All stages; how the last one ended."""
    for index in reversed(range(plan(studio, order, attempt))):
        ended = part(studio, order, index, attempt)
        assert ended.reason is Reason.COMPLETED, ended.message
    return studio.run(staged(order, "Finish", attempt))


def files(version: Path) -> dict[str, bytes]:
    """All objects of a version but the records, by path."""
    found = {path.relative_to(version).as_posix(): path for path in version.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if "/" in name}
