"""The CRDs, generated from the contract: `python -m narwhal_operator.crdgen [--check]`.

`make verify` and developers call it. It writes `crds/` and the chart's copy, which the chart's templates read.
What pydantic emits is made a structural schema (apiextensions.k8s.io/v1): references inlined, nullable unions removed,
titles and null defaults dropped, `const` written as `enum`, numeric exclusive bounds as the boolean ones of OpenAPI 3.0.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from narwhal_operator.contract import download, library, transcode
from narwhal_operator.contract.base import GROUP, VERSION

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDERS: Final = ("crds", "charts/narwhal/files/crds")
"""Where the files are written: for `kubectl apply -f crds/`, and for the chart's `.Files.Get`."""

_KEPT: Final = frozenset(
    {
        "default",
        "description",
        "enum",
        "format",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "pattern",
        "required",
        "type",
        "uniqueItems",
    }
)
"""Keywords that mean the same in both; every other one is translated below or is an error."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; a wide one is shown with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False
    description: str = ""

    def schema(self) -> dict[str, Any]:
        """The entry of `additionalPrinterColumns`."""
        entry: dict[str, Any] = {"name": self.name, "jsonPath": self.path, "type": self.type}
        if self.wide:
            entry["priority"] = 1
        if self.description:
            entry["description"] = self.description
        return entry


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind and what the models cannot say of it."""

    kind: str
    plural: str
    short: str
    description: str
    spec: type[BaseModel]
    status: type[BaseModel]
    columns: tuple[Column, ...]


