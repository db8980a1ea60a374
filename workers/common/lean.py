"""The S3 client without its administration: half of what importing `minio` costs, and nothing a worker uses."""

import sys
from types import ModuleType
from typing import Final, NoReturn

UNUSED: Final = "minio.crypto"
"""Loads argon2, cffi and a cipher for `minio.minioadmin`, which the package's own `__init__` imports."""


def leave_out_administration() -> None:
    """Puts a module without content in that one's place, unless it is loaded already; before `minio` is imported."""
    if UNUSED in sys.modules:
        return
    empty = ModuleType(UNUSED, "Left out: see workers.common.lean.")
    vars(empty).update(encrypt=_refuse, decrypt=_refuse)
    sys.modules[UNUSED] = empty


def _refuse(*_: object) -> NoReturn:
    raise RuntimeError("the administration of MinIO is left out of workers: see workers.common.lean")
