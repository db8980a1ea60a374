"""What is made beside the renditions: subtitles, chapters. Each is stored whole before the pointers name it."""

from dataclasses import dataclass
from pathlib import Path

from workers.transcode.chapters import FILES, as_json, as_webvtt
from workers.transcode.probe import InputFile
from workers.transcode.rendition import Title
from workers.transcode.shelf import Shelf
from workers.transcode.subtitles import Subtitler
from workers.transcode.tasks import together


@dataclass(slots=True)
class Asides:
    """The asides of one title; repeated after a kill they end the same."""

    title: Title
    given: InputFile
    shelf: Shelf
    scratch: Path
    dash: bool
    """Whether a DASH manifest is made."""

    async def run(self) -> None:
        """Makes and stores all of them. Raises WorkError."""
        await together(Subtitler(self.title, self.given, self.shelf, self.scratch, self.dash).run(), self._chapters())

    async def _chapters(self) -> None:
        chapters = self.title.plan.chapters
        if not chapters:
            return
        for name, text in zip(FILES, (as_webvtt(chapters), as_json(chapters)), strict=True):
            await self.shelf.put(f"{self.shelf.layout.root}/{name}", text.encode())
        self.title.extras.chapters = chapters
