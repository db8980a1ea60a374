"""Which mirror is asked, when it is left, and how many connections it gets: numbers and time only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.download.health import SHOWN_SECONDS, SLOW_SECONDS, Mirror, better, choose
from workers.download.ramp import AGAIN_SECONDS, BUSY, Ramp
from workers.download.retry import MOST_SECONDS

NOW = 1000.0


def mirrors(count: int) -> list[Mirror]:
    """So many mirrors nothing is known of."""
    return [Mirror(f"http://mirror-{number}.example/f?token=tok3n", number) for number in range(count)]


def sent(mirror: Mirror, rate: float, start: float, seconds: float) -> float:
    """The mirror sends at a rate for so long; the time afterwards."""
    now = start
    while now < start + seconds:
        now += 0.5
        mirror.bytes += int(rate / 2)
        mirror.note(now)
    return now


def test_mirrors_are_asked_in_their_order() -> None:
    """Where nothing is known the first is asked; one that failed stands behind; none is left when all are given up."""
    first, second = found = mirrors(2)
    assert choose(found, NOW, None, mixing=True) is first
    first.tried = 1
    assert choose(found, NOW, first, mixing=True) is second
    second.leave("Banned")
    assert choose(found, NOW, None, mixing=True) is first
    first.leave("Failed")
    assert choose(found, NOW, None, mixing=True) is None


def test_a_mirror_whose_bytes_cannot_be_mixed_is_stayed_with() -> None:
    """Unless it asks for a longer wait than any own pause, or is given up."""
    first, second = found = mirrors(2)
    first.tried, first.ready_at = 2, NOW + MOST_SECONDS
    assert choose(found, NOW, first, mixing=False) is first
    assert choose(found, NOW, first, mixing=True) is second
    first.ready_at = NOW + MOST_SECONDS + 1
    assert choose(found, NOW, first, mixing=False) is second


def test_of_healthy_mirrors_the_fastest_is_asked() -> None:
    """The rate a mirror has shown counts more than its place."""
    found = mirrors(3)
    for mirror, rate in zip(found, (1e6, 3e6, 2e6), strict=True):
        mirror.enter(NOW)
        sent(mirror, rate, NOW, SHOWN_SECONDS + 1)
        mirror.leave("Standby")
    assert choose(found, NOW + 10, None, mixing=True) is found[1]


def test_a_slow_mirror_is_left_after_a_while() -> None:
    """Under a quarter of what another has shown, for SLOW_SECONDS; not for a short dip, and never for the unknown."""
    fast, slow = found = mirrors(2)
    slow.enter(NOW)
    now = sent(slow, 1e5, NOW, 5.0)
    assert better(found, slow, now, None, None) is None
    fast.shown = 1e6
    assert better(found, slow, now, None, None) is None
    later = sent(slow, 1e5, now, SLOW_SECONDS - 1)
    assert better(found, slow, later, None, None) is None
    again = sent(slow, 1e6, later, 3.0)
    assert better(found, slow, again, None, None) is None
    end = sent(slow, 1e5, again, 20.0)
    assert better(found, slow, end, None, None) is None
    assert better(found, slow, end + SLOW_SECONDS, None, None) is fast


def test_a_change_must_pay() -> None:
    """Where all would be fetched again the rest of the slow one may still be there sooner."""
    fast, slow = found = mirrors(2)
    slow.enter(NOW)
    sent(slow, 1e5, NOW, 30.0)
    fast.shown = 1e6
    assert better(found, slow, NOW + 31, 10**6, 10**9) is None
    assert better(found, slow, NOW + 31 + SLOW_SECONDS, 10**6, 10**9) is None
    assert better(found, slow, NOW + 31 + SLOW_SECONDS, 10**9, 10**9) is fast


def test_the_facts_of_a_mirror_hold_no_secret() -> None:
    """Host, bytes, rate, failures, state and the reason of the last failure: no path and no query."""
    mirror = Mirror("https://mirror.example:8443/films/f?token=tok3n", 0)
    mirror.enter(NOW)
    sent(mirror, 1e6, NOW, 5.0)
    mirror.error = WorkError(Reason.SOURCE_ERROR, "answers 503")
    mirror.failures = 1
    told = mirror.facts()
    assert (told.host, told.state, told.failures, told.reason) == ("mirror.example:8443", "Active", 1, "SourceError")
    assert told.bytes == 5_000_000
    assert told.bytes_per_second == pytest.approx(1e6, rel=0.01)
    assert "tok3n" not in told.model_dump_json()


@given(st.integers(1, 64), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_connections_stay_within_their_bounds(most: int, busy: list[float]) -> None:
    """From one up to the most; none are added while this process or the store is the bottleneck."""
    ramp = Ramp(most)
    for step, share in enumerate(busy):
        before = ramp.limit
        ramp.grow(NOW + step, share)
        assert before <= ramp.limit <= most
        if share >= BUSY:
            assert ramp.limit == before


def test_after_a_refusal_there_are_fewer_then_one_more_at_a_time() -> None:
    """What is served is the limit; after a while one more is tried, and Retry-After is waited for."""
    ramp = Ramp(8)
    ramp.grow(NOW, 0.0)
    ramp.grow(NOW, 0.0)
    assert ramp.limit == 8
    ramp.refuse(3, NOW, None)
    ramp.grow(NOW + AGAIN_SECONDS - 1, 0.0)
    assert ramp.limit == 3
    ramp.grow(NOW + AGAIN_SECONDS, 0.0)
    ramp.grow(NOW + AGAIN_SECONDS, 0.0)
    assert ramp.limit == 4
    ramp.refuse(0, NOW, 600.0)
    ramp.grow(NOW + 599, 0.0)
    assert ramp.limit == 1
    ramp.grow(NOW + 600, 0.0)
    assert ramp.limit == 2
