"""What is refused: each file of negative/ says in its head why it is wrong and the words of the refusal.

A file of two documents is a change: the first is applied, the second, of the same name, is refused.
In an expected line `…` stands for a long value.
"""

import re
from pathlib import Path

import pytest
import yaml

from tests.contract.apiserver import Apiserver
from tests.contract.manifests import NEGATIVE, documents, local_verdict, own_messages

_UNCHECKED = "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid"
CASES = [pytest.param(path, id=path.stem) for path in NEGATIVE]


def expected(path: Path) -> list[str]:
    """The lines of the refusal, as the file's head has them."""
    return sorted(re.findall(r"^# refused: (.*)$", path.read_text(), re.MULTILINE))


def refusal(stderr: str) -> list[str]:
    """The errors kubectl prints: one a line with a bullet, or one after `is invalid:`."""
    found = re.search(r"is invalid: ?(.*)|(strict decoding error: .*)", stderr, re.DOTALL)
    assert found, f"no refusal in: {stderr}"
    lines = (found[1] or found[2]).strip().splitlines()
    return sorted(line.removeprefix("* ") for line in lines if not line.removeprefix("* ").startswith(_UNCHECKED))


def same(line: str, pattern: str) -> bool:
    """Whether a line is the expected one, `…` standing for any text."""
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("…")), line) is not None


def test_there_are_enough_of_them() -> None:
    """At least 25 wrong manifests are kept, and each says what it expects."""
    assert len(NEGATIVE) >= 25
    assert not [path.name for path in NEGATIVE if not expected(path)]


@pytest.mark.parametrize("path", CASES)
def test_the_api_server_refuses_it_in_the_words_expected(api: Apiserver, namespace: str, path: Path) -> None:
    """The API server refuses the manifest, and its words are exactly those in the file's head."""
    *accepted, wrong = documents(path)
    for document in accepted:
        api.tell("apply", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(document))
    verb = "replace" if accepted else "apply"
    done = api.kubectl(verb, "-n", namespace, "-f", "-", stdin=yaml.safe_dump(wrong))
    assert done.returncode == 1
    lines, wanted = refusal(done.stderr), expected(path)
    assert len(lines) == len(wanted)
    assert all(same(line, pattern) for line, pattern in zip(lines, wanted, strict=True)), lines
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("path", CASES)
def test_a_local_run_refuses_it_in_the_same_words(path: Path) -> None:
    """The models refuse what the API server refuses, with the same message where the message is ours.

    A change they cannot see: each of its two documents alone is right.
    """
    *accepted, wrong = documents(path)
    verdict = local_verdict(wrong)
    if accepted:
        assert verdict is None
        return
    assert verdict is not None
    own = [message for message in own_messages() for line in expected(path) if line.endswith(f": {message}")]
    assert all(message in verdict for message in own), verdict
    assert "hunter2" not in verdict
