"""How far a transcode by several pods is: their reports added up. Pure."""

from collections.abc import Iterable, Sequence

from narwhal_operator.contract.report import RangeReport, WorkerReport
from narwhal_operator.contract.transcode import RungProgress, TranscodePlan, TranscodeProgress

ENCODE_SHARE = 95
"""Percent of the whole that encoding is, as a worker counts it; the rest is verification and publishing."""


def merged(
    reports: Sequence[WorkerReport], completed: int, plan: TranscodePlan | None, running: frozenset[int]
) -> TranscodeProgress | None:
    """The progress of the whole; None while no pod has said anything.

    `completed`: how many parts have ended well. `running`: the parts whose pods run, and so how fast it goes: what a pod said last
    of its speed outlives it.
    Of a part that ended without being heard (the operator was not there) the mean of all parts is taken.
    """
    heard = {one.part.index: (one.part, one.transcode) for one in reports if one.part and one.transcode}
    if not heard:
        return None
    part = next(iter(heard.values()))[0]
    before, parts = part.before, [progress for _, progress in heard.values()]
    total = before.segments_total
    ended = sum(progress.segments_done >= progress.segments_total for progress in parts)
    unheard = max(0, min(completed - ended, part.ranges - len(heard)))
    share = (total - before.segments_done) / part.ranges
    new = sum(progress.segments_done for progress in parts) - _known(heard.values())
    done = min(total, before.segments_done + new + round(unheard * share))
    going = [progress for index, (_, progress) in heard.items() if index in running]
    speed = sum(progress.speed or 0 for progress in going if progress.segments_done < progress.segments_total)
    return TranscodeProgress(
        percent=max(before.percent, ENCODE_SHARE * done // max(1, total)),
        segments_done=done,
        segments_total=total,
        rungs=[_rung(rung, parts, plan) for rung in before.rungs],
        speed=round(speed, 2) or None,
        eta_seconds=_eta(done, total, speed, plan),
    )


def _known(heard: Iterable[tuple[RangeReport, TranscodeProgress]]) -> int:
    """Segments in the parts that were stored before: a part of what is missing has none, sound may have all of it."""
    return sum(
        rung.segments_done
        for part, progress in heard
        if part.index == 0
        for rung in part.before.rungs
        if rung.name in {other.name for other in progress.rungs}
    )


def _rung(rung: RungProgress, parts: Sequence[TranscodeProgress], plan: TranscodePlan | None) -> RungProgress:
    found = [other for progress in parts for other in progress.rungs if other.name == rung.name]
    if plan is None or rung.name not in {other.name for other in plan.rungs}:  # sound: one part has all of it
        percent, done = (
            max((other.percent for other in found), default=0),
            max((o.segments_done for o in found), default=0),
        )
        return rung.model_copy(
            update={"percent": max(percent, rung.percent), "segments_done": max(done, rung.segments_done)}
        )
    done = min(plan.segments, rung.segments_done + sum(other.segments_done for other in found))
    return rung.model_copy(update={"segments_done": done, "percent": 100 * done // max(1, plan.segments)})


def _eta(done: int, total: int, speed: float, plan: TranscodePlan | None) -> int | None:
    if not speed or plan is None or not total:
        return None
    return round((1 - done / total) * plan.duration_seconds / speed)
