"""Finished segments on their way from scratch to the store, while encoding goes on."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from workers.transcode import limits
from workers.transcode.diagnose import damaged
from workers.transcode.rendition import Rendition
from workers.transcode.room import free
from workers.transcode.shelf import Shelf
from workers.transcode.tasks import together
from workers.verify.boxes import DamagedSegmentError


@dataclass(slots=True)
class Uploads:
    """A queue with a bound in bytes: who fills it asks `full` and holds FFmpeg meanwhile."""

    shelf: Shelf
    on_stored: Callable[[Rendition, int], None]
    scratch: Path
    limit: int
    """Bytes that may wait."""
    _queue: "asyncio.Queue[tuple[Rendition, int, Path, int] | None]" = field(default_factory=asyncio.Queue)
    _waiting: int = 0
    _full: bool = False

    def offer(self, rendition: Rendition, index: int, path: Path) -> None:
        """Takes a finished segment; the file is gone once it is stored. One that is stored already is dropped."""
        if index in rendition.stored:
            path.unlink()
            return
        size = path.stat().st_size
        self._waiting += size
        self._queue.put_nowait((rendition, index, path, size))

    def full(self) -> bool:
        """Whether too much waits, which stays so until half of it is gone; or anything, while the disk is nearly full.

        So a disk that is found full is full though nothing waits: nothing here makes room on it.
        """
        self._full = self._waiting > (self.limit // 2 if self._full else self.limit)
        return self._full or (self._waiting > 0 and free(self.scratch) < limits.SPARE_BYTES)

    def close(self) -> None:
        """No more will be offered: `run` ends when all is stored."""
        for _ in range(limits.UPLOADS):
            self._queue.put_nowait(None)

    async def run(self) -> None:
        """Stores what is offered until closed."""
        await together(*(self._work() for _ in range(limits.UPLOADS)))

    async def _work(self) -> None:
        while (item := await self._queue.get()) is not None:
            rendition, index, path, size = item
            try:
                rendition.stored[index] = await self.shelf.put_segment(rendition, index, path)
            except DamagedSegmentError as error:
                raise damaged(f"segment, {rendition.path}/{path.name}", error, self.scratch) from error
            path.unlink()
            self._waiting -= size
            self.on_stored(rendition, index)
