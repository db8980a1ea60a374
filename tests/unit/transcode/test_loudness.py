"""Loudness: what FFmpeg's summaries say, what is done about it, and what the user reads."""

import pytest

from narwhal_operator.contract.transcode import LoudnessPlan
from tests.unit.transcode.test_audio import ENGLISH, GERMAN, planned
from tests.unit.transcode.test_command import JOB
from workers.transcode import command
from workers.transcode.loudness import MOST, chain, decide, notes, read, resulting

SUMMARY = """[ebur128@t{track} @ 0x5583c4da0640] [info] Summary:

  Integrated loudness:
    I:         {loudness} LUFS
    Threshold: -33.4 LUFS

  Loudness range:
    LRA:         0.1 LU
    Threshold: -43.4 LUFS
    LRA low:   -23.5 LUFS
    LRA high:  -23.4 LUFS

  True peak:
    Peak:      {peak} dBFS
"""


def test_each_track_is_read_by_its_number_and_the_last_word_counts() -> None:
    """A filter that is set up anew says -70 first; filters end in any order."""
    text = "".join(
        SUMMARY.format(track=track, loudness=loudness, peak=peak)
        for track, loudness, peak in [
            (0, "-70.0", "-inf"),
            (1, "-70.0", "-inf"),
            (1, "-9.0", "0.3"),
            (0, "-23.4", "-6.2"),
        ]
    )
    assert read(text) == {0: (-23.4, -6.2), 1: (-9.0, 0.3)}
    assert read("[info] size=N/A time=00:00:02.00") == {}
    assert read(SUMMARY.format(track=3, loudness="-70.0", peak="-inf")) == {3: (-70.0, -99.0)}


@pytest.mark.parametrize(
    ("loudness", "peak", "gain", "limited"),
    [
        pytest.param(-23.0, -10.0, 7.0, False, id="raised"),
        pytest.param(-23.0, -6.0, 7.0, True, id="raised-into-the-limiter"),
        pytest.param(-9.0, 0.5, -7.0, False, id="lowered"),
        pytest.param(-16.0, -1.0, 0.0, False, id="already-there"),
        pytest.param(-50.0, -40.0, MOST, False, id="no-more-than-so-much"),
        pytest.param(-70.0, -99.0, 0.0, False, id="silence"),
    ],
)
def test_one_gain_for_the_whole_track(loudness: float, peak: float, gain: float, limited: bool) -> None:
    """The difference to the target; a limiter only where peaks would rise above -1.5 dBFS."""
    found = decide(loudness, peak, -16)
    assert (found.gain, found.limited) == (gain, limited)
    assert [part.split("=")[0] for part in chain(found)] == (["volume"] if gain else []) + (
        ["alimiter"] if limited else []
    )


NOTES = [
    pytest.param(decide(-70, -99, -16), None, "silent or shorter than 0.4 s", id="silence"),
    pytest.param(decide(-50, -40, -16), -30, "-30.0 LUFS instead of -16.0; the gain ends at 20 dB", id="too-quiet"),
    pytest.param(decide(-30, -2, -16), -18.2, "-18.2 LUFS instead of -16.0; its peaks are limited", id="peaks"),
    pytest.param(decide(-23, -10, -16), -16, None, id="reached"),
]


@pytest.mark.parametrize(("plan", "result", "words"), NOTES)
def test_what_is_not_as_loud_as_asked_for_is_said(plan: LoudnessPlan, result: float | None, words: str | None) -> None:
    """A line that names the track and why."""
    done = plan if result is None else resulting(plan, result, -1.5)
    found = notes({"en": done}, -16)
    assert [words in line and line.startswith("audio en:") for line in found if words] == ([True] if words else [])
    assert bool(found) == bool(words)


def test_tracks_are_measured_in_one_process_as_they_will_be_encoded() -> None:
    """The same graph, an ebur128 with the track's number, nothing written; a gain stands before it."""
    made = planned(ENGLISH, GERMAN)
    argv = command.measure_audio(made, made.audio, JOB, {"de": decide(-23, -6, -16)})
    english, german = argv[argv.index("-filter_complex") + 1].split(";")
    assert english.endswith("ebur128@t0=peak=true:framelog=verbose[a0]")
    assert "volume=7.0dB:precision=double,alimiter=limit=0.8414:level=false:latency=true,aformat=" in german
    assert argv[argv.index("-loglevel") + 1] == "level+info"
    assert [argv[at + 2] for at, flag in enumerate(argv) if flag == "-f"] == ["-", "-"]


def test_the_encode_has_the_gain_of_its_track() -> None:
    """And of no other."""
    made = planned(ENGLISH, GERMAN)
    argv = command.encode_audio(made, made.audio, JOB, {"en": decide(-9, 0, -16)})
    english, german = argv[argv.index("-filter_complex") + 1].split(";")
    assert ",volume=-7.0dB:" in english
    assert "volume" not in german
