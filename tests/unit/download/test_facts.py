"""What a probe's words mean: lines a person can read, whatever the words are."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narwhal_operator.contract.download import Artifact, MediaFacts
from narwhal_operator.contract.outcome import TERMINATION_LIMIT, Reason, WorkOutcome
from workers.download.facts import facts_of

GENERAL = {"track_type": "General", "format": "Matroska", "duration": "60042.5"}
VIDEO = {
    "track_type": "Video",
    "format": "AVC",
    "width": 1920,
    "height": 1080,
    "frame_rate": "23.976",
    "duration": 60000,
}
AUDIO = {"track_type": "Audio", "format": "AAC", "sampling_rate": 48000, "channel_s": 6, "language": "de"}


def facts(*tracks: Any) -> MediaFacts:
    """The facts of tracks that have some."""
    found = facts_of(list(tracks))
    assert found is not None
    return found


def test_a_film_has_its_container_its_duration_and_a_line_a_stream() -> None:
    """In the field's words, in the file's order."""
    text = {"track_type": "Text", "format": "UTF-8", "language": "en"}
    assert facts(GENERAL, VIDEO, AUDIO, text, {"track_type": "Menu"}) == MediaFacts(
        container="matroska",
        duration_seconds=60.042,
        streams=["video h264 1920x1080 23.976 fps", "audio aac 48000 Hz 6 ch de", "subtitle subrip en"],
    )


@pytest.mark.parametrize(
    ("track", "line"),
    [
        ({**VIDEO, "format": "HEVC", "frame_rate": "25.000"}, "video hevc 1920x1080 25 fps"),
        (
            {**VIDEO, "format": "MPEG Video", "format_version": "Version 2", "width": None},
            "video mpeg2video 23.976 fps",
        ),
        ({"track_type": "Video", "format": "MPEG Video", "format_version": "Version 1"}, "video mpeg1video"),
        ({"track_type": "Audio", "format": "MPEG Audio", "format_profile": "Layer 3"}, "audio mp3"),
        ({"track_type": "Video", "format": "New  Codec"}, "video new-codec"),
        ({"track_type": "Video"}, "video unknown"),
        ({**AUDIO, "channel_s": "2 / 6", "sampling_rate": "nan"}, "audio aac de"),
        ({**AUDIO, "language": "d\x1b[31m\ne", "channel_s": -1, "sampling_rate": True}, "audio aac d[31me"),
    ],
)
def test_a_stream_in_words(track: dict[str, Any], line: str) -> None:
    """What is not known, no number or no letter is left out."""
    assert facts(GENERAL, track).streams == [line]


@pytest.mark.parametrize(
    ("general", "container", "duration"),
    [
        ({"format": "MPEG-4", "format_profile": "Base Media"}, "mp4", 60.0),
        ({"format": "MPEG-4", "format_profile": "QuickTime", "duration": 1500}, "mov", 1.5),
        ({"format": "Some Container", "duration": "1e300"}, "some container", None),
        ({"format": "WebM", "duration": "inf"}, "webm", 60.0),
    ],
)
def test_a_container_and_its_duration(general: dict[str, Any], container: str, duration: float | None) -> None:
    """Without a duration of its own it is that of the longest stream; one of many years is no duration."""
    found = facts({"track_type": "General", **general}, VIDEO)
    assert (found.container, found.duration_seconds) == (container, duration)


@pytest.mark.parametrize(
    "tracks", [None, 3, {}, [], [GENERAL], [VIDEO], [None, "x"], [{"track_type": "General"}, VIDEO]]
)
def test_what_is_no_media_has_no_facts(tracks: Any) -> None:
    """No container, or no stream in it."""
    assert facts_of(tracks) is None


def test_the_facts_fit_into_a_termination_message() -> None:
    """However many streams there are, and however long the key is."""
    found = facts(GENERAL, *[{**AUDIO, "language": "x" * 100, "format": "y" * 100}] * 60)
    artifact = Artifact(bucket="b" * 63, key="k" * 1024, size=1, sha256="0" * 64, content_type="video/mp4", media=found)
    outcome = WorkOutcome(
        kind="DownloadJob",
        uid="u" * 36,
        attempt=3,
        work_digest="w" * 64,
        reason=Reason.COMPLETED,
        message="m" * 1024,
        artifact=artifact,
        started_at="2026-11-22T14:00:00.000Z",
        finished_at="2026-11-22T14:00:01.000Z",
    )
    assert len(outcome.termination().encode()) <= TERMINATION_LIMIT


WORDS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200)
TRACK = st.dictionaries(st.sampled_from(sorted({*GENERAL, *VIDEO, *AUDIO, "format_profile"})), WORDS)


@given(tracks=st.lists(TRACK | WORDS, max_size=40), kind=st.sampled_from(["Video", "Audio", "Text"]))
def test_no_words_break_it(tracks: list[Any], kind: str) -> None:
    """Whatever a process that was taken over says: facts that the contract allows, or none."""
    known = [{**track, "track_type": kind} for track in tracks if isinstance(track, dict)]
    for found in (facts_of(tracks), facts_of([GENERAL, *known])):
        assert found is None or all(
            line.isascii() and line.isprintable() and len(line) <= 128 for line in found.streams
        )
