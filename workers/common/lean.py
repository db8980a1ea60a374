"""The S3 client without what no worker asks a store for: most of what importing `minio` costs (ADR 0018).

`minio` imports all of its parts at once; those that are left out here administer a server, or are the XML of requests that are
never made (lifecycle, notifications, replication, SELECT, encryption at rest). Their names are there, and refuse to be used.
Of what is loaded, dataclasses are compiled when they are used.
"""

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
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
HTTP2: Final = "urllib3.http2"
"""Would load importlib.metadata to see whether h2 is installed. Of its parts the client uses `probe`, for TLS."""
_PENDING: Final = "_made_later"
_made: Final = dataclasses.dataclass
_lock: Final = RLock()


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


@contextmanager
def importing() -> Iterator[None]:
    """To import the client in: of 31 dataclasses that are loaded each becomes one when the first is made, and a transcode makes six."""
    if HTTP2 not in sys.modules and (found := find_spec("urllib3")) and found.origin:
        sys.modules[HTTP2] = package = ModuleType(HTTP2)
        package.__path__ = [str(Path(found.origin).with_name("http2"))]
    dataclasses.dataclass = _later  # until the client is imported
    try:
        yield
    finally:
        dataclasses.dataclass = _made


def _later(given: type | None = None, /, **options: Any) -> Any:
    """`dataclasses.dataclass`: of classes of the client at their first instance, of others at once."""

    def declare(kind: type) -> Any:
        if not kind.__module__.startswith("minio."):
            return _made(**options)(kind)
        setattr(kind, _PENDING, options)
        kind.__new__ = _new  # type: ignore[method-assign, assignment]  # by `__init__` the class would be taken for one that has its own
        return kind

    return declare if given is None else declare(given)


def _new(kind: type, *_: Any, **__: Any) -> Any:
    with _lock:  # threads of the worker ask the store at once
        for one in reversed(kind.__mro__):
            if (options := vars(one).get(_PENDING)) is not None:
                _made(**options)(one)
                delattr(one, _PENDING)
    return object.__new__(kind)
