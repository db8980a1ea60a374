"""What an attempt may use after others were killed for want of memory: more of it, then fewer threads, then no more tries.

A pure function of the attempts in the status, which say what each had. Only the memory limit counts: a pod without one is
killed by what its node has, and no limit of ours changes that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from narwhal_operator.contract.base import bytes_of
from narwhal_operator.contract.common import Amount, Attempt, Resources
from narwhal_operator.contract.reasons import Reason

FACTOR: Final = 1.5
"""Of the memory from one attempt to the next: the scheduler need not find twice the room for a little too little."""
FEW: Final = 4.0
"""Threads of the first attempt with fewer of them, where no limit says how many there were."""
_MI: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the next attempt gets."""

    resources: Resources
    cpus: float | None = None  # whose threads an encoder may use; None: those of the machine
    exhausted: bool = False  # nothing is left to try


@dataclass(frozen=True, slots=True)
class Asked:
    """What it would get had nothing happened, and how far that may go."""

    resources: Resources
    ceiling: str = ""  # of the memory limit; empty: what is asked
    cpus: float | None = None
    threaded: bool = False  # whether fewer threads need less memory


def allowance(attempts: Sequence[Attempt], asked: Asked) -> Allowance:
    """What the attempt after these gets."""
    last = next((item for item in reversed(attempts) if _counts(item)), None)
    limit = (asked.resources.limits or {}).get("memory")
    if last is None:
        return Allowance(asked.resources, asked.cpus)
    want = _bytes(limit)
    had = _bytes(last.memory) or want
    if want is not None and had is not None:
        if want > had:  # its user has raised it
            return Allowance(asked.resources, asked.cpus)
        raised = min(max(_bytes(asked.ceiling) or 0, want), round(had * FACTOR))
        if raised > had:
            return Allowance(_raised(asked.resources, want, raised), _least(last.cpus, asked.cpus))
    resources = asked.resources if want is None or had is None or had == want else _raised(asked.resources, want, had)
    fewer = _fewer(last.cpus or asked.cpus) if asked.threaded else None
    if fewer is None and want is None and not asked.threaded:
        return Allowance(resources, asked.cpus)  # its node was short of memory: another time may do
    if fewer is None:
        return Allowance(resources, _least(last.cpus, asked.cpus), exhausted=True)
    return Allowance(resources, fewer)


def tried(attempts: Sequence[Attempt], asked: Asked) -> str:
    """What was tried, and what is left to a person."""
    killed = [item for item in attempts if item.reason == Reason.OUT_OF_MEMORY]
    amounts = ", ".join(dict.fromkeys(item.memory for item in killed if item.memory)) or "no limit"
    threads = ", ".join(dict.fromkeys(f"{item.cpus:g}" for item in killed if item.cpus))
    with_threads = f" and threads of {threads} CPUs" if threads else ""
    ceiling = f", or its admin's ceiling of {asked.ceiling}" if asked.ceiling else ""
    return (
        f"Killed for want of memory in {len(killed)} attempts, with {amounts} of memory{with_threads}; there is nothing"
        f" less to try. Raise spec.template.resources.limits.memory{ceiling}, then narwhal retry."
    )


def limit_of(resources: Resources) -> str | None:
    """The memory limit as an attempt in a status says it."""
    value = (resources.limits or {}).get("memory")
    return None if value is None else str(value)[:16]


def _counts(attempt: Attempt) -> bool:
    return attempt.reason == Reason.OUT_OF_MEMORY and attempt.counted is not False  # False: its user has it tried again


def _raised(resources: Resources, old: int, new: int) -> Resources:
    """With another limit, and a request that grows as the limit does: the scheduler must find the room."""
    limits: dict[str, Amount] = {**(resources.limits or {}), "memory": _text(new)}
    requests = dict(resources.requests or {})
    request = _bytes(requests.get("memory"))
    if request is not None:
        requests["memory"] = _text(min(new, request * new // old))
    return Resources(requests=requests or None, limits=limits)


def _fewer(cpus: float | None) -> float | None:
    """Half of them, and one at least; None after one."""
    if cpus is None:
        return FEW
    return None if cpus <= 1 else max(1.0, cpus / 2)


def _least(left: float | None, right: float | None) -> float | None:
    return min((value for value in (left, right) if value is not None), default=None)


def _text(count: int) -> str:
    return f"{-(-count // _MI)}Mi"


def _bytes(amount: Amount | None) -> int | None:
    """Bytes of an amount; None for none, and for one in a unit nobody gives memory in, such as 500m."""
    try:
        return None if amount is None or amount == "" else bytes_of(amount)
    except ValueError:
        return None
