"""The end of a run: playlists, the gate, the pointers, what was published. Loaded while FFmpeg encodes."""

import msgspec

from narwhal_operator.contract.base import clip
from narwhal_operator.contract.order import TranscodeOrder
from narwhal_operator.contract.transcode import VerificationSummary
from workers.common.context import Context, Result
from workers.transcode import dash, package, publish, quality
from workers.transcode.encode import Place
from workers.transcode.inputfile import InputFile
from workers.transcode.parallel import script
from workers.transcode.parallel.fence import Fence
from workers.transcode.rendition import Title
from workers.transcode.sample import Sampler
from workers.transcode.shelf import Shelf
from workers.transcode.verify import Gate


class Ending(msgspec.Struct, frozen=True):
    """The end of a title all of whose segments are stored."""

    order: TranscodeOrder
    context: Context
    shelf: Shelf
    title: Title

    async def verify(
        self, sampler: Sampler, given: InputFile, place: Place
    ) -> tuple[package.Pointers, VerificationSummary]:
        """What is to be published, stored but for the pointers, and verified. Raises WorkError(VerificationFailed)."""
        self.context.report(phase="Verifying")
        await script.remove(self.shelf)
        await publish.write_playlists(self.shelf, self.title)
        pointers = self._pointers()
        if self.order.spec.quality and self.title.videos:
            await quality.measure(self.title, self.order.spec.quality, given, self.shelf, place)
        return pointers, await Gate(self.shelf, self.title, pointers, sampler).run()

    async def publish(self, pointers: package.Pointers, summary: VerificationSummary, engine: str) -> Result:
        """Replaces the pointers, writes down what was published, and removes what is past its time."""
        self.context.report(phase="Publishing")
        shelf, title = self.shelf, self.title
        await Fence(shelf, self.order.head).check()
        await publish.publish(shelf, pointers)
        plan = publish.measured(title, self.order.spec.quality)
        result = await publish.record(shelf, plan, pointers, engine, summary)
        result = await publish.tidy(shelf, self.order, result)
        done = self.context.current.transcode
        self.context.report(plan=plan, transcode=done.model_copy(update={"percent": 100}) if done else None)
        faults = "; ".join(title.plan.faults)
        message = f"Published {result.master_url}{f' with damage: {faults}' if faults else ''}."
        return Result(clip(message, 1024), plan=plan, result=result)

    def _pointers(self) -> package.Pointers:
        root = self.shelf.layout.relative
        manifest = dash.manifest(root, self.title) if "DASH" in self.order.spec.packaging.manifests else None
        return package.Pointers(package.master_playlist(root, self.title), manifest)
