"""Which file of several a TranscodingJob takes."""

import pytest

from narwhal_operator.contract.download import Artifact, ArtifactFile
from narwhal_operator.contract.files import pick
from narwhal_operator.contract.outcome import Reason, WorkError

DESTINATION = "sources/show"
SIZES = {"film.mkv": 900, "S1/e1.mkv": 300, "S1/e2.mkv": 400, "S1/e2.srt": 2, "disk.iso": 5000}


def artifact(count: int | None = None) -> Artifact:
    """The artifact of a show; `count` is of all files, where not all are listed."""
    files = [
        ArtifactFile(key=f"{DESTINATION}/{path}", size=size, sha256=f"{index:064x}")
        for index, (path, size) in enumerate(SIZES.items())
    ]
    main = files[0]
    return Artifact(
        bucket="media", key=main.key, size=main.size, sha256=main.sha256, files=files, file_count=count or len(files)
    )


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (None, "film.mkv"),
        ("e1.*", "S1/e1.mkv"),
        ("S1/*", "S1/e2.mkv"),
        ("s1/E1.MKV", "S1/e1.mkv"),
        ("**/*.srt", "S1/e2.srt"),
        ("*", "film.mkv"),
        ("*.iso", "disk.iso"),
    ],
)
def test_the_file_that_fits_is_taken(pattern: str | None, path: str) -> None:
    """Without a pattern the main one; of several that fit the largest video; its size and digest go with it."""
    found = pick(artifact(), DESTINATION, pattern)
    assert (found.key, found.size) == (f"{DESTINATION}/{path}", SIZES[path])
    assert found.sha256 == f"{list(SIZES).index(path):064x}"


def test_a_download_of_one_file_is_held_against_its_keys_end() -> None:
    """It has no path below the key."""
    one = Artifact(bucket="media", key="sources/bbb.mp4", size=9, sha256="0" * 64)
    assert pick(one, "sources/bbb.mp4", "*.mp4").key == "sources/bbb.mp4"
    with pytest.raises(WorkError):
        pick(one, "sources/bbb.mp4", "*.mkv")


def test_a_pattern_that_fits_nothing_names_candidates() -> None:
    """The reason is one of its own, and the message shows what there is."""
    with pytest.raises(WorkError) as caught:
        pick(artifact(), DESTINATION, "*.avi")
    assert caught.value.reason is Reason.INPUT_FILE_UNMATCHED
    assert "'*.avi'" in caught.value.message
    assert all(path in caught.value.message for path in SIZES)
    assert "spec.input.s3" not in caught.value.message


def test_a_list_that_was_cut_is_said_to_be() -> None:
    """What is not listed can be had by its key."""
    with pytest.raises(WorkError) as caught:
        pick(artifact(100), DESTINATION, "*.avi")
    assert "lists 5 of 100; name any other by its key, with spec.input.s3" in caught.value.message


def test_names_are_shown_escaped_and_bounded() -> None:
    """A stranger's names in a status: no control character, no end of the line, no thousand letters."""
    files = [ArtifactFile(key=f"{DESTINATION}/{'x' * 900}\n{n}", size=1, sha256="0" * 64) for n in range(60)]
    main = files[0]
    odd = Artifact(bucket="media", key=main.key, size=1, sha256=main.sha256, files=files, file_count=60)
    with pytest.raises(WorkError) as caught:
        pick(odd, DESTINATION, "*.avi")
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 1000
