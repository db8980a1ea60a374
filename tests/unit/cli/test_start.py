"""What a run begins with before its command line is understood. Real processes."""

from pathlib import Path

import pytest

from narwhal_cli.start import Begun, Options, UsageError, begin

EMPTY = b"kind: List\nitems: []\n"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A manifest with nothing in it."""
    path = tmp_path / "film.yaml"
    path.write_bytes(EMPTY)
    return path


@pytest.mark.parametrize("words", ["-f {}", "--file {}", "--file={}", "--store x -f {} -o json"])
def test_run_begins_with_the_manifest_that_is_named(manifest: Path, words: str) -> None:
    """The manifest is found, and read, before the command line is parsed."""
    begun = begin(["run", *words.format(manifest).split()])
    assert begun is not None
    begun.leave()
    assert (begun.file, begun.data) == (str(manifest), EMPTY)


@pytest.mark.parametrize("words", ["", "-f", "-f -", "-f {} --help", "-h -f {}", "-f {}.missing"])
def test_what_is_not_clear_waits_for_the_parser(manifest: Path, words: str) -> None:
    """Without a file, for standard input, for help, for a file that is not there: nothing is begun, nothing is said."""
    assert begin(["run", *words.format(manifest).split()]) is None


def test_a_wrong_guess_of_the_file_is_no_harm(manifest: Path) -> None:
    """The file that the parser found is what counts."""
    begun = Begun(str(manifest), EMPTY, None)
    with pytest.raises(UsageError, match="other"):
        begun.run(Options(f"{manifest}.other", None, allow_private=False, json=True))
    begun.leave()
