"""Counters of a torrent: what libtorrent counts since the session began, added as it grows."""

from dataclasses import dataclass, field
from typing import Final

from workers.common.metrics import Counter, Metrics
from workers.download.torrent.swarm import Status

RECEIVED: Final = Counter("narwhal_torrent_received_bytes", "Bytes of files received from peers and web seeds.")
SENT: Final = Counter("narwhal_torrent_sent_bytes", "Bytes of files sent to peers.")
WASTED: Final = Counter("narwhal_torrent_wasted_bytes", "Bytes received that failed their hash or came twice.")


@dataclass(slots=True)
class Tally:
    """Adds what is new to the metrics; numbers that go back (another session) begin anew."""

    metrics: Metrics
    _seen: dict[Counter, int] = field(default_factory=dict)

    def take(self, status: Status) -> None:
        """Takes note of a status."""
        for counter, total in ((RECEIVED, status.received), (SENT, status.sent), (WASTED, status.wasted)):
            before = self._seen.get(counter, 0)
            new = total - before if total >= before else total
            self._seen[counter] = total
            if new:
                self.metrics.add(counter, new)
