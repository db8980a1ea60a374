"""Who may lead: told by the record and our own clock, never by the clock of another machine."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narwhal_operator.core.lease import Terms, may_take, released, seen, taken

ME = Terms("pod-a", 15)
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)


def record(holder: str | None, version: str = "1", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": holder, **spec}}


@pytest.mark.parametrize(("holder", "free"), [(None, True), ("", True), ("pod-a", True), ("pod-b", False)])
def test_a_lead_that_nobody_has_or_that_is_ours_is_free_at_once(holder: str | None, free: bool) -> None:
    """A container that was killed and started again in the same pod does not wait for itself."""
    assert may_take(seen(record(holder), 0.0, None), ME, 0.0) is free


def test_a_silent_holder_is_waited_for_as_long_as_its_record_says() -> None:
    """Counted from when this version of the record was first seen, not from the time that stands in it."""
    first = seen(record("pod-b", leaseDurationSeconds=10, renewTime="1970-01-01T00:00:00.000000Z"), 100.0, None)
    again = seen(record("pod-b", leaseDurationSeconds=10), 109.0, first)
    assert not may_take(again, ME, 109.9)
    assert may_take(again, ME, 110.0)


def test_a_renewal_starts_the_wait_anew() -> None:
    """A record that changed was written by somebody who lives."""
    first = seen(record("pod-b", "1", leaseDurationSeconds=10), 100.0, None)
    renewed = seen(record("pod-b", "2", leaseDurationSeconds=10), 109.0, first)
    assert not may_take(renewed, ME, 118.9)
    assert may_take(renewed, ME, 119.0)


def test_taking_over_counts_a_transition_and_renewing_does_not() -> None:
    """As `kubectl get lease` users know it; what else stands in the record stays."""
    before = record("pod-b", leaseTransitions=4, acquireTime="then", strategy="kept")
    mine = taken(before, ME, NOW)
    assert mine["metadata"] == before["metadata"]
    assert mine["spec"] == {
        "holderIdentity": "pod-a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-02T03:04:05.000678Z",
        "renewTime": "2026-01-02T03:04:05.000678Z",
        "leaseTransitions": 5,
        "strategy": "kept",
    }
    later = taken(mine, ME, NOW.replace(second=7))["spec"]
    assert (later["leaseTransitions"], later["acquireTime"]) == (5, "2026-01-02T03:04:05.000678Z")
    assert later["renewTime"] == "2026-01-02T03:04:07.000678Z"


def test_what_is_released_is_free_for_all() -> None:
    """A rolling update waits for nothing."""
    assert may_take(seen(released(taken(record(None), ME, NOW)), 0.0, None), Terms("pod-b", 15), 0.0)


@given(duration=st.integers(3, 120))
def test_a_holder_stops_before_another_may_begin(duration: int) -> None:
    """Even if its last renewal was seen at once and the next look comes late; and a lost request costs nothing."""
    terms = Terms("pod-a", duration)
    assert terms.deadline + terms.period < duration
    assert 3 * terms.period <= terms.deadline
