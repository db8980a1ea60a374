"""ffprobe under way: it begins before what takes its answer apart (`probe.py`) is loaded, which takes about as long.

So this module itself, with what it imports, is next to nothing of the worker.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from workers.transcode import ffprobe, limits, runner
from workers.transcode.inputfile import InputFile
from workers.transcode.tasks import stop

BOUNDS: Final = runner.Bounds(
    stall_seconds=None, wall_seconds=limits.PROBE_SECONDS, address_space=limits.PROBE_ADDRESS_SPACE
)
"""Of a probe of the header; one of all packets gets time for the size of the file, too."""


@dataclass(slots=True)
class Probing:
    """A probe of header and packets that runs. What it says is kept until somebody takes it, which should be soon."""

    given: InputFile
    seconds: float
    """What it may take at most."""
    said: list[bytes]
    take: Callable[[bytes], None]
    ending: "asyncio.Task[runner.Ended]"

    async def end(self, take: Callable[[bytes], None]) -> runner.Ended:
        """Hands over what ffprobe says, and waits for its end. Raises WorkError(OutOfMemory | EncoderFailed), which are tried again."""
        for data in self.said:
            take(data)
        self.said.clear()
        self.take = take
        return await self.ending


@asynccontextmanager
async def probing(given: InputFile) -> AsyncIterator[Probing]:
    """Probes a file: within, ffprobe runs; after it, it runs no more."""
    bounds = replace(BOUNDS, wall_seconds=limits.PROBE_SECONDS + given.size / limits.SCAN_BYTES_PER_SECOND)
    program, said = runner.Program(), list[bytes]()

    def hear(data: bytes) -> None:
        running.take(data)

    ending = asyncio.create_task(
        runner.ask(
            lambda _: ffprobe.scan(given.source),
            fds=[given.fd],
            bounds=bounds,
            program=program,
            on_output=hear,
        )
    )
    running = Probing(given, bounds.wall_seconds or 0.0, said, said.append, ending)
    starting = asyncio.create_task(program.started.wait())
    try:
        await asyncio.wait({ending, starting}, return_when=asyncio.FIRST_COMPLETED)
        yield running
    finally:
        await stop([ending, starting])
