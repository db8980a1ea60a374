"""When nothing comes: how long to wait, and what to say. Pure: `now` is an argument."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from narwhal_operator.contract.outcome import Reason, WorkError

SHOWN_TRACKERS: Final = 3


@dataclass(slots=True)
class Patience:
    """Waits `limit` seconds for more bytes than ever before; bytes that fail their hash come and go and are none."""

    limit: float
    since: float
    most: int = -1

    def seen(self, done: int, now: float) -> None:
        """Takes note of the bytes there are."""
        if done > self.most:
            self.most, self.since = done, now

    def over(self, now: float) -> bool:
        """Whether nothing has come for too long."""
        return now - self.since >= self.limit


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a swarm that gives nothing."""

    peers: int
    availability: float
    last_complete: int
    trackers: Mapping[str, str]


def no_metadata(limit: str, sight: Sight) -> WorkError:
    """The end of waiting for a magnet link's metadata."""
    who = f"none of {sight.peers} peers sent" if sight.peers else "no peer was found to send"
    return WorkError(
        Reason.TORRENT_METADATA_TIMEOUT,
        f"For {limit} {who} the list of files of the magnet link.{_trackers(sight)} "
        "Add trackers to the link, or give the .torrent file with spec.source.torrent.url.",
    )


def stalled(limit: str, missing: int, sight: Sight) -> WorkError:
    """The end of waiting for bytes: TorrentNoPeers, TorrentIncomplete or TorrentStalled."""
    if not sight.peers:
        reason, why = Reason.TORRENT_NO_PEERS, "no peer is connected"
    elif sight.availability < 1:
        reason, why = Reason.TORRENT_INCOMPLETE, f"none of {sight.peers} connected peers has what is missing"
    else:
        reason, why = Reason.TORRENT_STALLED, f"{sight.peers} connected peers send nothing"
    seen = "a complete copy was never seen"
    if sight.last_complete > 0:
        when = datetime.fromtimestamp(sight.last_complete, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        seen = f"a complete copy was last seen at {when}"
    return WorkError(
        reason,
        f"Nothing arrived for {limit} and {missing} bytes are missing: {why}; {seen}.{_trackers(sight)} "
        "What is there is kept; raise spec.source.torrent.stallTimeout for a slow swarm.",
    )


def _trackers(sight: Sight) -> str:
    if not sight.trackers:
        return " No tracker has answered."
    said = [f"{host}: {word}" for host, word in list(sight.trackers.items())[:SHOWN_TRACKERS]]
    return f" Trackers: {'; '.join(said)}."
