"""The work queue coalesces, delays and backs off as client-go's does."""

import asyncio

import pytest

from narwhal_operator.core.observed import Key
from narwhal_operator.queue import ALWAYS, FIRST_RETRY, WORDS, WorkQueue, work
from tests.unit.operator import build as b

A, B = b.key(name="a"), b.key(name="b")
SOON = 5.0
"""Seconds a test waits for what must come."""


async def taken(queue: WorkQueue) -> tuple[Key, frozenset[str]]:
    """The next key; TimeoutError if none comes."""
    return await asyncio.wait_for(queue.get(), SOON)


async def test_a_key_added_twice_is_worked_on_once() -> None:
    """It waits once and carries both causes."""
    queue = WorkQueue()
    queue.add(A, "1")
    queue.add(A, "2")
    queue.add(B)
    assert await taken(queue) == (A, frozenset({"1", "2"}))
    assert await taken(queue) == (B, frozenset({ALWAYS}))
    assert len(queue) == 0


async def test_a_key_added_while_worked_on_comes_again_afterwards() -> None:
    """No two workers have one key at once, and nothing said meanwhile is lost."""
    queue = WorkQueue()
    queue.add(A, "1")
    await taken(queue)
    queue.add(A, "2")
    assert len(queue) == 0
    queue.done(A)
    assert await taken(queue) == (A, frozenset({"2"}))


async def test_the_earlier_of_two_delays_counts() -> None:
    """add_after never makes a key later."""
    queue = WorkQueue()
    queue.add_after(A, 0.01)
    queue.add_after(A, 600)
    assert (await taken(queue))[0] == A


async def test_a_schedule_takes_the_place_of_the_one_before() -> None:
    """The last pass knows best when the next is due; None: only when something changes."""
    queue = WorkQueue()
    queue.schedule(A, 0)
    queue.schedule(A, None)
    queue.schedule(B, 0)
    assert (await taken(queue))[0] == B
    assert len(queue) == 0


async def test_a_schedule_leaves_what_came_while_the_pass_went_on() -> None:
    """A pass that has read its children knows nothing of one that ends before it has written: its look is not taken away."""
    queue = WorkQueue()
    queue.add(A)
    await taken(queue)
    queue.add_after(A, 0.01)
    queue.schedule(A, None)
    queue.done(A)
    assert await taken(queue) == (A, frozenset({ALWAYS}))


async def test_a_turn_for_words_in_the_place_of_a_later_look_is_that_look() -> None:
    """A key has one timer: what was planned for later must not be lost to what is told sooner."""
    queue = WorkQueue()
    queue.add_after(A, 600)
    queue.add_after(A, 0.01, WORDS)
    assert await taken(queue) == (A, frozenset({ALWAYS}))


async def test_what_only_wants_telling_lets_work_go_first() -> None:
    """It is not counted with what waits for work, and comes when nothing else does."""
    queue = WorkQueue()
    queue.add(A, WORDS)
    queue.add(B, "1")
    assert len(queue) == 1
    assert await taken(queue) == (B, frozenset({"1"}))
    queue.add(B, WORDS)
    queue.done(B)
    assert await taken(queue) == (A, frozenset({WORDS}))
    assert await taken(queue) == (B, frozenset({WORDS}))


async def test_what_wants_telling_is_not_put_off_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its time is up it comes before work."""
    monkeypatch.setattr("narwhal_operator.queue.WORDS_WAIT", 0.0)
    queue = WorkQueue()
    queue.add(A, WORDS)
    queue.add(B, "1")
    assert [(await taken(queue))[0] for _ in range(2)] == [A, B]


async def test_a_timer_brings_the_cause_it_was_set_for_or_one_that_came_since() -> None:
    """A look that was asked for later than words are due is not taken for words alone."""
    queue = WorkQueue()
    queue.schedule(A, 0, WORDS)
    assert await taken(queue) == (A, frozenset({WORDS}))
    queue.done(A)
    queue.schedule(A, 0.01, WORDS)
    queue.add_after(A, 600)
    queue.add_after(A, 600, WORDS)
    assert await taken(queue) == (A, frozenset({ALWAYS}))


async def test_failed_passes_come_again_later_each_time() -> None:
    """The waits double, up to a quarter of a minute, and start anew after a good pass."""
    queue, loop = WorkQueue(), asyncio.get_running_loop()
    waits = []
    for _ in range(12):
        queue.retry(A)
        waits.append(queue._timers.pop(A).when() - loop.time())
    assert waits == pytest.approx([min(15, FIRST_RETRY * 2**n) for n in range(12)], abs=0.1)
    queue.forgive(A)
    queue.retry(A)
    assert queue._timers[A].when() - loop.time() == pytest.approx(FIRST_RETRY, abs=0.1)
    queue.schedule(A, None)


async def test_what_breaks_for_one_key_does_not_stop_the_others() -> None:
    """A bug in a pass is logged; the key comes again and the worker goes on."""
    queue, seen, end = WorkQueue(), [], asyncio.Event()

    async def handle(key: Key, _causes: frozenset[str]) -> None:
        seen.append(key)
        if seen == [A]:
            raise RuntimeError("a bug")
        if seen[-1] == A:
            end.set()

    worker = asyncio.create_task(work(queue, handle))
    queue.add(A)
    queue.add(B)
    await asyncio.wait_for(end.wait(), SOON)
    worker.cancel()
    assert seen == [A, B, A]


async def test_the_age_of_the_oldest_pass_is_known() -> None:
    """/healthz judges by it."""
    queue = WorkQueue()
    assert queue.longest == 0
    queue.add(A)
    await taken(queue)
    assert 0 <= queue.longest < SOON
    queue.done(A)
    assert queue.longest == 0
