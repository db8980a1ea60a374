"""YAML and JSON as data with lines; what is neither is refused without showing any of it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narwhal_cli.manifest import ManifestError, read_documents
from narwhal_cli.start import TEXT_LIMIT


def contents(text: str) -> list[object]:
    return [document.content for document in read_documents(text.encode())]


def refusal(data: str | bytes) -> str:
    with pytest.raises(ManifestError) as caught:
        read_documents(data.encode() if isinstance(data, str) else data)
    return str(caught.value)


def test_several_yaml_documents_keep_their_numbers() -> None:
    """A document that holds nothing counts, so that numbers are those a reader counts by `---`."""
    documents = read_documents(b"a: 1\n---\n# nothing\n---\nb: 2\n")
    assert [(document.number, document.content) for document in documents] == [(1, {"a": 1}), (3, {"b": 2})]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"a": 1}', [{"a": 1}], id="one"),
        pytest.param('  {"a": 1}\n\n{"b": [1, null]}\n', [{"a": 1}, {"b": [1, None]}], id="one after the other"),
        pytest.param('{"a":\t1}', [{"a": 1}], id="with tabs, which YAML refuses"),
        pytest.param('\ufeff{"a": 1}', [{"a": 1}], id="with a byte order mark"),
        pytest.param("{a: 1}", [{"a": 1}], id="the flow style of YAML, which begins alike"),
    ],
)
def test_json_is_read(text: str, expected: list[object]) -> None:
    """JSON documents stand in a file alone or one after the other, as kubectl takes them."""
    assert contents(text) == expected


def test_a_line_is_found_by_path() -> None:
    """Each value knows its line; what does not exist has the line of the nearest above it."""
    (document,) = read_documents(b"kind: A\nspec:\n  urls:\n    - x\n    - y\n  n: 1\n")
    assert [document.line(path) for path in ((), ("spec", "urls", 1), ("spec", "n"), ("spec", "missing"))] == [
        1,
        5,
        6,
        2,
    ]


def test_dates_stay_texts() -> None:
    """YAML 1.1 makes a date of 2026-11-22; an API server gets a text."""
    assert contents("at: 2026-11-22") == [{"at": "2026-11-22"}]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        pytest.param("a: 1\nb: [1, 2\n", 3, "did not find expected ',' or ']'", id="a bracket that is not closed"),
        pytest.param("a: 1\n\tb: 2", 2, "found a tab character", id="a tab"),
        pytest.param("a: 1\nb: 2\na: 3", 3, "written twice", id="a key twice"),
        pytest.param("a: *none", 1, "undefined alias", id="an alias of nothing"),
        pytest.param("a: !mine b", 1, "constructor for the tag", id="a tag"),
        pytest.param("x: 1\na: .inf", 2, "JSON does not know", id="an infinity"),
        pytest.param("a: !!binary aGk=", 1, "JSON does not know", id="bytes"),
        pytest.param("1: a", 1, "JSON does not know", id="a key that is a number"),
        pytest.param("? [a]\n: 1", 1, "unhashable", id="a key that is a list"),
    ],
)
def test_a_mistake_in_yaml_is_told_with_its_line(text: str, line: int, words: str) -> None:
    """What is no YAML, or YAML that is no JSON, is told with the line it is in."""
    told = refusal(text)
    assert f"line {line}:" in told
    assert words in told


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("secretAccessKey: *hunter2", id="alias"),
        pytest.param("secretAccessKey: !hunter2 x", id="tag"),
        pytest.param("secretAccessKey: 'hunter2\n", id="open quote"),
        pytest.param("secretAccessKey hunter2\nx: y", id="no colon"),
        pytest.param("secretAccessKey: @hunter2", id="reserved character"),
        pytest.param('{"secretAccessKey": "hunter2", "secretAccessKey": "hunter2"}', id="twice in JSON"),
        pytest.param(b"secretAccessKey: hunter2\xff", id="no UTF-8"),
        pytest.param("secretAccessKey: hunter2\x01", id="control character"),
    ],
)
def test_no_refusal_shows_the_text(data: str | bytes) -> None:
    """A manifest may hold Secrets: an error in it shows nothing of it."""
    assert "hunter2" not in refusal(data)


def test_aliases_cannot_stand_for_billions() -> None:
    """Nine lines of aliases of aliases are refused before anything walks what they stand for."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "too many values" in refusal("\n".join(lines))


def test_a_value_that_holds_itself_is_refused() -> None:
    """A loop of aliases ends with an error, not with the stack."""
    assert "nested too deeply" in refusal("a: &a [*a]")


@pytest.mark.parametrize("text", ["[" * 5000, '{"a":' * 5000], ids=["lists", "objects"])
def test_deep_nesting_is_refused(text: str) -> None:
    """Thousands of brackets end with an error, not with the stack."""
    assert "nested too deeply" in refusal(text)


def test_a_large_file_is_refused() -> None:
    """Nobody means 16 MiB of manifest: a film was named instead."""
    assert "larger than 16 MiB" in refusal(b"a" * (TEXT_LIMIT + 1))


@given(st.binary(max_size=200))
def test_whatever_the_bytes_the_end_is_documents_or_a_refusal(data: bytes) -> None:
    """No input ends with another exception."""
    with suppress(ManifestError):
        assert all(document.content is not None for document in read_documents(data))
