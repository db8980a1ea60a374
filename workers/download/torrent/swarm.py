"""A session of libtorrent with one torrent in it. For one thread: it alone asks for alerts and for the status.

Alerts are polled (`wait_for_alert`, `pop_alerts`): libtorrent's notify callback runs in its network thread and deadlocks
with Python when it is set twice. An alert is valid until the next poll only, so what it says is copied at once.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.files import store_reason
from workers.download.torrent.addresses import Places, Rule
from workers.download.torrent.library import lt
from workers.download.torrent.settings import session_settings

STORED: Final = 4
"""libtorrent's default priority of a file; 0 is: do not fetch."""
FLUSHES: Final = 3
"""One more than libtorrent tells of by itself."""
TRICKLE: Final = 16 * 1024
"""Bytes per second of a swarm that waits: enough to keep its peers, and 0 would be no limit."""
ANNOUNCE_SKIPPED: Final = 180
"""libtorrent's error of an announce from an interface that does not lead to the tracker; another one may."""
ANSWER_SECONDS: Final = 30.0
"""Longest wait for the session's own thread: it answers in milliseconds, and a stuck disk must not hang a worker."""


@dataclass(frozen=True, slots=True)
class Status:
    """How the torrent stands. Bytes count what is wanted and has passed its piece's hash, and blocks on their way."""

    checking: bool
    finished: bool
    done: int
    wanted: int
    rate: int
    peers: int
    seeds: int
    availability: float
    last_complete: int
    """When a whole copy was last seen among the peers, in seconds since 1970; 0: never."""
    downloaded: int
    uploaded: int
    wasted: int
    received: int
    """Bytes of files since the session began; `downloaded` and `uploaded` count those of earlier attempts as well."""
    sent: int


