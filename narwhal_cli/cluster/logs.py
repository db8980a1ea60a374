"""The log of a resource's worker: that of its newest pod, as far as the cluster keeps it."""

import sys
from typing import Final

from narwhal_cli.cluster.link import Link
from narwhal_cli.cluster.names import ClusterError, Target, is_library
from narwhal_operator.contract.reasons import Reason
from narwhal_operator.core import labels
from narwhal_operator.kube.paths import named

_IDLE: Final = 3600.0
"""Seconds without a line after which following ends."""


async def logs(link: Link, target: Target, *, follow: bool, tail: int | None) -> None:
    """Writes the log to standard output. Raises ClusterError."""
    if is_library(target):
        message = f"{target} has no worker of its own; name one of its titles, such as tcj/{target.name}-TITLE."
        raise ClusterError(Reason.INVALID_ORDER, message)
    found = await link.get(target)
    pods = await link.list("Pod", {"labelSelector": f"{labels.UID}={found['metadata']['uid']}"})
    if not pods:
        message = f"{target} has no pod now; its attempts stand in its status, with their last words."
        raise ClusterError(Reason.RESOURCE_NOT_FOUND, message)
    pod = max(pods, key=lambda item: str(item["metadata"].get("creationTimestamp") or ""))
    path = f"{named('Pod', link.namespace, pod['metadata']['name'])}/log?container=worker"
    path += f"&follow={'true' if follow else 'false'}" + ("" if tail is None else f"&tailLines={tail}")
    await link.stream(path, _IDLE, _write)


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
