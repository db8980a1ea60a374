"""Nodes an attempt should not land on again: the scheduler is asked, not told, for there may be no others."""

from collections.abc import Sequence
from typing import Final

from narwhal_operator.contract.common import Attempt
from narwhal_operator.contract.reasons import TABLE, Class, Reason

AVOIDED: Final = 4
"""Nodes at most: past these it is not the nodes."""


def avoided(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """The nodes of the last attempts whose reason may be their node's, the newest first."""
    nodes = [item.node for item in reversed(attempts) if item.node is not None and _elsewhere(item.reason)]
    return tuple(dict.fromkeys(nodes))[:AVOIDED]


def _elsewhere(reason: str | None) -> bool:
    return reason is not None and reason in TABLE and TABLE[Reason(reason)].cls is Class.ELSEWHERE
