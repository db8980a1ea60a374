"""hack/side-by-side: what `make test` makes of tests that fail."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOLD = "FAILED tests/a.py::test_one - AssertionError: assert 1 == 2"


def ran(tmp_path: Path, recipe: str) -> tuple[int, list[str]]:
    """Its exit code and lines for the target `bad` of this recipe beside one that passes."""
    (tmp_path / "Makefile").write_text(f".PHONY: good bad\ngood:\n\t@echo fine\nbad:\n\t@{recipe}\n")
    done = subprocess.run(
        [ROOT / "hack/side-by-side", "good", "bad"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def test_targets_that_pass_pass(tmp_path: Path) -> None:
    """Nothing runs twice, and nothing is told at the end."""
    code, lines = ran(tmp_path, "echo ran")
    assert (code, sorted(lines)) == (0, ["fine", "ran"])


def test_what_fails_twice_fails(tmp_path: Path) -> None:
    """A fault of the tree fails beside the others and alone; the last lines name it."""
    code, lines = ran(tmp_path, f"echo '{TOLD}'; exit 1")
    assert code == 1
    assert lines[-2:] == ["make bad ended with 2, and alone too", TOLD]


def test_what_passes_alone_is_named(tmp_path: Path) -> None:
    """Only what failed runs again (pytest's own memory of it), and it is told that it did."""
    recipe = f"echo \"$$PYTEST_ADDOPTS\"; [ -e again ] || {{ touch again; echo '{TOLD}'; exit 1; }}"
    code, lines = ran(tmp_path, recipe)
    assert code == 0
    assert "-o cache_dir=.pytest_cache/bad --last-failed --last-failed-no-failures=none" in lines
    assert lines[-1] == TOLD.replace("FAILED", "FLAKY (failed beside the others, passed alone)")


@pytest.mark.parametrize("count", [0, 6])
def test_a_run_that_is_broken_is_not_repeated(tmp_path: Path, count: int) -> None:
    """Many failures are no coincidence, and a run that ends without naming one is not understood."""
    code, lines = ran(tmp_path, f"touch again$$$$; for n in $$(seq {count}); do echo '{TOLD}'; done; exit 1")
    assert code == 1
    assert len(list(tmp_path.glob("again*"))) == 1
    assert lines.count(TOLD) == 2 * count  # in its output, and at the end
