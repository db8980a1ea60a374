"""Manifests as text: YAML or JSON, several documents, each value with the line it stands on.

Called by `validate`. Knows nothing of kinds; what a text says here is plain JSON data. An error shows a line and never
the text of it, for a manifest may hold Secrets.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from narwhal_cli.start import TEXT_LIMIT

VALUE_LIMIT: Final = 200_000
"""Values of a document, aliases followed: a handful of lines with aliases can stand for billions."""
DEPTH_LIMIT: Final = 64


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing to correct: where it is, what is wrong and how to mend it."""

    message: str
    document: int | None = None
    subject: str | None = None  # KIND/NAME as far as they are known
    line: int | None = None
    field: str | None = None

    def __str__(self) -> str:
        where = [f"document {self.document}" if self.document else "", self.subject or ""]
        where += [f"line {self.line}" if self.line else ""]
        text = ", ".join(part for part in where if part)
        return ": ".join(part for part in (text, self.field, self.message) if part)


class ManifestError(Exception):
    """A manifest that is refused as a whole, with everything that is wrong in it."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a stream: its number from 1, its content, and where its values stand."""

    number: int
    content: Any
    node: yaml.Node | None = None  # None for JSON, whose values have no lines worth naming

    def line(self, path: Sequence[str | int] = ()) -> int | None:
        """The line of the value at a path, or of the nearest one above it that exists."""
        return self._find(path)[0]

    def below(self, path: Sequence[str | int]) -> yaml.Node | None:
        """The node of the value at a path that exists."""
        return self._find(path)[1]

    def _find(self, path: Sequence[str | int]) -> tuple[int | None, yaml.Node | None]:
        if self.node is None:
            return None, None
        line, node = self.node.start_mark.line, self.node
        for part in path:
            found = _child(node, part)
            if found is None:
                break
            line, node = found
        return line + 1, node


def _child(node: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line, node.value[part]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line, value
    return None


class _Loader(yaml.CSafeLoader):
    """Reads YAML as the API server does: dates stay texts, and a key that is written twice is an error."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as a ClassVar it is refused by mypy: PyYAML's types declare it as one of instances
        first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, pairs in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; raises where a key is repeated."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                problem = "a key is written twice in the same mapping; keep one of them"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def read_documents(data: bytes) -> list[Document]:
    """The documents of a manifest that hold anything. Raises ManifestError for what is neither YAML nor JSON."""
    if len(data) > TEXT_LIMIT:
        raise ManifestError([Mistake(f"is larger than {TEXT_LIMIT >> 20} MiB; split it")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ManifestError([Mistake("is no UTF-8 text; save it as UTF-8", line=line)]) from None
    found = _json(text) if text.lstrip()[:1] in {"{", "["} else None
    documents = list(_yaml(text)) if found is None else found
    mistakes = [mistake for document in documents if (mistake := _unlike_json(document))]
    if mistakes:
        raise ManifestError(mistakes)
    return documents


def _json(text: str) -> list[Document] | None:
    """The documents of a JSON text, one after the other as kubectl takes them; None when it is no JSON.

    The flow style of YAML begins with the same characters, so that what is no JSON is tried as YAML.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_pairs)
    documents: list[Document] = []
    text = text.strip()
    at = 0
    try:
        while at < len(text):
            content, end = decoder.raw_decode(text, at)
            documents.append(Document(len(documents) + 1, content))
            at = end + _blank(text, end)
    except json.JSONDecodeError:
        return None
    except RecursionError:
        raise ManifestError([Mistake("is nested too deeply")]) from None
    return documents


def _blank(text: str, start: int) -> int:
    found = re.compile(r"\s*").match(text, start)
    return len(found[0]) if found else 0


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ManifestError([Mistake("a key is written twice in the same object; keep one of them")])
    return dict(pairs)


def _yaml(text: str) -> Iterator[Document]:
    number = 0
    loader = _Loader(text)
    try:
        while loader.check_node():
            number += 1
            node = loader.get_node()
            content = loader.construct_document(node)
            if content is not None:
                yield Document(number, content, node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise ManifestError([Mistake(_problem(error), document=max(number, 1), line=line)]) from None
    except yaml.YAMLError:
        raise ManifestError([Mistake("is no YAML: it holds a character that YAML does not allow")]) from None
    except RecursionError:
        raise ManifestError([Mistake("is nested too deeply")]) from None
    finally:
        loader.dispose()


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "is no YAML"
    if problem.startswith("a key"):
        return problem
    if not isinstance(error, (yaml.scanner.ScannerError, yaml.parser.ParserError)):
        # The other stages put a piece of the manifest into quotes, and the manifest may hold secrets.
        problem = problem.split("'")[0].split('"')[0].rstrip(" :,")
    return f"is no YAML: {problem}"


def _unlike_json(document: Document) -> Mistake | None:
    """What a document holds that JSON cannot say: YAML has sets, binaries, infinities and loops."""
    left = VALUE_LIMIT
    waiting: list[tuple[Any, tuple[str | int, ...]]] = [(document.content, ())]
    while waiting:
        value, path = waiting.pop()
        left -= 1
        if left < 0 or len(path) > DEPTH_LIMIT:
            return Mistake("holds too many values or is nested too deeply", document=document.number)
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            waiting += [(inner, (*path, key)) for key, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(inner, (*path, index)) for index, inner in enumerate(value)]
        elif not _plain(value):
            message = "holds a value or a key that JSON does not know; put a text in quotes"
            return Mistake(message, document=document.number, line=document.line(path))
    return None


def _plain(value: Any) -> bool:
    if isinstance(value, float):
        return value - value == 0  # neither infinite nor no number
    return value is None or isinstance(value, (str, int, bool))
