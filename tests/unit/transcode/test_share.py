"""How a title is divided among pods: every missing segment once, in parts of the same length, none that does not pay."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import TranscodeOptions
from tests.unit.transcode.inputs import probed
from tests.unit.transcode.kinds import KINDS
from workers.transcode.command import Range
from workers.transcode.ladder import plan
from workers.transcode.parallel.script import Script
from workers.transcode.parallel.share import ALL, Gap, Share, divide, gaps, progress_of, runs, seconds
from workers.transcode.rendition import Stored, Title, title
from workers.transcode.sniff import Sniff
from workers.verify.fragment import Fragment

FRAGMENT = Fragment(0, 1, 1, 0, 1, key=True)


def film(seconds: float = 60, segment: str = "1s", rungs: int = 1, **more: Any) -> Title:
    """A title of that many seconds at 25 frames a second, a segment each second, one rung or several."""
    ladder = [{"name": name, "height": 360 - 60 * number} for number, name in enumerate("abc"[:rungs])]
    options = {"ladder": {"renditions": ladder}, "packaging": {"segmentDuration": segment}}
    return title(plan(probed("640x360", "25", seconds, **more), TranscodeOptions.model_validate(options)))


def store(one: Title, *numbers: int) -> None:
    """These segments of all rungs are stored."""
    for video in one.videos:
        video.stored |= {number: Stored(number, 1, "", FRAGMENT, 1) for number in numbers}


def spread(parts: list[tuple[Range, ...]]) -> list[int]:
    """The numbers in parts."""
    return [number for part in parts for one in part for number in range(one.start, one.stop)]


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 400), st.sets(st.integers(0, 399)), st.integers(1, 64))
def test_every_missing_segment_is_in_one_part(length: int, stored: set[int], pods: int) -> None:
    """Whatever is stored and however many pods there are; parts differ by two segments at most, the longest is first."""
    one = film(length + 0.04)
    store(one, *(number for number in stored if number <= length))
    parts = divide(one, pods, 1, 0.001)
    lacking = [number for number in range(length + 1) if number not in stored]
    assert sorted(spread(parts)) == lacking
    sizes = [len(spread([part])) for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= 2
    assert len(parts) <= max(1, 3 * pods)


def test_a_part_lasts_as_long_as_it_must() -> None:
    """So many parts as have the least of seconds each, by the estimate of what a pod encodes in a second."""
    one = film(600)
    whole = seconds(one, range(one.plan.timeline.segments), 1)
    assert [len(divide(one, 8, 1, whole / count)) for count in (0.5, 1, 1.9, 2.01, 5.01, 99)] == [1, 1, 1, 2, 5, 24]
    assert len(divide(one, 8, 4, whole / 8.01)) == 2


def test_one_pod_and_a_container_without_an_index_are_one_part() -> None:
    """There is nothing to win by dividing."""
    assert len(divide(film(600), 1, 1, 0.001)) == 1
    assert len(divide(film(600, container="mpegts"), 8, 1, 0.001)) == 1


def test_a_last_segment_too_short_for_b_frames_is_not_alone() -> None:
    """An encoder that is given one frame alone knows no delay: its init segment would be another one."""
    one = film(6.04)
    parts = divide(one, 7, 1, 0.001)
    assert (5, 7) in [(part[0].start, part[0].stop) for part in parts]
    store(one, 0, 1, 2, 3, 4, 5)
    assert [gap.part for gap in gaps(one, Range(0, 7))] == [Range(5, 7)]


def test_holes_are_filled_and_nothing_else() -> None:
    """Runs of missing segments."""
    one = film(10)
    store(one, 0, 1, 4, 5, 9)
    assert [gap.part for gap in gaps(one, Range(0, 10))] == [Range(2, 4), Range(6, 9)]
    assert [gap.part for gap in gaps(one, Range(4, 7))] == [Range(6, 7)]
    assert runs([]) == []


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sets(st.integers(0, 59)), min_size=1, max_size=3))
def test_each_rung_is_made_where_it_lacks_something(stored: list[set[int]]) -> None:
    """All that is missing is in exactly one gap; what is made again of what is stored is less than a process costs."""
    one = film(60, rungs=len(stored))
    for video, numbers in zip(one.videos, stored, strict=True):
        video.stored |= {number: Stored(number, 1, "", FRAGMENT, 1) for number in numbers}
    found = gaps(one, Range(0, 60))
    made = [(name, index) for gap in found for name in gap.rungs for index in range(gap.part.start, gap.part.stop)]
    lacking = [(video.name, index) for video in one.videos for index in range(60) if index not in video.stored]
    assert len(made) == len(set(made))
    assert set(lacking) <= set(made)
    for before, after in pairwise(found):
        assert before.part.stop <= after.part.start
    for gap in found:
        assert len(gap.rungs) > 1 or all((name, gap.part.start) in lacking for name in gap.rungs)


def test_one_rung_more_is_one_gap_of_that_rung() -> None:
    """The others are whole: nothing of them is made again; a rung that is a little behind is made with the others."""
    one = film(60, rungs=3)
    for video in one.videos[:2]:
        video.stored |= {number: Stored(number, 1, "", FRAGMENT, 1) for number in range(60)}
    assert gaps(one, Range(0, 60)) == [Gap(Range(0, 60), frozenset({"c"}))]
    assert seconds(one, range(60), 1) < seconds(film(60, rungs=3), range(60), 1)
    late = film(60, rungs=2)
    late.videos[0].stored |= {number: Stored(number, 1, "", FRAGMENT, 1) for number in range(20)}
    late.videos[1].stored |= {number: Stored(number, 1, "", FRAGMENT, 1) for number in range(18)}
    assert gaps(late, Range(0, 60)) == [Gap(Range(18, 60), frozenset({"a", "b"}))]
    late.videos[0].stored |= {number: Stored(number, 1, "", FRAGMENT, 1) for number in range(40)}
    assert gaps(late, Range(0, 60)) == [
        Gap(Range(18, 40), frozenset({"b"})),
        Gap(Range(40, 60), frozenset({"a", "b"})),
    ]


def test_the_count_of_a_share_is_its_own() -> None:
    """A pod tells how far its part is, not how far the title is."""
    one = film(10)
    store(one, 0, 1, 4, 5)
    share = Share((Range(4, 7),), sound=False)
    assert share.totals(one) == {"a": 3}
    assert (share.count(one.videos[0]), ALL.count(one.videos[0])) == (2, 4)
    assert Share((), sound=True).totals(one) == {"audio/main": 10}


def test_progress_is_what_is_stored() -> None:
    """Percent of the encode by frames, segments by rendition."""
    one = film(10)
    store(one, 0, 1, 2, 3, 9)
    found = progress_of(one)
    assert (found.percent, found.segments_done, found.segments_total) == (47, 5, 20)


def test_every_plan_comes_back_from_the_store() -> None:
    """plan.json holds all that a plan has: what is read is what was written, for each named input."""
    for name, info, options in KINDS:
        try:
            made = plan(info, TranscodeOptions.model_validate(options))
        except WorkError:
            continue
        whole = title(made)
        parts = tuple(divide(whole, 4, 1, 0.001))
        script = Script(attempt=1, plan=made, seen=Sniff("mp4"), parts=parts, progress=progress_of(whole).wire())
        assert Script.from_json(script.to_json()) == script, name


def test_an_index_beyond_the_parts_is_refused() -> None:
    """Index 0 is the sound, the next are the parts of the video."""
    one = film(10)
    script = Script(
        attempt=1, plan=one.plan, seen=Sniff("mp4"), parts=((Range(0, 10),),), progress=progress_of(one).wire()
    )
    assert (script.share(0).sound, script.share(1).video) == (True, (Range(0, 10),))
    for index in (-1, 2):
        with pytest.raises(WorkError) as caught:
            script.share(index)
        assert caught.value.reason is Reason.INVALID_ORDER
    assert replace(script.plan) == one.plan
