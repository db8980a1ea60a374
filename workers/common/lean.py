"""The S3 client without what no worker asks a store for: most of what importing `minio` costs (ADR 0018).

`minio` imports all of its parts at once; those that are left out here administer a server, or are the XML of requests that are
never made (lifecycle, notifications, replication, SELECT, encryption at rest). Their names are there, and refuse to be used.
"""

import sys
from types import ModuleType
from typing import Any, Final, Self

UNUSED: Final = (
    "minio.crypto",  # argon2, cffi and a cipher, for the administration
    "minio.lifecycleconfig",
    "minio.minioadmin",
    "minio.notificationconfig",
    "minio.replicationconfig",
    "minio.select",
    "minio.sseconfig",
)


class Absent:
    """Whatever a module that is left out has: not to be made, called or looked into."""

    def __new__(cls, *_: object, **__: object) -> Self:
        """Refuses."""
        raise RuntimeError("this part of the S3 client is left out of workers: see workers.common.lean")


class _Empty(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent


def leave_out_unused() -> None:
    """Puts modules without content in those ones' places; before `minio` is imported, else it stays as it is."""
    if "minio" in sys.modules:
        return
    for name in UNUSED:
        sys.modules[name] = _Empty(name, "Left out: see workers.common.lean.")
