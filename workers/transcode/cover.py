"""The cover picture of a title of sound alone becomes its poster."""

import asyncio
from pathlib import Path

from workers.transcode import command, runner
from workers.transcode.inputfile import InputFile
from workers.transcode.rendition import Title
from workers.transcode.shelf import Shelf
from workers.transcode.tiles import POSTER


async def store_cover(title: Title, given: InputFile, shelf: Shelf, scratch: Path) -> None:
    """Stores the poster. A picture that does not decode is a note and no failure: the sound is what was asked for."""
    stream = title.plan.info.cover
    if stream is None:
        return
    target = scratch / POSTER
    target.unlink(missing_ok=True)
    ended = await runner.ask(lambda fd: command.cover(given.source, stream, str(target), fd), fds=[given.fd])
    if ended.code != 0 or not target.exists():
        title.extras.notes.append("the cover picture does not decode: there is no poster")
        return
    await shelf.put(f"{shelf.layout.root}/{POSTER}", await asyncio.to_thread(target.read_bytes))
