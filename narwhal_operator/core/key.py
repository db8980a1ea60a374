"""The name of a resource in the cluster."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which resource: what the work queue holds."""

    kind: str
    namespace: str
    name: str
