"""Which files of a torrent are taken, and under which keys."""

import time

import pytest

from narwhal_operator.contract.files import main_file, matches
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.download.torrent.choice import CHOSEN_LIMIT, choose
from workers.download.torrent.names import TorrentFile


def files(**sizes: int) -> list[TorrentFile]:
    """Files of these sizes."""
    return [TorrentFile(index, path, 0, size) for index, (path, size) in enumerate(sizes.items())]


SHOW = files(**{"S1/e1.mkv": 500, "S1/e2.MKV": 700, "S1/e1.srt": 5, "sample/s.mkv": 9000, "iso/disk.iso": 99_000})


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*.mkv", "film.mkv", True),
        ("*.mkv", "a/b/film.mkv", True),
        ("*.mkv", "film.mkv.txt", False),
        ("*.mkv", "FILM.MKV", True),
        ("e?.mkv", "S1/e1.mkv", True),
        ("e[12].mkv", "S1/e3.mkv", False),
        ("S1/*.mkv", "S1/e1.mkv", True),
        ("S1/*.mkv", "S1/extras/e1.mkv", False),
        ("*/e1.mkv", "S1/e1.mkv", True),
        ("*/e1.mkv", "a/S1/e1.mkv", False),
        ("S1/**", "S1/extras/e1.mkv", True),
        ("**/e1.mkv", "e1.mkv", True),
        ("**/e1.mkv", "a/b/e1.mkv", True),
        ("a/**/b/*.mkv", "a/b/x.mkv", True),
        ("a/**/b/*.mkv", "a/1/2/b/x.mkv", True),
        ("a/**/b/*.mkv", "a/1/2/x.mkv", False),
        ("/film.mkv", "film.mkv", True),
        ("/film.mkv", "a/film.mkv", False),
        ("S1", "S1/e1.mkv", False),
        ("[", "[", True),
    ],
)
def test_a_pattern_fits_a_path(pattern: str, path: str, *, fits: bool) -> None:
    """Without / it is held against the name, with / against the path; ** spans directories; case does not count."""
    assert matches(path, [pattern]) is fits


def test_a_pattern_made_to_take_long_does_not() -> None:
    """Many stars are matched in a moment."""
    path = "/".join(["a" * 30] * 30)
    begun = time.monotonic()

    assert not matches(path, ["/".join(["**", "*a*a*a*a*a*a*b"] * 30)])
    assert time.monotonic() - begun < 1


def test_one_file_becomes_the_key_itself() -> None:
    """A single chosen file is the object the spec names."""
    chosen = choose(SHOW, ["e1.mkv"], "films/x.mkv", None)

    assert [(item.file.path, item.key) for item in chosen] == [("S1/e1.mkv", "films/x.mkv")]


def test_several_files_lie_below_the_key_the_largest_video_first() -> None:
    """Without patterns all are taken; the main one comes first, the others by path."""
    chosen = choose(SHOW, None, "shows/x", None)

    assert [item.key for item in chosen] == [
        "shows/x/sample/s.mkv",
        "shows/x/S1/e1.mkv",
        "shows/x/S1/e1.srt",
        "shows/x/S1/e2.MKV",
        "shows/x/iso/disk.iso",
    ]


def test_patterns_are_alternatives() -> None:
    """A file is taken when any pattern fits; a pattern that fits nothing is no error beside one that does."""
    chosen = choose(SHOW, ["*.srt", "S1/*.mkv", "*.flac"], "k", None)

    assert {item.file.path for item in chosen} == {"S1/e1.srt", "S1/e1.mkv", "S1/e2.MKV"}
    assert chosen[0].file.path == "S1/e2.MKV"


def test_without_a_video_the_largest_file_is_the_main_one() -> None:
    """Of files that are no video the size alone counts, of equals the path."""
    assert main_file(files(a=1, b=3, c=3)).path == "b"


@pytest.mark.parametrize(
    ("patterns", "limit", "reason"),
    [
        (["*.webm"], None, Reason.TORRENT_FILES_UNMATCHED),
        (None, 109_204, Reason.SOURCE_TOO_LARGE),
        (["*.mkv"], 10_199, Reason.SOURCE_TOO_LARGE),
    ],
)
def test_a_choice_that_cannot_be_is_refused(patterns: list[str] | None, limit: int | None, reason: Reason) -> None:
    """No match, or more bytes than spec.maxBytes in the chosen files alone."""
    with pytest.raises(WorkError) as caught:
        choose(SHOW, patterns, "k", limit)

    assert caught.value.reason is reason


def test_the_size_limit_counts_chosen_files_only() -> None:
    """A file that is not taken may be as large as it likes."""
    assert len(choose(SHOW, ["*.mkv"], "k", 10_200)) == 3


def test_a_message_shows_what_there_is_to_choose() -> None:
    """Who writes patterns sees the largest files."""
    with pytest.raises(WorkError, match=r"None of the 5 files .* 'iso/disk\.iso', 'sample/s\.mkv'"):
        choose(SHOW, ["*.webm"], "k", None)


@pytest.mark.parametrize("found", [[], files(a=0, b=0)])
def test_nothing_to_take_is_an_empty_source(found: list[TorrentFile]) -> None:
    """No files, or only files of 0 bytes, end with SourceEmpty."""
    with pytest.raises(WorkError) as caught:
        choose(found, None, "k", None)

    assert caught.value.reason is Reason.SOURCE_EMPTY


def test_too_many_objects_and_too_long_keys_are_refused() -> None:
    """What a store or a record cannot hold is refused before the first byte."""
    many = files(**{f"f{number}": 1 for number in range(CHOSEN_LIMIT + 1)})
    for found, key in ((many, "k"), (files(**{"a" * 200: 1, "b": 1}), "k" * 900)):
        with pytest.raises(WorkError) as caught:
            choose(found, None, key, None)

        assert caught.value.reason is Reason.TORRENT_UNSAFE
