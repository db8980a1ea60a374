"""Legal inputs of every kind through the real worker; what is published plays, whole, in readers that are not ours."""

from fractions import Fraction

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.conformance.kinds import KINDS, Kind
from tests.conformance.reader import Stream, read
from tests.conformance.show import PLAYERS, Package, Show, plays

PACKET: Fraction = Fraction(1024, 48_000)
SPREAD = 50
"""Levels of brightness a picture of these spans at least."""

each = pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in KINDS])


@each
def test_the_worker_publishes_it(theatre: Show, kind: Kind) -> None:
    """The gate found nothing; what was corrected is noted."""
    ended = theatre.package(kind).ended
    assert ended.reason is Reason.COMPLETED, ended.message
    assert kind.note in " ".join(ended.notes)


@each
def test_ffmpeg_decodes_every_frame(theatre: Show, kind: Kind) -> None:
    """Both manifests, each variant, strictly: the exact frames evenly from 0 on, the sound as long and from 0 on too."""
    package = theatre.package(kind)
    rungs, tracks = shape(package)
    for name in kind.manifests:
        streams = read(package.studio.output / PLAYERS[name.lower()], rungs, tracks, kind.origin)
        videos = [stream for stream in streams if stream.kind == "video"]
        assert len(videos) == rungs
        assert (kind.size in {video.size for video in videos}) == kind.pictures
        for video in videos:
            assert_even(kind, video)
        audios = [stream for stream in streams if stream.kind == "audio"]
        assert len(audios) == tracks
        assert bool(audios) == kind.sound
        for audio in audios:
            length = Fraction(audio.samples, 48_000)
            # No encoder makes less than two packets.
            assert abs(length - kind.frames / kind.rate) <= max(PACKET, 2 * PACKET - kind.frames / kind.rate)
            assert abs(audio.start - (videos[0].start if videos else 0)) < 1 / kind.rate


def assert_even(kind: Kind, video: Stream) -> None:
    """Every frame, each within half a frame of its time."""
    assert len(video.times) == kind.frames
    late = [number for number, time in enumerate(video.times) if abs(time - number / kind.rate) >= 1 / kind.rate / 2]
    assert late == []


def shape(package: Package) -> tuple[int, int]:
    """Rungs and audio tracks of what was published."""
    plan = package.ended.report.plan
    assert plan is not None
    return len(plan.rungs), plan.audio_tracks if plan.rungs else len(plan.audio)


PLAYS = plays(KINDS)


@pytest.mark.parametrize(("kind", "player"), PLAYS)
def test_a_browser_plays_it_to_the_end(theatre: Show, kind: Kind, player: str) -> None:
    """hls.js and dash.js in Chromium: all frames of the lowest level; from the middle on, after a seek, each other level."""
    rungs, tracks = shape(theatre.package(kind))
    seen = theatre.played(kind, player)
    assert seen["errors"] == []
    assert len({tuple(level) for level in seen["levels"]}) == (rungs or tracks)
    assert len(seen["plays"]) == len(seen["levels"])  # HLS has a variant for each group of audio
    assert seen["plays"][0]["frames"] >= (kind.frames if kind.pictures else 0)
    for play, level in zip(seen["plays"], seen["levels"], strict=True):
        assert play["size"] == (level if kind.pictures else [0, 0])
        assert play["time"] == pytest.approx(
            kind.seconds + float(kind.ahead), abs=float(max(1 / kind.rate, 2 * PACKET))
        )
        assert play["stalls"] == []
        assert (play["spread"] > SPREAD) == kind.pictures, "nothing is to be seen"
        assert (play["audioBytes"] > 0) == (tracks > 0)
    buffered = seen["plays"][0]["ranges"]
    assert len(buffered) == 1, "there is a hole in the buffer"
