"""Encrypted packages play in a browser that has the key: AES-128 by hls.js, cbcs and cenc by dash.js with ClearKey."""

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.conformance.kinds import ENCRYPTED, Kind
from tests.conformance.show import Show, plays

SPREAD = 50
"""Levels of brightness a picture of these spans at least."""
PLAYS = plays(ENCRYPTED)


@pytest.mark.parametrize(("kind", "player"), PLAYS)
def test_a_browser_with_the_key_plays_it_to_the_end(theatre: Show, kind: Kind, player: str) -> None:
    """Every level: all pictures of the lowest from the start, from the middle on each other, with sound, without a hole."""
    ended = theatre.package(kind).ended
    assert ended.reason is Reason.COMPLETED, ended.message
    seen = theatre.played(kind, player)
    assert seen["errors"] == []
    assert len(seen["plays"]) == len(seen["levels"]) == 2
    assert seen["plays"][0]["frames"] >= kind.frames
    for play, level in zip(seen["plays"], seen["levels"], strict=True):
        assert play["size"] == level
        assert play["time"] == pytest.approx(kind.seconds + float(kind.ahead), abs=0.05)
        assert play["stalls"] == []
        # Chromium lets no page look at pictures of a decryption module; with another key it never has one to show.
        assert play["spread"] > SPREAD or player == "dash", "nothing is to be seen"
        assert play["audioBytes"] > 0
    assert len(seen["plays"][0]["ranges"]) == 1, "there is a hole in the buffer"
