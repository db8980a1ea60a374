"""Who leads, by a Lease of coordination.k8s.io: decided from the record and when it was last seen to change. Pure.

As client-go has it: no clock of another machine is believed. A holder that does not renew is told by the record staying the
same for as long as it says it may, counted from when *we* first saw it so.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

Json = dict[str, Any]
RENEW_PARTS: Final = 6
"""A holder renews this many times within the duration, so that a lost request or two do not cost it the lead."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a candidate goes by: its name, and how long a silent holder keeps the lead, in seconds."""

    identity: str
    duration: int

    @property
    def period(self) -> float:
        """Seconds between renewals, and between looks of those who wait."""
        return self.duration / RENEW_PARTS

    @property
    def deadline(self) -> float:
        """Seconds without a renewal after which a holder stops by itself: well before another may take over."""
        return self.duration * 2 / 3


@dataclass(frozen=True, slots=True)
class Sight:
    """A record as it was seen, and since when it has been like that, in seconds of our own monotonic clock."""

    record: Json
    since: float


def seen(record: Json, now: float, before: Sight | None) -> Sight:
    """What is seen now; the time stays that of the first sight of this very version."""
    if before is not None and _version(before.record) == _version(record):
        return before
    return Sight(record, now)


def may_take(sight: Sight, terms: Terms, now: float) -> bool:
    """Whether the lead is free, ours already, or was left by a holder that has been silent for its whole duration."""
    spec = sight.record.get("spec") or {}
    if spec.get("holderIdentity") in {None, "", terms.identity}:
        return True
    return now - sight.since >= float(spec.get("leaseDurationSeconds") or terms.duration)


def taken(record: Json, terms: Terms, now: datetime) -> Json:
    """The record with us as its holder; who held it already only renews."""
    spec = record.get("spec") or {}
    moment = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # MicroTime
    ours = spec.get("holderIdentity") == terms.identity
    changed = {
        "holderIdentity": terms.identity,
        "leaseDurationSeconds": terms.duration,
        "renewTime": moment,
        "acquireTime": spec.get("acquireTime", moment) if ours else moment,
        "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (not ours),
    }
    return {**record, "spec": {**spec, **changed}}


def released(record: Json) -> Json:
    """The record without a holder: who waits takes over at its next look."""
    return {**record, "spec": {**(record.get("spec") or {}), "holderIdentity": "", "leaseDurationSeconds": 1}}


def _version(record: Json) -> Any:
    return record.get("metadata", {}).get("resourceVersion")
