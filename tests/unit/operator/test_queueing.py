"""The line before the places: never above the limits, fair between namespaces, by priority within one, nobody forgotten."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from narwhal_operator.core.observed import Key
from narwhal_operator.core.queueing import Claim, Limits, Line

NAMES = st.integers(0, 30).map(lambda n: Key("TranscodingJob", f"ns{n % 4}", f"job{n}"))


class Lines(RuleBasedStateMachine):
    """Any order of wishes, starts and ends."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Line(Limits(total=5, per_namespace=2))
        self.waiting: dict[Key, Claim] = {}
        self.running: set[Key] = set()

    def granted(self, keys: list[Key]) -> None:
        """Each grant is to one that waits, and to the first of its namespace."""
        for key in keys:
            claim = self.waiting.pop(key)
            mine = [other.rank(name) for name, other in self.waiting.items() if name.namespace == key.namespace]
            assert all(claim.rank(key) <= rank for rank in mine)
            self.running.add(key)

    @rule(key=NAMES, priority=st.integers(-2, 2), since=st.integers(0, 9))
    def wish(self, key: Key, priority: int, since: int) -> None:
        """One wants to start, or to start sooner."""
        if key not in self.running:
            self.waiting[key] = Claim(priority, float(since))
        self.granted(self.line.want(key, Claim(priority, float(since))))

    @rule(key=NAMES)
    def end(self, key: Key) -> None:
        """One ends, is suspended or deleted."""
        self.running.discard(key)
        self.waiting.pop(key, None)
        self.granted(self.line.let_go(key))

    @invariant()
    def limits_hold(self) -> None:
        """Never more than may be; the line knows who runs."""
        assert len(self.running) <= 5
        for number in range(4):
            assert sum(key.namespace == f"ns{number}" for key in self.running) <= 2
        assert all(self.line.holds(key) for key in self.running)
        assert not any(self.line.holds(key) for key in self.waiting)

    @invariant()
    def no_place_is_left_empty(self) -> None:
        """Who waits, waits for a limit."""
        if len(self.running) < 5:
            for key in self.waiting:
                assert sum(other.namespace == key.namespace for other in self.running) == 2

    def teardown(self) -> None:
        """All that wait get their turn once others end."""
        left = len(self.waiting) + len(self.running)
        for _ in range(left):
            if self.running:
                self.end(min(self.running))
        assert not self.waiting


Lines.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLines = Lines.TestCase


def _key(namespace: str, number: int) -> Key:
    return Key("TranscodingJob", namespace, f"job{number:03}")


def test_a_namespace_with_one_job_does_not_wait_behind_a_thousand_of_another() -> None:
    """Served in turn, however old the others are."""
    line = Line(Limits(total=1))
    first = [key for n in range(1000) for key in line.want(_key("many", n), Claim(0, float(n)))]
    assert first == [_key("many", 0)]
    line.want(_key("one", 0), Claim(0, 5000.0))
    assert line.let_go(_key("many", 0)) == [_key("one", 0)]
    assert line.let_go(_key("one", 0)) == [_key("many", 1)]


def test_what_runs_is_counted_even_above_the_limits() -> None:
    """After a restart with a lower limit nobody starts until enough have ended."""
    line = Line(Limits(per_namespace=1))
    line.hold(_key("a", 1))
    line.hold(_key("a", 2))
    assert line.want(_key("a", 3), Claim(0, 0.0)) == []
    assert line.let_go(_key("a", 1)) == []
    assert line.let_go(_key("a", 2)) == [_key("a", 3)]


def test_who_waits_is_told_the_position_and_why() -> None:
    """In the namespace's own line; a priority that is raised moves it; those far behind are looked at seldom."""
    line = Line(Limits(total=9, per_namespace=1))
    for number in range(30):
        line.want(_key("media", number), Claim(0, float(number)))
    told = line.turn(_key("media", 3))
    assert told.message == "Queued: position 3 of 29; namespace media runs 1 of 1; the cluster runs 1 of 9."
    line.want(_key("media", 29), Claim(7, 29.0))
    assert "position 1 of 29" in line.turn(_key("media", 29)).message
    assert line.turn(_key("media", 28)).look_again > line.turn(_key("media", 29)).look_again
    assert line.let_go(_key("media", 0)) == [_key("media", 29)]
