"""Thumbnails and the poster, cut from segments as they are stored, while encoding goes on, at the lowest priority."""

import asyncio
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.tracks import Thumbnails as Wish
from workers.transcode import command, runner, tiles
from workers.transcode.rendition import Rendition, Title
from workers.transcode.shelf import Shelf

RECORD: Final = "thumbnails.json"
POSTERS: Final = (10, 30, 50)
"""Percent of the film where a poster is looked for: the picture with the most to see in it is taken, by its bytes."""


@dataclass(slots=True)
class Thumbnailer:
    """The still pictures of one title."""

    title: Title
    shelf: Shelf
    scratch: Path
    wish: Wish | None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a segment was stored."""

    async def run(self) -> None:
        """Makes and stores what is not stored yet; the record of it is last. Raises WorkError."""
        if self.wish is None:
            return
        grid = tiles.grid(self.title.plan, self.wish)
        sizes = await self._recorded(grid.sheets)
        if sizes is None:
            folder = self.scratch / "pictures"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            sizes = [await self._sheet(grid, sheet, folder) for sheet in range(grid.sheets)]
            await self._poster(folder)
            await self._put(tiles.INDEX, tiles.index(grid).encode())
            await self._put(RECORD, json.dumps({"sizes": sizes}).encode())
        self.title.extras.tiles = grid.with_sizes(sizes)

    async def _recorded(self, sheets: int) -> list[int] | None:
        """The sizes an earlier run wrote down when all was stored."""
        text = await self.shelf.read(RECORD)
        try:
            found: Any = json.loads(text)["sizes"] if text else []
        except (ValueError, KeyError, TypeError):
            return None  # cut: made anew
        return [int(size) for size in found] if isinstance(found, list) and len(found) == sheets else None

    async def _sheet(self, grid: tiles.Tiles, sheet: int, folder: Path) -> int:
        """One sheet; its bytes."""
        rung = tiles.source(self.title.plan, grid)
        line = self.title.plan.timeline_of(rung)
        wanted = tiles.frames(grid, sheet, line)
        segments = sorted({frame // line.gop for frame in wanted})
        film = await self._fetch(self._rendition(rung.name), segments, folder)
        picked = [segments.index(frame // line.gop) * line.gop + frame % line.gop for frame in wanted]
        target = folder / tiles.sheet_name(sheet)
        source = command.Source(str(film))
        await self._run(partial(command.sheet, source, rung, picked, grid, str(target)))
        data = await asyncio.to_thread(target.read_bytes)
        await self._put(f"{tiles.FOLDER}/{target.name}", data)
        return len(data)

    async def _poster(self, folder: Path) -> None:
        rung = tiles.poster_source(self.title.plan)
        last = self.title.plan.timeline.segments
        film = await self._fetch(self._rendition(rung.name), sorted({last * part // 100 for part in POSTERS}), folder)
        await self._run(partial(command.posters, command.Source(str(film)), rung, f"{folder}/poster-%d.jpg"))
        found = await asyncio.to_thread(lambda: [path.read_bytes() for path in sorted(folder.glob("poster-*.jpg"))])
        await self._put(tiles.POSTER, max(found, key=len))

    async def _fetch(self, rendition: Rendition, segments: Sequence[int], folder: Path) -> Path:
        """These segments as one file, once all of them are stored."""
        while not all(number in rendition.stored for number in segments):
            self.changed.clear()
            await self.changed.wait()
        path = folder / "film.mp4"
        await self.shelf.call(self.shelf.fetch, rendition, segments, path)
        return path

    def _rendition(self, name: str) -> Rendition:
        return next(video for video in self.title.videos if video.name == name)

    async def _put(self, name: str, data: bytes) -> None:
        await self.shelf.put(f"{self.shelf.layout.root}/{name}", data)

    async def _run(self, argv: "partial[list[str]]") -> None:
        ended = await runner.ask(argv)
        if ended.code != 0:
            message = f"FFmpeg ended with {ended.code} while it made thumbnails of stored segments; it is tried again."
            raise WorkError(Reason.ENCODER_FAILED, message, evidence=ended.tail)
