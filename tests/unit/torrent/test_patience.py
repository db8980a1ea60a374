"""When a swarm gives nothing for too long, and what is said of it."""

from narwhal_operator.contract.outcome import Reason
from workers.download.torrent.patience import Patience, Sight, no_metadata, stalled


def test_more_bytes_than_ever_are_waited_for() -> None:
    """A piece that fails its hash and comes again is no progress."""
    patience = Patience(limit=10, since=0)
    patience.seen(100, now=5)
    patience.seen(50, now=8)
    patience.seen(100, now=14)

    assert not patience.over(14.9)
    assert patience.over(15)
    patience.seen(101, now=15)
    assert not patience.over(24.9)


def test_a_stall_without_peers_says_so() -> None:
    """No peers, no copy ever seen, no tracker that answered."""
    error = stalled("30m", 5, Sight(0, 0.0, 0, {}))

    assert error.reason is Reason.TORRENT_NO_PEERS
    assert "no peer is connected; a complete copy was never seen. No tracker has answered." in error.message


def test_a_stall_tells_when_a_complete_copy_was_last_seen() -> None:
    """The moment is in the message, and what the trackers said."""
    error = stalled("30m", 5, Sight(3, 0.75, 1_795_348_790, {"tracker.example": "knows 4 peers"}))

    assert error.reason is Reason.TORRENT_INCOMPLETE
    assert "none of 3 connected peers has what is missing" in error.message
    assert "a complete copy was last seen at 2026-11-22T11:59:50Z" in error.message
    assert "Trackers: tracker.example: knows 4 peers." in error.message


def test_peers_that_have_all_but_send_nothing_are_told() -> None:
    """With a whole copy in the swarm the peers are slow, not poor."""
    error = stalled("1s", 5, Sight(2, 1.5, 0, {}))

    assert error.reason is Reason.TORRENT_STALLED
    assert "2 connected peers send nothing" in error.message


def test_missing_metadata_has_a_reason_of_its_own() -> None:
    """It is told apart from a stall, with the number of peers that were asked."""
    alone, asked = no_metadata("1m", Sight(0, 0, 0, {})), no_metadata("1m", Sight(2, 0, 0, {}))

    assert alone.reason is asked.reason is Reason.TORRENT_METADATA_TIMEOUT
    assert "no peer was found" in alone.message
    assert "none of 2 peers" in asked.message


def test_only_a_few_trackers_are_shown() -> None:
    """A message has a bound."""
    trackers = {f"tracker-{number}.example": "x" * 100 for number in range(50)}

    assert len(stalled("1s", 1, Sight(0, 0, 0, trackers)).message) < 800
