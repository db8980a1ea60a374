"""What is made beside the renditions: subtitles, chapters, thumbnails. Each is stored whole before the pointers name it."""

from dataclasses import dataclass, field
from pathlib import Path

from narwhal_operator.contract.transcode import TranscodeOptions
from workers.transcode.chapters import FILES, as_json, as_webvtt
from workers.transcode.cover import store_cover
from workers.transcode.inputfile import InputFile
from workers.transcode.rendition import Title
from workers.transcode.shelf import Shelf
from workers.transcode.subtitles import Subtitler
from workers.transcode.tasks import together
from workers.transcode.thumbnails import Thumbnailer


@dataclass(slots=True)
class Asides:
    """The asides of one title; repeated after a kill they end the same."""

    title: Title
    given: InputFile
    shelf: Shelf
    scratch: Path
    options: TranscodeOptions
    _thumbnailer: Thumbnailer = field(init=False)

    def __post_init__(self) -> None:
        self._thumbnailer = Thumbnailer(self.title, self.shelf, self.scratch, self.options.thumbnails)

    def stored(self) -> None:
        """A segment was stored: the next pictures may be there."""
        self._thumbnailer.changed.set()

    async def run(self) -> None:
        """Makes and stores all of them; ends after the last segment is stored. Raises WorkError."""
        dash = "DASH" in self.options.packaging.manifests
        subtitler = Subtitler(self.title, self.given, self.shelf, self.scratch, dash)
        await together(subtitler.run(), self._chapters(), self._pictures())

    async def _pictures(self) -> None:
        if self.title.videos:
            await self._thumbnailer.run()
        elif self.options.thumbnails:
            await store_cover(self.title, self.given, self.shelf, self.scratch)

    async def _chapters(self) -> None:
        chapters = self.title.plan.chapters
        if not chapters:
            return
        for name, text in zip(FILES, (as_webvtt(chapters), as_json(chapters)), strict=True):
            await self.shelf.put(f"{self.shelf.layout.root}/{name}", text.encode())
        self.title.extras.chapters = chapters
