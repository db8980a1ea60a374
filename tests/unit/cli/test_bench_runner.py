"""`hack/bench`: runs all benchmarks and fails when one of them does."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[3] / "hack/bench"
GOOD = 'if __name__ == "__main__":\n    print("ratio 1.01")\n    print(\'{"bench": "good", "figures": {"ratio": 1.01}}\')\n'


def bench(home: Path, programs: dict[str, str], *names: str) -> "subprocess.CompletedProcess[str]":
    """Runs a copy of the runner beside these benchmarks."""
    for folder in ("hack", "bench"):
        (home / folder).mkdir()
    shutil.copy(RUNNER, home / "hack/bench")
    for name, text in programs.items():
        (home / f"bench/{name}.py").write_text(text)
    argv = [sys.executable, str(home / "hack/bench"), *names]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_each_program_is_run_and_shown(tmp_path: Path) -> None:
    """What a benchmark prints is shown; a helper beside it is not run."""
    done = bench(tmp_path, {"good": GOOD, "helper": "raise SystemExit(1)"})
    assert done.returncode == 0, done.stderr
    assert '\n{"bench": "good", "figures": {"ratio": 1.01}}\n== good: done after' in done.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("__main__ = 1\nraise SystemExit(3)", "bad: failed with code 3", id="fails"),
        pytest.param("__main__ = 1\nprint('fast')", "bad: did not end with its line of figures", id="no figures"),
        pytest.param("__main__ = 1\nprint('{}')", "bad: did not end with its line of figures", id="empty figures"),
    ],
)
def test_one_that_fails_fails_the_whole_but_stops_no_other(tmp_path: Path, text: str, words: str) -> None:
    """All figures are there to look at; the exit code is 1."""
    done = bench(tmp_path, {"bad": text, "good": GOOD})
    assert done.returncode == 1
    assert words in done.stdout
    assert "good: done" in done.stdout
    assert done.stderr == "failed: bad\n"


def test_one_may_be_chosen(tmp_path: Path) -> None:
    """By the name of its file; an unknown name is told those there are."""
    assert bench(tmp_path, {"bad": "__main__ = 1\nraise SystemExit(3)", "good": GOOD}, "good").returncode == 0
    done = subprocess.run([tmp_path / "hack/bench", "none"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "no benchmark none; there are: bad, good\n")
