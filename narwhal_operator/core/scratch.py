"""The scratch volume of a worker pod: how much it may hold, and a pod that was evicted because it held more."""

from typing import Final

from narwhal_operator.contract.base import bytes_of
from narwhal_operator.contract.common import Resources
from narwhal_operator.contract.outcome import TABLE, Reason
from narwhal_operator.core.endings import Ending
from narwhal_operator.core.observed import Pod

EPHEMERAL: Final = "ephemeral-storage"
"""The resource of a container that its scratch volume counts against (Kubernetes: local ephemeral storage)."""


def bound(resources: Resources, default: str) -> str:
    """The sizeLimit of the volume: the container's limit, for what the volume holds counts against that; else the admin's."""
    limit = (resources.limits or {}).get(EPHEMERAL)
    return default if limit is None else str(limit)


def bound_bytes(resources: Resources, default: str) -> int | None:
    """The same in bytes; None for none, and for a way to write it that only Kubernetes understands."""
    try:
        return bytes_of(bound(resources, default)) or None
    except ValueError:
        return None


def overfilled(pods: tuple[Pod, ...]) -> Ending | None:
    """The end of an attempt of which a pod was evicted for its own use of disk: no other pod of it would need less.

    The Job may go on meanwhile: a worker that was told to stop ends as in a drain, and is replaced.
    """
    pod = next((pod for pod in pods if pod.overfilled), None)
    if pod is None:
        return None
    message = f"{pod.name} was evicted by its node: {pod.overfilled.strip()} {TABLE[Reason.SCRATCH_FULL].mend}"
    return Ending(Reason.SCRATCH_FULL, message, pod)
