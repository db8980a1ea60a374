"""Resources as rows of a table and as JSON for programs. Pure: `now` is an argument."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from narwhal_cli.cluster.names import Target, is_library
from narwhal_cli.outcomes import duration_text, one_line
from narwhal_operator.contract.reasons import TABLE, Reason
from narwhal_operator.core.observed import Json
from narwhal_operator.core.text import moment_of

_ORDER: Final = {"Running": 0, "Waiting": 1, "Suspended": 2, "Failed": 3, "Complete": 4}


@dataclass(frozen=True, slots=True)
class Row:
    """One resource, as people ask about it."""

    target: Target
    namespace: str
    state: str  # a key of _ORDER
    phase: str
    percent: int | None
    speed: str
    eta: str
    message: str
    reason: str
    since: datetime | None
    node: str
    priority: int = 0

    @property
    def exit_code(self) -> int | None:
        """0 for Complete, for Failed the number of its reason; None while it has not ended."""
        if self.state == "Complete":
            return 0
        if self.state != "Failed":
            return None
        return TABLE[Reason(self.reason)].code if self.reason in TABLE else 1

    def line(self, now: datetime, *, everywhere: bool) -> str:
        """The row as a line of text."""
        name = f"{self.namespace}/{self.target}" if everywhere else str(self.target)
        facts = [name, self.phase, "" if self.percent is None else f"{self.percent}%", self.speed]
        facts += [f"{self.eta} left" if self.eta else "", self.age(now), self.message]
        return one_line("  ".join(fact for fact in facts if fact))

    def age(self, now: datetime) -> str:
        """How long it runs, or is there."""
        return "" if self.since is None else duration_text(max(0.0, (now - self.since).total_seconds()))

    def wire(self) -> Json:
        """The row for programs: one schema for top and watch."""
        facts: dict[str, Any] = {
            "kind": self.target.kind,
            "namespace": self.namespace,
            "name": self.target.name,
            "state": self.state,
            "phase": self.phase,
            "percent": self.percent,
            "speed": self.speed or None,
            "eta": self.eta or None,
            "reason": self.reason or None,
            "message": self.message or None,
            "node": self.node or None,
            "priority": self.priority,
        }
        return {name: value for name, value in facts.items() if value is not None}


def row_of(raw: Json) -> Row:
    """The row of a resource as the API server has it; what is odd or missing is left empty."""
    meta, status = raw["metadata"], _dict(raw.get("status"))
    conditions = {c.get("type"): c for c in status.get("conditions") or () if isinstance(c, dict)}
    ready = conditions.get("Ready", {})
    display, progress = _dict(status.get("display")), _dict(status.get("progress"))
    attempt: Json = next(iter(reversed(status.get("attempts") or [])), {})
    target = Target(raw["kind"], meta["name"])
    percent = progress.get("percent")
    if is_library(target):
        percent = _share(_dict(status.get("counts")))
    opened = bool(attempt) and not attempt.get("reason")
    return Row(
        target=target,
        namespace=meta["namespace"],
        state=_state(conditions, running=opened or is_library(target)),
        phase=str(status.get("phase") or "Pending"),
        percent=percent if isinstance(percent, int) else None,
        speed=str(display.get("speed") or display.get("rate") or ""),
        eta=str(display.get("eta") or ""),
        message=one_line(str(ready.get("message") or "")),
        reason=str(ready.get("reason") or ""),
        since=moment_of(status.get("startedAt")) or moment_of(meta.get("creationTimestamp")),
        node=str(attempt.get("node") or "") if opened else "",
        priority=_dict(raw.get("spec")).get("priority") or 0,
    )


def _state(conditions: dict[Any, Json], *, running: bool) -> str:
    for name in ("Complete", "Failed", "Suspended"):
        if conditions.get(name, {}).get("status") == "True":
            return name
    return "Running" if running else "Waiting"


def _share(counts: Json) -> int | None:
    total = counts.get("total")
    done = (counts.get("complete") or 0) + (counts.get("failed") or 0)
    return 100 * done // total if isinstance(total, int) and total else None


def ordered(rows: Iterable[Row]) -> list[Row]:
    """What runs first, then what waits, by priority and age; what has ended last."""
    return sorted(
        rows,
        key=lambda row: (
            _ORDER[row.state],
            -row.priority if row.state == "Waiting" else 0,
            row.since.timestamp() if row.since else 0.0,
            row.namespace,
            str(row.target),
        ),
    )


def active(rows: Iterable[Row]) -> list[Row]:
    """Those that have not ended."""
    return [row for row in rows if row.exit_code is None]


def summary(rows: Iterable[Row]) -> str:
    """How many are in each state: `2 Running, 7 Waiting`."""
    counts = Counter(row.state for row in rows)
    return ", ".join(f"{counts[state]} {state}" for state in _ORDER if counts[state]) or "nothing there"


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