class Swarm:
    """The session. `failed` and `trackers` say what its alerts told; close it to leave the swarm."""

    def __init__(
        self,
        rules: Iterable[Rule],
        full: Reason = Reason.SCRATCH_FULL,
        *,
        discovery: bool = False,
        proxy: str | None = None,
    ) -> None:
        category = lt.alert_category
        mask = category.error | category.status | category.storage | category.tracker
        settings = cast("lt.settings_pack", {**session_settings(discovery=discovery, proxy=proxy), "alert_mask": mask})
        params = lt.session_params(settings)
        wall = lt.ip_filter()
        for rule in rules:
            wall.add_rule(rule.first, rule.last, 1 if rule.blocked else 0)
        params.ip_filter = wall
        self._session = lt.session(params)
        self._full = full
        self._discovery = discovery and proxy is None
        self._handle: lt.torrent_handle | None = None
        self._flushes_awaited = 0
        self._removed = False
        self._limit = 0
        self.held = False
        """Whether the swarm waits for the store."""
        self._resume: list[bytes | None] = []
        self.failed: WorkError | None = None
        self.trackers: dict[str, str] = {}
        """By host, what each tracker said last."""

    def add(
        self,
        params: "lt.add_torrent_params",
        places: Places,
        directory: Path,
        *,
        limit: int | None = None,
        metadata_only: bool = False,
    ) -> None:
        """Adds the torrent, started. Only the given places are asked, whatever else stands in the parameters.

        With `metadata_only` no file is wanted, so none is made; `limit` is in bytes per second.
        """
        flags = lt.torrent_flags
        params.trackers = [url for _, url in places.trackers]
        params.tracker_tiers = [tier for tier, _ in places.trackers]
        params.url_seeds = list(places.web_seeds)
        params.peers = list(places.peers)
        params.dht_nodes = []
        params.save_path = str(directory)
        params.storage_mode = lt.storage_mode_t.storage_mode_sparse
        params.flags = flags.default_flags & ~(flags.auto_managed | flags.paused)
        if not self._discovery:
            params.flags |= flags.disable_dht | flags.disable_lsd | flags.disable_pex
        if metadata_only:
            params.flags |= flags.default_dont_download
        # Of the torrent, not of the session: libtorrent lifts a session's limit for peers on the local network.
        params.download_limit = self._limit = limit or 0
        params.upload_limit = limit or 0
        self._handle = self._session.add_torrent(params)

    @property
    def handle(self) -> "lt.torrent_handle":
        """The torrent's handle."""
        if self._handle is None:
            raise WorkError(Reason.INTERNAL_ERROR, "No torrent was added; please report it.")
        return self._handle

    @property
    def info(self) -> "lt.torrent_info | None":
        """The metadata; None until a peer has sent it. To be held by the caller as long as it is used."""
        return self.handle.torrent_file()

    def wait(self, seconds: float) -> None:
        """Waits for alerts, at most so long, and takes in what they say."""
        self._session.wait_for_alert(max(1, int(seconds * 1000)))
        for alert in self._session.pop_alerts():
            self._take(alert)

    def status(self) -> Status:
        """How the torrent stands."""
        kinds = lt.torrent_handle
        found = self.handle.status(kinds.query_distributed_copies | kinds.query_last_seen_complete)
        checking = found.state in {lt.torrent_status.checking_files, lt.torrent_status.checking_resume_data}
        return Status(
            checking=checking,
            finished=not checking and found.is_finished and found.has_metadata,
            done=found.total_wanted_done,
            wanted=found.total_wanted,
            rate=found.download_payload_rate,
            peers=found.num_peers,
            seeds=found.num_seeds,
            availability=max(0.0, found.distributed_copies),
            last_complete=found.last_seen_complete,
            downloaded=found.all_time_download,
            uploaded=found.all_time_upload,
            wasted=found.total_failed_bytes + found.total_redundant_bytes,
            received=found.total_payload_download,
            sent=found.total_payload_upload,
        )

    def pieces(self) -> Sequence[bool]:
        """Which pieces have passed their hash."""
        return self.handle.status(lt.torrent_handle.query_pieces).pieces

    def hold(self, wanted: bool) -> None:
        """Has the peers wait, or no longer: what they send faster than the store takes it would be lost with the pod."""
        if wanted is not self.held:
            self.held = wanted
            self.handle.set_download_limit(TRICKLE if wanted else self._limit)

    def flush(self) -> None:
        """Has everything written that has arrived; `flushed` tells when it is.

        Asked for FLUSHES times: libtorrent tells of flushes of its own too, one after checking and one at the end, and
        a file may be published only when one of ours, which are done in order, is among those that were told.
        """
        self._flushes_awaited = FLUSHES
        for _ in range(FLUSHES):
            self.handle.flush_cache()

    @property
    def flushed(self) -> bool:
        """Whether all of before the last `flush` is in the files."""
        return self._flushes_awaited <= 0

    def flush_now(self) -> None:
        """Flushes and waits. Raises WorkError when the disk does not answer."""
        self.flush()
        self._until(lambda: self.flushed, "write its files")

    def resume_data(self) -> bytes:
        """What a later session goes on with: metadata, counters. Raises WorkError."""
        self._resume.clear()
        self.handle.save_resume_data(lt.save_resume_flags_t.save_info_dict)
        self._until(lambda: bool(self._resume), "tell its state")
        found = self._resume[-1]
        if found is None:
            raise WorkError(Reason.INTERNAL_ERROR, "libtorrent did not tell its state; please report it.")
        return found

    def remove(self) -> None:
        """Takes the torrent out, its files stay."""
        self._removed = False
        self._session.remove_torrent(self.handle)
        self._until(lambda: self._removed, "leave the swarm")
        self._handle = None

    def _until(self, done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + ANSWER_SECONDS
        while not done():
            if time.monotonic() > end:
                raise WorkError(Reason.INTERNAL_ERROR, f"libtorrent does not {what} in time; look at the node's disk.")
            self.wait(0.05)
            if self.failed is not None:
                raise self.failed

    def _take(self, alert: "lt.alert") -> None:
        if isinstance(alert, lt.cache_flushed_alert):
            self._flushes_awaited -= 1
        elif isinstance(alert, lt.torrent_removed_alert):
            self._removed = True
        elif isinstance(alert, lt.save_resume_data_alert):
            self._resume.append(lt.write_resume_data_buf(alert.params))
        elif isinstance(alert, lt.save_resume_data_failed_alert):
            self._resume.append(None)
        elif isinstance(alert, lt.file_error_alert | lt.torrent_error_alert):
            self.failed = self.failed or disk_error(alert.error, self._full)
        elif isinstance(alert, lt.tracker_error_alert):
            skipped = alert.error.value() == ANNOUNCE_SKIPPED and alert.error.category().name() == "libtorrent"
            if not skipped or urlsplit(alert.url).hostname not in self.trackers:
                self._note(alert.url, alert.error_message() or alert.error.message())
        elif isinstance(alert, lt.tracker_reply_alert):
            self._note(alert.url, f"knows {alert.num_peers} peers")

    def _note(self, url: str, word: str) -> None:
        # The host alone: the path may hold a person's passkey. What a tracker says is a stranger's text: bounded, escaped.
        self.trackers[urlsplit(url).hostname or "?"] = ascii(word)[1:-1][:100]


def disk_error(error: "lt.error_code", full: Reason) -> WorkError:
    """The error of a torrent whose files cannot be written or read; `full` is the reason when room is lacking."""
    system = error.category().name() in {"system", "generic"}
    if system and store_reason(OSError(error.value(), "")) is Reason.STORE_FULL:
        return WorkError(full, "No room is left for the files of the torrent; give the pods or the store more.")
    return WorkError(
        Reason.INTERNAL_ERROR,
        f"The files of the torrent cannot be written or read ({error.message()}); it is tried again.",
    )
