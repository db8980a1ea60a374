"""Runs the works of a manifest as the operator would: what waits for what, what is tried again, what ends how."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Final

from narwhal_cli.attempts import Attempt, Stop, run_attempt
from narwhal_cli.display import Display
from narwhal_cli.orders import Place, bundle
from narwhal_cli.outcomes import local_outcome
from narwhal_cli.works import Key, Library, Work
from narwhal_operator.contract import download, transcode
from narwhal_operator.contract.download import Artifact
from narwhal_operator.contract.outcome import TABLE, Class, Reason, WorkError, WorkOutcome
from narwhal_operator.contract.transcode import TranscodingJobSpec

AT_ONCE: Final = {download.KIND: 4, transcode.KIND: 1}
"""Works of a kind at once: a transcode takes all CPUs by itself, and downloads share one line to the world."""
FIRST_BACKOFF: Final = 1.0
LONGEST_BACKOFF: Final = 30.0
"""Seconds between attempts, doubled each time: a person is waiting, so far less than in a cluster."""

Ending = WorkOutcome | None
"""None: nothing was done, because it is suspended or waits for what is."""


class Runner:
    """One run of a manifest."""

    def __init__(self, place: Place, display: Display, stop: Stop) -> None:
        self._place = place
        self._display = display
        self._stop = stop
        self._endings: dict[Key, asyncio.Future[Ending]] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self.failure: Reason | None = None

    async def run(self) -> None:
        """Runs every work to its end; the first that failed is in `failure`."""
        stream = self._place.stream
        loop = asyncio.get_running_loop()
        self._slots = {kind: asyncio.Semaphore(count) for kind, count in AT_ONCE.items()}
        self._endings = {work.key: loop.create_future() for work in stream.works}
        async with asyncio.TaskGroup() as tasks:
            for library in stream.libraries:
                tasks.create_task(self._library(library))
            for work in stream.works:
                if work.library is None:
                    tasks.create_task(self._work(work))

    async def _library(self, library: Library) -> None:
        """The titles of a library, no more at once than it says."""
        titles: dict[str, list[Work]] = {}
        for work in self._place.stream.works:
            if work.library == library.key:
                titles.setdefault(work.name, []).append(work)
        limit = asyncio.Semaphore(library.at_once)
        endings = await asyncio.gather(*(self._title(works, limit) for works in titles.values()))
        self._display.library(library, Counter(endings))

    async def _title(self, works: Iterable[Work], limit: asyncio.Semaphore) -> str:
        async with limit:
            await asyncio.gather(*(self._work(work) for work in works))
        endings = [self._endings[work.key].result() for work in works]
        reasons = {ending.reason for ending in endings if ending} - {Reason.COMPLETED}
        if reasons:
            return "cancelled" if reasons == {Reason.CANCELLED} else "failed"
        return "suspended" if None in endings else "complete"

    async def _work(self, work: Work) -> None:
        try:
            ending = await self._end(work)
        except WorkError as error:
            ending = local_outcome(work, error.reason, error.message, evidence=error.evidence)
        if ending is not None:
            if ending.reason is not Reason.COMPLETED:
                self.failure = self.failure or ending.reason
            self._display.outcome(work, ending)
        self._endings[work.key].set_result(ending)

    async def _end(self, work: Work) -> Ending:
        """Raises WorkError for what can be known before anything is started."""
        if work.spec.suspend:
            self._display.note(work, "Suspended", "spec.suspend is true: nothing is done; set it to false to run it.")
            return None
        bundle(work, self._place, "")  # what the manifest lacks is said now, not after hours of what comes before
        made = None
        if work.waits_for:
            needed = await self._endings[work.waits_for]
            if needed is None:
                self._display.note(
                    work, "Suspended", f"waits for {download.KIND}/{work.waits_for[2]}: it is suspended."
                )
                return None
            if needed.reason is not Reason.COMPLETED:
                return self._without(work, needed)
            made = needed.artifact
        elif maker := self._maker(work):
            await self._endings[maker]  # how it ended says nothing: the object may be there from before
        async with self._slots[work.kind]:
            return await self._attempts(work, made)

    def _without(self, work: Work, needed: WorkOutcome) -> WorkOutcome:
        if needed.reason is Reason.CANCELLED:
            return self._cancelled(work)
        name = work.waits_for[2] if work.waits_for else ""
        message = f"{download.KIND}/{name} ended with {needed.reason.value}; mend that and run again."
        return local_outcome(work, Reason.DEPENDENCY_FAILED, message)

    def _maker(self, work: Work) -> Key | None:
        """The DownloadJob that makes the very object a TranscodingJob takes by its key."""
        if not isinstance(work.spec, TranscodingJobSpec) or work.spec.input.s3 is None:
            return None
        wanted = work.spec.input.s3
        for other in self._place.stream.works:
            if isinstance(other.spec, TranscodingJobSpec) or other.namespace != work.namespace:
                continue
            made = other.spec.destination
            if (made.bucket, made.key, made.storage_ref) == (wanted.bucket, wanted.key, wanted.storage_ref):
                return other.key
        return None

    async def _attempts(self, work: Work, made: Artifact | None) -> WorkOutcome:
        """Attempts until one does not ask for another, or backoffLimit is reached."""
        limit = work.spec.backoff_limit
        failures = 0
        while not self._stop.wanted.is_set():
            attempt = Attempt(work, self._place, failures + 1, made)
            outcome = await run_attempt(attempt, lambda report: self._display.report(work, report), self._stop)
            if not _may_pass(outcome.reason) or failures >= limit:
                return outcome
            failures += 1
            await self._back_off(work, outcome, failures)
        return self._cancelled(work)

    async def _back_off(self, work: Work, outcome: WorkOutcome, failures: int) -> None:
        seconds = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** (failures - 1))
        left = f"retry {failures} of {work.spec.backoff_limit} in {seconds:.0f} s"
        self._display.note(work, "Retrying", f"{outcome.reason.value}: {outcome.message} ({left})")
        try:
            await asyncio.wait_for(self._stop.wanted.wait(), seconds)
        except TimeoutError:
            return

    def _cancelled(self, work: Work) -> WorkOutcome:
        return local_outcome(work, Reason.CANCELLED, "Told to stop before it began; run the same command again.")


def _may_pass(reason: Reason) -> bool:
    """Whether another attempt may end otherwise with nobody mending anything: a person at a terminal need not wait."""
    return TABLE[reason].cls in {Class.RETRY, Class.ELSEWHERE} or reason is Reason.POD_LOST
