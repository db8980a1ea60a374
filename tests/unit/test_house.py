"""The house rules that no linter knows (CONTRIBUTING, rule 6)."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES = 400
FUNCTION_LINES = 40


def sources() -> list[str]:
    """All Python files of the tree that git knows or would take."""
    argv = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (ROOT / name).exists()]


@pytest.mark.parametrize("name", sources())
def test_files_and_functions_are_short(name: str) -> None:
    """A file has at most 400 lines, a function 40 with its docstring."""
    text = (ROOT / name).read_text()
    assert text.count("\n") <= FILE_LINES
    long = [
        f"{node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES
    ]
    assert long == []
