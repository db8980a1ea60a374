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


def run(options: Options) -> int:
    """Runs a manifest; the exit code: 0, or that of the first reason something failed with.

    Raises UsageError for options that cannot be meant so.
    """
    return asyncio.run(_run(options, read(options.file)))


async def _run(options: Options, data: bytes) -> int:
    ready = Ready(await launch(_modules(options, data)))
    try:
        from narwhal_cli import run as running  # half a second, in which the interpreter that stands by imports too

        return await running.run(options, data, ready)
    finally:
        await ready.release()


def _modules(options: Options, data: bytes) -> Sequence[str]:
    """What the first worker will import; a guess by the words of the manifest, which is parsed later."""
    downloads = b"DownloadJob" in data or b"MediaLibrary" in data
    store = "directory" if options.store and not options.store.startswith("s3:") else "s3"
    worker = "workers.download.run" if downloads else "workers.transcode.run"
    return ("workers.common.worker", f"workers.common.{store}", worker)


def read(name: str) -> bytes:
    """The bytes of a manifest; `-` is standard input. Raises UsageError."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(TEXT_LIMIT + 1)
        with Path(name).open("rb") as file:
            return file.read(TEXT_LIMIT + 1)
    except OSError as error:
        raise UsageError(f"-f {name}: {error.strerror}; name a manifest, or - for standard input") from None
