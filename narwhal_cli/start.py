"""The first moments of `narwhal run`: the manifest's bytes, a worker's interpreter to stand by, then everything else.

Light to import, for what it starts works while the rest is loaded.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from narwhal_cli.launch import Ready, launch

TEXT_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of a manifest: a stream of hundreds of titles is under one."""


class UsageError(Exception):
    """An option that cannot be meant so; exit code 2, as of the shell's own commands."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    file: str
    store: str | None
    allow_private: bool
    json: bool


class Begun:
    """A run begun before its command line is parsed, which costs a fifth of a second: a worker's interpreter stands by.

    What the command line says is guessed for it; a wrong guess costs the worker its lead, and nothing else.
    """

    def __init__(self, file: str, data: bytes, store: str | None) -> None:
        self.file = file
        self.data = data
        self._runner = asyncio.Runner()
        self._ready = Ready(self._runner.run(launch(_modules(store, data))))

    def run(self, options: Options) -> int:
        """Goes on, now that the options are known; the exit code."""
        data = self.data if options.file == self.file else read(options.file)
        return self._runner.run(_run(options, data, self._ready))

    def leave(self) -> None:
        """Ends what stands by, where nothing was run, and the loop."""
        with self._runner:
            self._runner.run(self._ready.release())


def begin(arguments: Sequence[str]) -> Begun | None:
    """Begins a run by the words after `narwhal`, the first of them `run`; None where that has to wait for them to be understood."""
    file, store = _value(arguments, "-f", "--file"), _value(arguments, "--store")
    if file is None or file == "-" or not {"-h", "--help"}.isdisjoint(arguments):
        return None
    try:
        return Begun(file, read(file), store)
    except UsageError:
        return None  # it is said when all of the command line is known


def _value(arguments: Sequence[str], *names: str) -> str | None:
    """The word after an option, or that which is joined to it by `=`."""
    for word, following in zip(arguments, [*arguments[1:], None], strict=True):
        name, joined, value = word.partition("=")
        if name in names:
            return value if joined else following
    return None


def run(options: Options, begun: Begun | None = None) -> int:
    """Runs a manifest; the exit code: 0, or that of the first reason something failed with.

    Raises UsageError for options that cannot be meant so.
    """
    begun = begun or Begun(options.file, read(options.file), options.store)
    return begun.run(options)


async def _run(options: Options, data: bytes, ready: Ready) -> int:
    try:
        from narwhal_cli import run as running  # half a second, in which the interpreter that stands by imports too

        return await running.run(options, data, ready)
    finally:
        await ready.release()


def _modules(named: str | None, data: bytes) -> Sequence[str]:
    """What the first worker will import; a guess by the words of the manifest, which is parsed later."""
    downloads = b"DownloadJob" in data or b"MediaLibrary" in data
    store = "directory" if named and not named.startswith("s3:") else "s3"
    first = () if downloads else ("workers.transcode.engine:ask",)
    transcodes = ("workers.transcode.run", "workers.transcode.work", "workers.transcode.probe")
    run = ("workers.download.run",) if downloads else transcodes
    return (*first, "narwhal_operator.contract:trust", "workers.common.worker", f"workers.common.{store}", *run)


def read(name: str) -> bytes:
    """The bytes of a manifest; `-` is standard input. Raises UsageError."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(TEXT_LIMIT + 1)
        with Path(name).open("rb") as file:
            return file.read(TEXT_LIMIT + 1)
    except OSError as error:
        raise UsageError(f"-f {name}: {error.strerror}; name a manifest, or - for standard input") from None
