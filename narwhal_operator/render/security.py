"""The security contexts of worker pods: all that Pod Security `restricted` asks, and a read-only root."""

from typing import Any, Final

USER: Final = 65532
"""The user and group of all images."""


def pod_security() -> dict[str, Any]:
    """Non-root for every container; the group may read the mounted Secrets and write the scratch volume."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    """Nothing a worker needs is a privilege."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
