"""ffprobe's look at an input. It begins before what takes its answer apart is loaded: each takes a tenth of a second.

So this module itself, with what it imports, is next to nothing of the worker.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from workers.transcode import ffprobe, limits, runner
from workers.transcode.inputfile import InputFile
from workers.transcode.tasks import stop

BOUNDS: Final = runner.Bounds(
    stall_seconds=None, wall_seconds=limits.PROBE_SECONDS, address_space=limits.PROBE_ADDRESS_SPACE
)
"""Of a look at a header; one at all packets gets time for the size of the file, too."""


@dataclass(slots=True)
class Look:
    """A look that has begun. What ffprobe tells is kept until somebody takes it, which should be soon."""

    given: InputFile
    seconds: float
    """What it may take at most."""
    told: list[bytes]
    take: Callable[[bytes], None]
    ending: "asyncio.Task[runner.Ended]"

    async def end(self, take: Callable[[bytes], None]) -> runner.Ended:
        """Gives on what ffprobe tells, and waits for its end. Raises WorkError(OutOfMemory | EncoderFailed), which are tried again."""
        while self.told:
            take(self.told.pop(0))
        self.take = take
        return await self.ending


@asynccontextmanager
async def looking(given: InputFile) -> AsyncIterator[Look]:
    """A look at a file's header and packets: within, ffprobe runs; after it, it runs no more."""
    seconds = limits.PROBE_SECONDS + given.size / limits.SCAN_BYTES_PER_SECOND
    program, told = runner.Program(), list[bytes]()

    def hear(data: bytes) -> None:
        look.take(data)

    def argv(_: int) -> list[str]:
        return ffprobe.scan(given.source)

    bounds = replace(BOUNDS, wall_seconds=seconds)
    ending = asyncio.create_task(runner.ask(argv, fds=[given.fd], bounds=bounds, program=program, on_output=hear))
    look = Look(given, seconds, told, told.append, ending)
    starting = asyncio.create_task(program.started.wait())
    try:
        await asyncio.wait({ending, starting}, return_when=asyncio.FIRST_COMPLETED)
        yield look
    finally:
        await stop([ending, starting])
