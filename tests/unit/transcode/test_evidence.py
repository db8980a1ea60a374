"""What is kept of a program's words: nothing that opens a door, nothing that a terminal acts on, a name by the attempt."""

import pytest

from narwhal_operator.contract.order import OrderHead
from workers.transcode.evidence import cleaned, home_of, key_of


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("[error] https://user:pass@host/x: 403", "[error] https://…@host/x: 403"),
        ("open 's3+http://h/b/k?X-Amz-Signature=abc&b=1' failed", "open 's3+http://h/b/k?…' failed"),
        ("a line\nand\ta tab \x1b[31mred\x07", "a line\nand\ta tab  [31mred "),
        ("what? no URL here: 1/2?", "what? no URL here: 1/2?"),
    ],
)
def test_words_are_cleaned(words: str, wanted: str) -> None:
    """Logins and queries of URLs, control characters; the rest is as it was."""
    assert cleaned(words) == wanted


def test_each_attempt_and_each_part_has_a_place_of_its_own() -> None:
    """Below that of its resource; other work counts its attempts anew, and has others."""
    head = OrderHead(uid="../u", namespace="n", name="x", attempt=1, work_digest="w", task="Range")
    heads = (head, head.model_copy(update={"attempt": 2}), head.model_copy(update={"work_digest": "v"}))
    keys = {key_of(one, index) for one in heads for index in (None, 0, 1)}
    assert len(keys) == 9
    assert all(key.startswith(home_of("../u")) and ".." not in key for key in keys)
