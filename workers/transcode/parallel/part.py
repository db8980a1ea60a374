"""One part of a title in one pod: its segments straight into the version's prefix, and nothing of the others'."""

import msgspec

from narwhal_operator.contract.order import TranscodeOrder
from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.report import RangeReport
from narwhal_operator.contract.transcode import TranscodeProgress
from workers.common.context import Context, Result
from workers.common.store import ObjectInfo
from workers.transcode.asides import Asides
from workers.transcode.counters import BYTES, SEGMENTS
from workers.transcode.encode import Encoder, Place
from workers.transcode.inputfile import InputFile
from workers.transcode.layout import segment_index
from workers.transcode.parallel.fence import Fence
from workers.transcode.parallel.script import Script
from workers.transcode.parallel.share import Share
from workers.transcode.rendition import Rendition, Title
from workers.transcode.rendition import title as title_of
from workers.transcode.shelf import Shelf, drop_foreign, take_stock
from workers.transcode.tasks import together


class Part(msgspec.Struct, frozen=True):
    """The work of one index of the Job."""

    order: TranscodeOrder
    context: Context
    shelf: Shelf
    script: Script
    place: Place

    async def run(self, given: InputFile) -> Result:
        """Makes what is missing of the part. Raises WorkError."""
        index = self.context.index
        if index is None:
            raise WorkError(Reason.INVALID_ORDER, "The order is for one pod of an indexed Job: give --index.")
        transport = self.order.spec.packaging.segment_format == "ts"
        share, title = self.script.share(index), title_of(self.script.plan, self.shelf.seal, transport=transport)
        part = RangeReport(index=index, ranges=self.script.ranges, before=self.script.before)
        self.context.report(phase="Encoding", part=part, plan=self.script.plan.summary())
        await take_stock(self.shelf, title.renditions, mine(share, title, await self.shelf.listing()))
        for video in title.videos:
            drop_foreign(video, title.timeline_of(video))
        fence = Fence(self.shelf, self.order.head)
        await fence.check()
        await fence.around(self._make(given, title, share))
        words = "The sound and what goes with it" if share.sound else f"Part {index} of {self.script.ranges - 1}"
        return Result(f"{words} is stored.")

    async def _make(self, given: InputFile, title: Title, share: Share) -> None:
        encoder = Encoder(title, given, self.shelf, self.place, self._tell, self._stored, share)
        if not share.sound:
            await encoder.run()
            return
        # Thumbnails are cut from segments of the video: the pod that has all of them makes them.
        options = self.order.spec.model_copy(update={"thumbnails": None})
        asides = Asides(title, given, self.shelf, self.place.scratch, options)
        await together(encoder.run(), asides.run())

    def _tell(self, progress: TranscodeProgress) -> None:
        self.context.report(transcode=progress)

    def _stored(self, rendition: Rendition, index: int) -> None:
        self.context.metrics.add(SEGMENTS)
        self.context.metrics.add(BYTES, rendition.stored[index].size)


def mine(share: Share, title: Title, listing: dict[str, ObjectInfo]) -> dict[str, ObjectInfo]:
    """Of what is stored all that a pod of this share has to look at: reading every segment is the last pod's work."""
    paths = {one.path for one in (title.audios if share.sound else title.videos)}

    def matters(path: str) -> bool:
        folder, _, name = path.rpartition("/")
        index = segment_index(name)
        # One before, too: a range may begin there (command.first_segment), to end as it should.
        near = share.sound or index is None or any(part.start - 1 <= index < part.stop for part in share.video)
        return folder in paths and near

    return {path: info for path, info in listing.items() if matters(path)}
