"""What is missing between the frames that decode, and what is said of it."""

from fractions import Fraction

import pytest

from workers.transcode.damage import Damage, Holes, Span, found, note

TICK = Fraction(1, 25)
WHOLE = Span(Fraction(0), Fraction(4))


def listed(*frames: int, usual: Fraction | None = TICK) -> Holes:
    """The list of a stream of 25 frames per second in which these frames decode."""
    holes = Holes(usual, TICK / 2)
    holes.line(b"#tb 0: 1/25")
    for number in frames:
        holes.line(f"0, {number}, {number}, 1, 21600, 0xccc51ced".encode())
    return holes


@pytest.mark.parametrize(
    "noise", [b"", b"#tb 0: 1/0", b"#codec_id 0: rawvideo", b"0, 5, N/A, 1, 0", b"[error] no line"]
)
def test_other_lines_are_no_frames(noise: bytes) -> None:
    """Headers, unknown times and words are left out."""
    holes = listed(1)
    holes.line(noise)
    assert (holes.frames, holes.first, holes.end) == (1, TICK, 2 * TICK)


def test_a_whole_stream_has_no_damage() -> None:
    """All frames of 4 s, whatever the decoder says not."""
    assert found(0, "video", listed(*range(100)), WHOLE, complained=False) is None


def test_what_is_missing_is_measured_and_placed() -> None:
    """Ten frames from the 30th on and five from the 60th: 0.6 s between 1.2 and 2.6 s."""
    frames = [number for number in range(100) if not 30 <= number < 40 and not 60 <= number < 65]
    damage = found(0, "video", listed(*frames), WHOLE, complained=True)
    assert damage == Damage(0, "video", Fraction(4), Fraction(3, 5), Fraction(6, 5), Fraction(13, 5))
    assert str(damage) == (
        "damage tolerated in stream 0 (video): 0.60 of 4.00 s do not decode, between 1.20 and 2.60 s;"
        " the frame before stands still"
    )
    assert damage.figures() == {"stream": 0, "kind": "video", "seconds": 4.0, "lost": 0.6, "first": 1.2, "last": 2.6}


def test_what_is_missing_at_both_ends_counts() -> None:
    """The first and the last second of four; the first one is not the last to be told."""
    damage = found(1, "audio", listed(*range(25, 75), usual=None), WHOLE, complained=True)
    assert damage is not None
    assert [damage.lost, damage.first, damage.last] == [2, 0, 4]


def test_a_leap_that_no_decoder_complains_of_is_none_while_it_is_small() -> None:
    """Recorders leave frames out; a second without a frame is told whoever is silent."""
    leaps = [number for number in range(100) if number not in {30, 50}]
    assert found(0, "video", listed(*leaps), WHOLE, complained=False) is None
    gap = [number for number in range(100) if not 30 <= number < 55]
    damage = found(0, "video", listed(*gap), WHOLE, complained=False)
    assert damage is not None
    assert damage.lost == 1


def test_errors_without_a_hole_are_said_too() -> None:
    """The decoder complained and gave every frame."""
    damage = found(0, "video", listed(*range(100)), WHOLE, complained=True)
    assert "errors that cost no frame" in str(damage)


def test_a_stream_of_which_nothing_decodes_is_lost_whole() -> None:
    """From its first packet to its last."""
    damage = found(2, "audio", Holes(None, TICK), WHOLE, complained=True)
    assert damage == Damage(2, "audio", Fraction(4), Fraction(4), Fraction(0), Fraction(4))


def test_a_cut_file_is_told_first() -> None:
    """The whole file before its streams."""
    damage = Damage(0, "video", Fraction(4), Fraction(1), Fraction(1), Fraction(2))
    assert note("it has 3 of 4 frames", [damage])[0] == "damage tolerated: the file was cut, it has 3 of 4 frames"
    assert note(None, []) == []
