"""Starts guards. Light to import: the first guard of a run is started before anything else is loaded."""

import asyncio
import os
import secrets
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from narwhal_cli import guard
from narwhal_cli.leftovers import MARK

LINE_LIMIT: Final = 1024 * 1024
"""Bytes of one line of a worker's output."""
RELEASE_SECONDS: Final = 5.0
_CREDENTIALS: Final = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})


@dataclass(frozen=True, slots=True)
class Guarded:
    """A guard that waits for its request, and the directory it will make."""

    process: Process
    directory: str


async def launch(modules: Sequence[str] = ()) -> Guarded:
    """Starts a guard; with modules, a worker's interpreter below it that imports them and stands by."""
    directory = f"{tempfile.gettempdir()}/{guard.PREFIX}{secrets.token_hex(8)}"
    standby = [sys.executable, "-P", "-m", "workers.standby", *modules] if modules else []
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", guard.__file__, *standby),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env={**_environment(os.environ), MARK: directory},
        limit=LINE_LIMIT,
        start_new_session=True,  # a terminal's Ctrl-C is for narwhal, which stops its workers in order
    )
    return Guarded(process, directory)


class Ready:
    """The guard that was started early, for whoever comes first."""

    def __init__(self, guarded: Guarded) -> None:
        self._guarded: Guarded | None = guarded

    def take(self) -> Guarded | None:
        """The guard, once."""
        taken, self._guarded = self._guarded, None
        return taken

    async def release(self) -> None:
        """Ends it when nobody took it: nothing keeps running after narwhal."""
        left = self.take()
        if left and left.process.stdin:
            left.process.stdin.close()
            await asyncio.wait_for(left.process.communicate(), RELEASE_SECONDS)


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The worker's: what we have, less the credentials it gets by file, and quiet unless asked otherwise."""
    kept = {name: value for name, value in environment.items() if name not in _CREDENTIALS}
    return {"NARWHAL_LOG_LEVEL": "error", **kept}
