"""One torrent from metadata to objects, in a thread of its own: it owns the session and never blocks the event loop."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Final

from narwhal_operator.contract.base import bytes_of, seconds_of
from narwhal_operator.contract.download import DownloadProgress, TorrentSource
from narwhal_operator.contract.order import DownloadOrder
from narwhal_operator.contract.outcome import TABLE, Class, Reason, WorkError
from workers.common.log import log
from workers.common.metrics import Metrics
from workers.download.digest import Wanted
from workers.download.netguard import Policy
from workers.download.torrent.addresses import Places, filter_rules
from workers.download.torrent.choice import Chosen, choose
from workers.download.torrent.keep import Keep, file_name
from workers.download.torrent.keeping import Keeping
from workers.download.torrent.layout import Layout
from workers.download.torrent.library import lt
from workers.download.torrent.origin import Origin, files_of
from workers.download.torrent.patience import Patience, Sight, no_metadata, stalled
from workers.download.torrent.publish import Publisher
from workers.download.torrent.record import Made, record_of
from workers.download.torrent.swarm import STORED, Status, Swarm
from workers.download.torrent.tally import Tally

TICK_SECONDS: Final = 0.1
"""How often the swarm is looked at; a stop is seen as soon."""

Tell = Callable[[str, DownloadProgress | None], None]
"""Told the phase and the progress; safe from any thread."""


class StoppedError(Exception):
    """The worker was told to stop."""


@dataclass(frozen=True, slots=True)
class Job:
    """What an engine is given."""

    order: DownloadOrder
    source: TorrentSource
    origin: Origin
    places: Places
    policy: Policy
    keep: Keep
    wanted: Wanted | None
    tell: Tell
    stop: Event
    metrics: Metrics


class Engine:
    """Carries out one job; `run` is called once."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._keep = job.keep
        self._swarm = Swarm(
            filter_rules(job.policy), job.keep.full, discovery=job.order.peer_discovery, proxy=job.order.proxy
        )
        self._limit = seconds_of(job.source.stall_timeout)
        self._metadata_timeout = job.source.metadata_timeout or job.source.stall_timeout
        self._total = 0
        self._before = 0
        self._tally = Tally(job.metrics)

    def run(self) -> tuple[Made, ...]:
        """All objects, the main one first. Raises WorkError, and StoppedError when told to stop."""
        try:
            return self._run()
        except WorkError as error:
            if TABLE[error.reason].cls is Class.TERMINAL:
                self._discard()
            raise

    def _run(self) -> tuple[Made, ...]:
        params = self._params()
        chosen, layout = self._plan(params)
        keeping = self._start(params, chosen, layout)
        try:
            self._download(keeping)
        except (StoppedError, WorkError):
            self._leave(keeping)
            raise
        self._job.tell("Verifying", self._progress(self._swarm.status()))
        made = keeping.finish()
        self._seed()
        self._swarm.remove()
        self._keep.clear()
        self._keep.room.clear_others()
        return made

    def _params(self) -> "lt.add_torrent_params":
        """What to add the torrent with, metadata in it: from the .torrent file, the room, or the swarm."""
        origin = self._job.origin
        if origin.torrent is not None:
            return origin.params()
        kept = self._keep.room.resume()
        if kept is not None:
            try:
                params = lt.read_resume_data(kept)
            except RuntimeError as error:
                log("warning", "resume data in the store is damaged and not used", error=str(error))
            else:
                if params.ti is not None and origin.is_named(params.info_hashes):
                    return params
        data = self._learn()
        self._keep.room.write_resume(data)
        return lt.read_resume_data(data)

    def _learn(self) -> bytes:
        """Metadata from the swarm, as resume data. Raises WorkError(TorrentMetadataTimeout)."""
        self._swarm.add(self._job.origin.params(), self._job.places, self._keep.directory, metadata_only=True)
        end = time.monotonic() + seconds_of(self._metadata_timeout)
        while self._swarm.info is None:
            self._turn()
            status = self._swarm.status()
            self._job.tell("Connecting", DownloadProgress(peers=status.peers))
            if time.monotonic() >= end:
                raise no_metadata(self._metadata_timeout, self._sight(status))
        data = self._swarm.resume_data()
        self._swarm.remove()
        return data

    def _plan(self, params: "lt.add_torrent_params") -> tuple[tuple[Chosen, ...], Layout]:
        """Judges names, count and size. Raises WorkError before a byte of the files is asked for."""
        if params.ti is None:
            raise WorkError(Reason.TORRENT_INVALID, "The torrent has no list of files.")
        spec = self._job.order.spec
        limit = None if spec.max_bytes is None else bytes_of(spec.max_bytes)
        chosen = choose(files_of(params.ti), self._job.source.files, spec.destination.key, limit)
        if spec.checksum is not None and len(chosen) > 1:
            raise WorkError(
                Reason.INVALID_ORDER,
                f"spec.checksum is of one file, and {len(chosen)} are chosen; choose one with spec.source.torrent.files.",
            )
        self._total = sum(item.file.size for item in chosen)
        return chosen, Layout.of(params.ti.piece_length(), [item.file for item in chosen])

    def _start(self, params: "lt.add_torrent_params", chosen: tuple[Chosen, ...], layout: Layout) -> Keeping:
        """Puts back what is kept and joins the swarm for the rest."""
        made = self._made(chosen)
        for item in made.values():
            self._keep.forget(item.entry.index)
        missing = [item.file for item in chosen if item.key not in made]
        self._before = self._total - sum(file.size for file in missing)
        self._keep.check_space(sum(file.size for file in missing))
        self._job.tell("Verifying", self._progress(None))
        self._keep.restore({file.index: file.size for file in missing})
        # Of what is an object already not even the pieces at its edges are kept: they are not on disk.
        layout = Layout.of(layout.piece_length, missing)
        wanted = {file.index for file in missing}
        count = params.ti.num_files() if params.ti is not None else 0
        params.file_priorities = [STORED if index in wanted else 0 for index in range(count)]
        params.renamed_files = {index: file_name(index) for index in range(count)}
        params.piece_priorities = []
        # Nothing that was written down is believed: libtorrent hashes what is on disk.
        params.have_pieces, params.verified_pieces, params.unfinished_pieces = [], [], {}
        spec = self._job.order.spec
        limit = None if spec.bandwidth_limit is None else bytes_of(spec.bandwidth_limit)
        # Peers that were written down are not dialled: to libtorrent an address is one peer, and one that has moved to
        # another port since would stand in for the one the tracker names.
        self._swarm.add(params, self._job.places, self._keep.directory, limit=limit)
        publisher = Publisher(self._keep, self._job.order.head, self._job.origin.name, self._job.wanted)
        return Keeping(self._swarm, publisher, layout, chosen, made.values())

    def _made(self, chosen: tuple[Chosen, ...]) -> dict[str, Made]:
        """The files that are objects already; an interrupted upload of an earlier attempt is removed."""
        room = self._keep.room
        record = record_of(self._job.order, self._job.origin.name, chosen)
        if room.record() != record:
            room.write_record(record)
        made = room.made(record)
        missing = {entry.key for entry in record.files} - made.keys()
        room.abort_uploads(self._job.order.destination.key, missing)
        return made

    def _download(self, keeping: Keeping) -> None:
        """Until every chosen file is whole. Raises WorkError(Torrent* | ScratchFull | …), StoppedError."""
        patience = Patience(self._limit, time.monotonic())
        begun = False
        while True:
            self._turn()
            status, now = self._swarm.status(), time.monotonic()
            self._tally.take(status)
            if status.checking:
                self._job.tell("Verifying", self._progress(status))
                patience.since = now
                continue
            if not begun:
                keeping.begin(status.done, self._swarm.pieces())
                begun = True
            self._job.tell("Downloading", self._progress(status))
            if status.finished:
                return
            patience.seen(status.done, now)
            if self._swarm.held:
                patience.since = now  # the store's time, which is not the peers'
            if patience.over(now):
                raise stalled(self._job.source.stall_timeout, status.wanted - status.done, self._sight(status))
            keeping.step(status.done)

    def _leave(self, keeping: Keeping) -> None:
        """Keeps what can be kept; what ended the download is what counts, so a failure here is only logged."""
        try:
            keeping.leave()
        except WorkError as error:
            log("warning", "what had arrived could not be kept", reason=error.reason.value)

    def _discard(self) -> None:
        """What the next attempt could not use either is not left behind."""
        try:
            self._keep.clear()
            self._keep.room.drop_record()
        except WorkError as error:
            log("warning", "what was kept could not be removed", reason=error.reason.value)

    def _seed(self) -> None:
        """Uploads to other peers as long as the spec says. A stop ends it, and all is done already."""
        seed = self._job.source.seed
        if seed is None or seed.ratio <= 0:
            return
        end = None if seed.time is None else time.monotonic() + seconds_of(seed.time)
        while not self._job.stop.is_set() and (end is None or time.monotonic() < end):
            status = self._swarm.status()
            self._tally.take(status)
            if status.uploaded >= seed.ratio * self._total:
                return
            self._job.tell("Seeding", self._progress(status))
            self._swarm.wait(TICK_SECONDS)

    def _turn(self) -> None:
        """Waits for news. Raises StoppedError when told to stop, WorkError when the disk fails."""
        self._swarm.wait(TICK_SECONDS)
        if self._job.stop.is_set():
            raise StoppedError
        if self._swarm.failed is not None:
            raise self._swarm.failed

    def _sight(self, status: Status) -> Sight:
        return Sight(status.peers, status.availability, status.last_complete, self._swarm.trackers)

    def _progress(self, status: Status | None) -> DownloadProgress:
        total = self._total
        if status is None:
            return DownloadProgress(bytes_done=self._before, bytes_total=total)
        done = min(total, self._before + status.done)
        left = total - done
        return DownloadProgress(
            percent=100 * done // total,
            bytes_done=done,
            bytes_total=total,
            bytes_per_second=status.rate,
            eta_seconds=min(left // status.rate, 10**9) if status.rate else None,
            bytes_refetched=status.wasted,
            peers=status.peers,
            availability=round(status.availability, 3),
        )
