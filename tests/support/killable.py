"""Downloads in processes that start quickly and can be killed at any moment."""

import asyncio
import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from narwhal_operator.contract.order import DownloadOrder, parse_order
from narwhal_operator.contract.outcome import BY_CODE, TABLE, Reason
from tests.support.downloads import fetch

Settings = Mapping[str, Mapping[str, Any]]
"""Constants to set in the process: module to name to value."""

_SERVER: Final = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["tests.support.killable", "workers.download.part_file", "workers.download.engine", "prometheus_client"]
)


@dataclass(slots=True)
class Killable:
    """An order that is carried out in a process of its own, forked from one that has imported all."""

    order: DownloadOrder
    scratch: Path
    settings: Settings
    _process: ForkServerProcess = field(init=False)

    def __post_init__(self) -> None:
        args = (self.order.model_dump_json(by_alias=True), str(self.scratch), self.settings)
        self._process = _SERVER.Process(target=_carry_out, args=args, daemon=True)
        with _no_main():
            self._process.start()

    def kill(self) -> None:
        """SIGKILL: it tidies up nothing."""
        self._process.kill()

    def wait(self, seconds: float = 60.0) -> Reason | None:
        """How it ended; None when it was killed. Raises TimeoutError when it does not end."""
        self._process.join(seconds)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            raise TimeoutError(f"the download did not end in {seconds} s")
        self._process.close()
        return None if code < 0 else BY_CODE[code]


@contextmanager
def _no_main() -> Iterator[None]:
    """Keeps children from importing the program the parent runs: all of pytest, each time."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _carry_out(text: str, scratch: str, settings: Settings) -> None:
    for module, values in settings.items():
        for name, value in values.items():
            assert hasattr(import_module(module), name)
            setattr(import_module(module), name, value)
    order = parse_order(text)
    assert isinstance(order, DownloadOrder)
    ended = asyncio.run(fetch(order, Path(scratch)))
    os._exit(TABLE[ended.reason].code)
