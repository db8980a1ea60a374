"""Which versions of an output stay."""

from datetime import UTC, datetime, timedelta

import pytest

from workers.transcode.versions import Version, expired, pending, superseded

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
GRACE = timedelta(hours=6)


def version(name: str, hours: float | None, *, named: bool = False, verified: float | None = None) -> Version:
    """A version that was published, and verified, so many hours after noon; None: not."""
    times = [None if time is None else NOON + timedelta(hours=time) for time in (hours, verified)]
    return Version(name, (), 0, times[0], named, times[1])


ROWS = [
    # name, versions, versions to keep, hours after noon, those that go
    ("the published one alone", [version("a", 0, named=True)], 0, 99, ""),
    ("kept for a rollback", [version("a", 0), version("b", 1, named=True)], 1, 99, ""),
    ("within the grace", [version("a", 0), version("b", 1, named=True)], 0, 6, ""),
    ("past the grace", [version("a", 0), version("b", 1, named=True)], 0, 7, "a"),
    ("the oldest goes first", [version("a", 0), version("b", 1), version("c", 2, named=True)], 1, 99, "a"),
    ("grace from its own successor on", [version("a", 0), version("b", 1), version("c", 9, named=True)], 0, 10, "a"),
    ("unfinished", [version("a", 0, named=True), version("b", None)], 5, 0, "b"),
    ("unfinished, but a pointer names it", [version("a", None, named=True), version("b", 0)], 1, 0, ""),
    ("perhaps published, in its grace", [version("a", None, verified=0), version("b", 1, named=True)], 0, 6, ""),
    ("perhaps published, past its grace", [version("a", None, verified=0), version("b", 1, named=True)], 9, 7, "a"),
    ("verified, then nothing", [version("a", None, verified=1), version("b", 0, named=True)], 9, 1, "a"),
    ("verified, and nothing else is there", [version("a", None, verified=1)], 9, 1, "a"),
    ("verified, and a pointer names it", [version("a", None, named=True, verified=1)], 9, 99, ""),
    ("published again", [version("a", 5, named=True), version("b", 1)], 0, 11, "b"),
    ("published again, in its grace", [version("a", 5, named=True), version("b", 1)], 0, 10, ""),
    ("nothing is published any more", [version("a", 0)], 0, 99, ""),
]


@pytest.mark.parametrize(("versions", "keep", "hours", "gone"), [pytest.param(*row[1:], id=row[0]) for row in ROWS])
def test_a_version_goes_when_its_time_is_over(versions: list[Version], keep: int, hours: float, gone: str) -> None:
    """Never one that a pointer names; never one that somebody may still watch; no more than are to be kept."""
    found = expired(versions, keep, GRACE, NOON + timedelta(hours=hours))
    assert sorted(one.name for one in found) == list(gone)


def test_what_waits_for_the_end_of_its_grace_is_known_with_its_time() -> None:
    """Of three, with none to keep: the oldest is past its grace, the middle one waits since the last was published."""
    rack = [version("a", 0), version("b", 1), version("c", 9, named=True)]
    assert [(one.name, since) for one, since in pending(rack, 0, GRACE, NOON + timedelta(hours=10))] == [
        ("b", NOON + timedelta(hours=9))
    ]
    assert pending(rack, 2, GRACE, NOON + timedelta(hours=10)) == []
    assert pending(rack, 0, GRACE, NOON + timedelta(hours=15)) == []


def test_two_versions_of_one_second_have_an_order() -> None:
    """S3 tells seconds: the name decides, the same way each time."""
    first, second = version("a", 0), version("b", 0)
    assert superseded(first, [first, second]) == NOON
    assert superseded(second, [first, second]) is None
