"""The generated parts of the docs: field tables of docs/spec/, the rules of docs/verification.md, the whole of docs/reasons.md.

`python hack/gendocs.py [--check]`; `make verify` calls it. A page keeps its prose: only what stands between
`<!-- BEGIN GENERATED name -->` and `<!-- END GENERATED -->` is written here.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from narwhal_operator import crdgen
from narwhal_operator.contract import conditions
from narwhal_operator.contract.outcome import TABLE, Class
from workers.verify.rules import RULES

ROOT: Final = Path(__file__).resolve().parents[1]
_BLOCK: Final = re.compile(r"(<!-- BEGIN GENERATED (\w+) -->\n).*?(<!-- END GENERATED -->)", re.DOTALL)
_ELSEWHERE: Final = {
    "MediaLibrary": {
        "items[].source": "as [spec.source of a DownloadJob](downloadjob.md#spec)",
        "items[].checksum": "as [spec.checksum of a DownloadJob](downloadjob.md#spec)",
        "downloadTemplate": "the fields of a [DownloadJob's spec](downloadjob.md#spec) but source, checksum, destination,"
        " ttlSecondsAfterFinished",
        "transcodeTemplate": "the fields of a [TranscodingJob's spec](transcodingjob.md#spec) but input, output,"
        " ttlSecondsAfterFinished",
    }
}
"""Fields told on another page, by kind and path."""

_CLASSES: Final = {
    Class.SUCCESS: "Complete.",
    Class.TERMINAL: "Failed at once: the same input would end the same way.",
    Class.RETRY: "Tried again after a backoff (10 s, doubling, at most 6 min) until spec.backoffLimit failures.",
    Class.ELSEWHERE: "As Retry, on another node where there is one: the pod prefers nodes where it did not end so.",
    Class.USER: "As Retry; someone must mend something, and the condition says what while it waits.",
    Class.MEMORY: "As Retry, with 1.5 times the memory up to the admin's ceiling, then with half the threads, then Failed.",
    Class.DISRUPTION: "Nobody's fault: the next attempt starts at once and does not count.",
}


def rows(schema: dict[str, Any], kind: str, path: str = "") -> Iterator[str]:
    """A table row for each field below a schema node."""
    for name, child in schema.get("properties", {}).items():
        where = f"{path}{name}"
        required = name in schema.get("required", ())
        elsewhere = _ELSEWHERE.get(kind, {}).get(where)
        yield _row(where, child, required, _changes(schema, name), elsewhere)
        if elsewhere is None:
            inner = child.get("items", child)
            yield from rows(inner, kind, f"{where}[]." if "items" in child else f"{where}.")


def _row(where: str, schema: dict[str, Any], required: bool, change: str, elsewhere: str | None) -> str:
    facts = [schema["description"].rstrip(".") + (f": {elsewhere}." if elsewhere else ".")]
    facts += [fact for fact in (change, _bounds(schema)) if fact]
    default = schema.get("default")
    shown = "required" if required else "" if default in (None, {}) else f"`{_yaml(default)}`"
    return f"| `{where}` | {_type(schema)} | {shown} | {_cell(' '.join(facts))} |"


def _changes(parent: dict[str, Any], name: str) -> str:
    """Whether a rule of the object around a field forbids that it changes."""
    rules = parent.get("x-kubernetes-validations", [])
    fixed = any(rule.get("fieldPath") == f".{name}" and "oldSelf" in rule["rule"] for rule in rules)
    return "Immutable." if fixed else ""


def _type(schema: dict[str, Any]) -> str:
    if "x-kubernetes-int-or-string" in schema:
        return "integer or string"
    if "enum" in schema:
        return _cell(" | ".join(schema["enum"]))
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    if "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}"
    return "time" if schema.get("format") == "date-time" else str(schema["type"])


def _bounds(schema: dict[str, Any]) -> str:
    """The bounds of a number, a list or a map; those of texts are said where they matter."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{low} to {high}."
    if low:
        return f"At least {low}."
    for key, unit in (("maxItems", "items"), ("maxProperties", "entries")):
        if key in schema:
            return f"At most {schema[key]} {unit}."
    return ""


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(value)}]" if isinstance(value, list) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def field_table(kind: crdgen.Kind, part: str) -> str:
    """The table of `spec` or `status` of a kind."""
    versions = crdgen.crd(kind)["spec"]["versions"]
    schema = versions[0]["schema"]["openAPIV3Schema"]["properties"][part]
    head = f"| {part}. | type | default | meaning |\n|---|---|---|---|"
    return "\n".join([head, *rows(schema, kind.kind)]) + "\n"


def page(kind: crdgen.Kind, text: str) -> str:
    """A page of docs/spec with its tables renewed."""
    return _BLOCK.sub(lambda found: f"{found[1]}{field_table(kind, found[2])}{found[3]}", text)


def own_reasons() -> Iterator[tuple[str, str]]:
    """The reasons in conditions.py: each constant with a docstring below it."""
    body = ast.parse(Path(conditions.__file__).read_text()).body
    for one, after in pairwise(body):
        if isinstance(one, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            yield ast.literal_eval(one.value or ast.Constant("")), str(after.value.value)


def reasons() -> str:
    """The text of docs/reasons.md."""
    classes = "\n".join(f"| {cls.value} | {what} |" for cls, what in _CLASSES.items())
    table = "\n".join(
        f"| {entry.code} | {reason.value} | {entry.cls.value} | {_cell(entry.meaning)} | {_cell(entry.mend)} |"
        for reason, entry in sorted(TABLE.items(), key=lambda item: item[1].code)
    )
    own = "\n".join(f"| {name} | {_cell(meaning)} |" for name, meaning in own_reasons())
    return f"""<!-- Generated by `python hack/gendocs.py` from narwhal_operator/contract/reasons.py; do not edit. -->
# Reasons

Every way work can end has one word and one number. The word is the reason in conditions, in `status.attempts`, in
Events and in the metric label; the number is the exit code of the worker and of `narwhal run`. Codes are stable.
`narwhal explain REASON` prints a row of this page.

| class | what happens |
|---|---|
{classes}

| code | reason | class | what it means | how to mend it |
|---|---|---|---|---|
{table}

## While nothing has failed

These are the reasons of conditions before the work has ended; they are no exit codes.

| reason | what it means |
|---|---|
{own}
"""


def rules() -> str:
    """The table of the rules of verification."""
    head = "| rule | severity | source | what it says |\n|---|---|---|---|"
    lines = (
        f"| `{rule.name}` | {rule.severity.value} | {_cell(rule.source)} | {_cell(rule.meaning)} |" for rule in RULES
    )
    return "\n".join([head, *lines]) + "\n"


def verification(text: str) -> str:
    """docs/verification.md with its table renewed."""
    return _BLOCK.sub(lambda found: f"{found[1]}{rules()}{found[3]}", text)


def wanted(root: Path) -> dict[Path, str]:
    """The text each generated page should have."""
    pages = {root / "docs" / "spec" / f"{kind.kind.lower()}.md": kind for kind in crdgen.KINDS}
    texts = {path: page(kind, path.read_text()) for path, kind in pages.items()}
    checked = root / "docs" / "verification.md"
    return {**texts, checked: verification(checked.read_text()), root / "docs" / "reasons.md": reasons()}


def main() -> int:
    """Writes the pages, or with --check says which are not as generated and returns 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is not as generated")
    check = parser.parse_args().check
    stale = [(path, text) for path, text in wanted(ROOT).items() if not path.exists() or path.read_text() != text]
    for path, text in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is not as generated; run: python hack/gendocs.py", file=sys.stderr)
        else:
            path.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