def _condition(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


_FIRST: Final = (Column("Phase", ".status.phase"), Column("Progress", ".status.display.progress"))
_LAST: Final = (
    Column("Ready", _condition("status")),
    Column("Age", ".metadata.creationTimestamp", "date"),
    Column("Reason", _condition("reason"), wide=True, description="Why; `narwhal explain REASON` tells more."),
    Column("Status", _condition("message"), wide=True, description="What, where and how to mend."),
)

KINDS: Final = (
    Kind(
        download.KIND,
        "downloadjobs",
        "dlj",
        "A DownloadJob fetches one source into one object of a bucket, checks it while it streams, and makes it visible"
        " only when it is whole.",
        download.DownloadJobSpec,
        download.DownloadJobStatus,
        (
            *_FIRST,
            Column("Rate", ".status.display.rate"),
            Column("ETA", ".status.display.eta"),
            Column("Size", ".status.display.size"),
            *_LAST,
        ),
    ),
    Kind(
        transcode.KIND,
        "transcodingjobs",
        "tcj",
        "A TranscodingJob turns one video into a ladder of renditions with HLS and DASH manifests, verifies it, and"
        " publishes it with one write.",
        transcode.TranscodingJobSpec,
        transcode.TranscodingJobStatus,
        (
            *_FIRST,
            Column("Speed", ".status.display.speed", description="Seconds of video encoded a second."),
            Column("ETA", ".status.display.eta"),
            Column("Rungs", ".status.display.rungs", "integer"),
            *_LAST,
        ),
    ),
    Kind(
        library.KIND,
        "medialibraries",
        "mlib",
        "A MediaLibrary fetches and transcodes many titles alike: one DownloadJob and one TranscodingJob each.",
        library.MediaLibrarySpec,
        library.MediaLibraryStatus,
        (
            Column("Items", ".status.counts.total", "integer"),
            Column("Active", ".status.counts.active", "integer"),
            Column("Complete", ".status.counts.complete", "integer"),
            Column("Failed", ".status.counts.failed", "integer"),
            *_LAST,
        ),
    ),
)


class SchemaError(Exception):
    """A model uses what a structural schema cannot hold."""


def structural(model: type[BaseModel]) -> dict[str, Any]:
    """The structural schema of a model. Raises SchemaError for what such a schema cannot hold."""
    _, whole = models_json_schema([(model, "validation")], by_alias=True)
    definitions = whole.get("$defs", {})
    return _node(definitions[model.__name__], definitions, model.__name__)


def _node(schema: Mapping[str, Any], definitions: Mapping[str, Any], path: str) -> dict[str, Any]:
    """One schema node, translated."""
    schema = _resolved(schema, definitions, path)
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _KEPT or key.startswith("x-kubernetes-"):
            made[key] = value
        elif key == "properties":
            made[key] = {name: _node(value[name], definitions, f"{path}.{name}") for name in sorted(value)}
        elif key == "items":
            # No defaults in lists: a client-side apply compares a list as a whole, and would find it changed every time.
            made[key] = _without_defaults(_node(value, definitions, f"{path}[]"))
        elif key != "title":
            made.update(_translated(key, value, definitions, path))
    if made.get("default", ...) is None:
        del made["default"]
    return made


def _without_defaults(schema: Any) -> Any:
    """A schema with no default in it; the models have them all the same."""
    if isinstance(schema, dict):
        return {key: _without_defaults(value) for key, value in schema.items() if key != "default"}
    return [_without_defaults(value) for value in schema] if isinstance(schema, list) else schema


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The node with its reference and its `X or null` inlined; what stands beside them wins."""
    schema = dict(schema)
    if "$ref" in schema:
        target = definitions[schema.pop("$ref").removeprefix("#/$defs/")]
        return _resolved({**target, **schema}, definitions, path)
    if "anyOf" in schema and "x-kubernetes-int-or-string" not in schema:
        branches = [branch for branch in schema.pop("anyOf") if branch != {"type": "null"}]
        if len(branches) != 1:
            raise SchemaError(f"{path}: a union of {len(branches)} types; write one type, or IntOrString")
        branch = _resolved(branches[0], definitions, path)
        return {**branch, **schema}
    return schema


def _translated(key: str, value: Any, definitions: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The OpenAPI keywords for a JSON schema keyword that has another form there."""
    if key == "const":
        return {"enum": [value]}
    if key == "anyOf":  # beside x-kubernetes-int-or-string: the one union that is allowed
        return {key: value}
    if key in {"exclusiveMinimum", "exclusiveMaximum"}:
        return {key.removeprefix("exclusive").lower(): value, key: True}
    if key == "additionalProperties":
        return {} if value is False else {key: _node(value, definitions, f"{path}.*")}
    raise SchemaError(f"{path}: a structural schema has no {key}")


def crd(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    schema = {
        "type": "object",
        "description": kind.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
            "kind": {"type": "string", "description": f"{kind.kind}."},
            "metadata": {"type": "object"},
            "spec": {**structural(kind.spec), "description": "What is wanted. Narwhal never writes it."},
            "status": {
                **_without_defaults(structural(kind.status)),
                "description": "What is seen. Only Narwhal writes it.",
            },
        },
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [column.schema() for column in kind.columns],
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.kind.lower(),
        "shortNames": [kind.short],
        "categories": ["narwhal"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "narwhal"}},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


class _Dumper(yaml.SafeDumper):
    """Writes each node in full: an anchor would tie fields together that only happen to be alike."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Whether to write the node in full: always."""
        return True


def rendered() -> dict[str, str]:
    """The text of each file by its name, the same bytes for the same models."""
    head = "# Generated from narwhal_operator/contract by `python -m narwhal_operator.crdgen`; do not edit.\n"
    return {
        f"{GROUP}_{kind.plural}.yaml": head + yaml.dump(crd(kind), Dumper=_Dumper, sort_keys=True, width=120)
        for kind in KINDS
    }


def stale(root: Path) -> list[str]:
    """The files below `root` that are not as generated, missing and left-over ones too."""
    wanted = {f"{folder}/{name}": text for folder in FOLDERS for name, text in rendered().items()}
    found = {f"{folder}/{path.name}" for folder in FOLDERS for path in (root / folder).glob("*.yaml")}
    changed = {name for name, text in wanted.items() if name in found and (root / name).read_text() != text}
    return sorted(changed | (wanted.keys() ^ found))


def write(root: Path) -> None:
    """Writes the files below `root` and removes those of kinds that are no more."""
    texts = rendered()
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for path in (root / folder).glob("*.yaml"):
            if path.name not in texts:
                path.unlink()
        for name, text in texts.items():
            (root / folder / name).write_text(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the files, or with --check says which are not as generated and returns 1."""
    parser = argparse.ArgumentParser(prog="python -m narwhal_operator.crdgen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is not as generated")
    if not parser.parse_args(arguments).check:
        write(ROOT)
        return 0
    for name in (old := stale(ROOT)):
        sys.stderr.write(f"{name} is not as generated; run: python -m narwhal_operator.crdgen\n")
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
