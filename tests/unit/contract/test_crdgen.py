"""The CRD generator: structural schemas, described and bounded, the same bytes every time."""

import re
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import Field

from narwhal_operator import crdgen
from narwhal_operator.contract.model import Contract
from narwhal_operator.contract.rules import Rule
from tests.contract.manifests import CRDS, nodes, schema

# What apiextensions.k8s.io/v1 allows in a structural schema.
STRUCTURAL = {
    "additionalProperties",
    "anyOf",
    "default",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-validations",
}


def is_of(part: str, path: str) -> bool:
    """Whether a field belongs to spec or status."""
    return path.startswith(f".{part}.")


@pytest.mark.parametrize("plural", CRDS)
def test_every_field_says_what_it_is(plural: str) -> None:
    """Every field but metadata has a description of a sentence."""
    silent = [
        path
        for path, node in nodes(schema(plural))
        if path != ".metadata" and not path.endswith(("[]", ".*")) and len(node.get("description", "")) < 5
    ]
    assert silent == []


@pytest.mark.parametrize("plural", CRDS)
def test_the_schema_is_structural(plural: str) -> None:
    """No keyword that a structural schema cannot hold, and a type everywhere."""
    for path, node in nodes(schema(plural)):
        assert node.keys() <= STRUCTURAL, path
        assert "type" in node or "x-kubernetes-int-or-string" in node, path
        assert "properties" not in node or "additionalProperties" not in node, path


@pytest.mark.parametrize("plural", CRDS)
def test_everything_is_bounded(plural: str) -> None:
    """Every text, list and map has an upper bound, so that rules have a cost and a status a size."""
    for path, node in nodes(schema(plural)):
        if path in {".apiVersion", ".kind", ".metadata"}:
            continue
        if "additionalProperties" in node:
            assert "maxProperties" in node, path
        bound = {"array": "maxItems", "string": "maxLength"}.get(node.get("type", ""))
        assert bound is None or bound in node or "enum" in node or "pattern" in node, path


@pytest.mark.parametrize("plural", CRDS)
def test_defaults_stand_only_where_they_harm_nobody(plural: str) -> None:
    """No default in a status, none inside a list (GitOps tools compare lists whole), none that picks a union's member."""
    for path, node in nodes(schema(plural)):
        if is_of("status", path) or "[]" in path:
            assert "default" not in node, path
    assert all("default" not in node for path, node in nodes(schema(plural)) if path.endswith((".ladder", ".source")))


@pytest.mark.parametrize("plural", CRDS)
def test_every_rule_says_the_mend(plural: str) -> None:
    """Each CEL rule has a message that tells what to do: what must be, what to set, or what else to do."""
    for path, node in nodes(schema(plural)):
        for rule in node.get("x-kubernetes-validations", []):
            assert re.search(r"\bmust\b|^set exactly one|is immutable; ", rule["message"]), path


def test_files_are_as_generated() -> None:
    """crds/ and the chart's copies are what the models say; `python -m narwhal_operator.crdgen` writes them."""
    assert crdgen.stale(crdgen.ROOT) == []


def test_the_same_models_make_the_same_bytes() -> None:
    """Two runs differ in nothing, and keys are sorted."""
    assert crdgen.rendered() == crdgen.rendered()
    for text in crdgen.rendered().values():
        document = yaml.safe_load(text)
        assert yaml.dump(document, sort_keys=True) == yaml.dump(document, sort_keys=False)


def test_check_names_what_is_changed_missing_and_left_over(tmp_path: Path) -> None:
    """A file that differs, one that lacks and one of a kind that is no more are each named."""
    crdgen.write(tmp_path)
    assert crdgen.stale(tmp_path) == []
    folder = tmp_path / "crds"
    (folder / "narwhal.dev_downloadjobs.yaml").write_text("kind: Other\n")
    (folder / "narwhal.dev_medialibraries.yaml").unlink()
    (folder / "narwhal.dev_gone.yaml").write_text("")
    found = crdgen.stale(tmp_path)
    assert found == [f"crds/narwhal.dev_{name}.yaml" for name in ("downloadjobs", "gone", "medialibraries")]
    crdgen.write(tmp_path)
    assert crdgen.stale(tmp_path) == []


class _Inner(Contract):
    """An inner object."""

    cel = (Rule("self.size > 0", "size must be more than 0"),)
    size: Annotated[int, Field(gt=0)] = 1


class _Model(Contract):
    """A model of what pydantic emits and a structural schema lacks."""

    inner: _Inner | None = Field(None, description="A reference and null.")
    fixed: dict[str, float] = Field(default_factory=dict, max_length=2, description="A map.")
    word: str | None = Field("x", description="A default and null.")


class _Union(Contract):
    """A union no schema can hold."""

    value: int | list[str] = 0


class _Tuple(Contract):
    """A tuple no schema can hold."""

    value: tuple[int, str] = (0, "")


def test_a_schema_is_translated() -> None:
    """References are inlined, null goes, titles go, an exclusive bound becomes a boolean, the outer description wins."""
    made: dict[str, Any] = crdgen.structural(_Model)["properties"]
    assert made["inner"] == {
        "type": "object",
        "description": "A reference and null.",
        "properties": {"size": {"type": "integer", "default": 1, "minimum": 0, "exclusiveMinimum": True}},
        "x-kubernetes-validations": [{"rule": "self.size > 0", "message": "size must be more than 0"}],
    }
    assert made["fixed"] == {
        "type": "object",
        "description": "A map.",
        "additionalProperties": {"type": "number"},
        "maxProperties": 2,
    }
    assert made["word"] == {"type": "string", "description": "A default and null.", "default": "x"}


@pytest.mark.parametrize(
    ("model", "words"), [(_Union, "_Union.value: a union of 2 types"), (_Tuple, "_Tuple.value: .* no prefixItems")]
)
def test_what_no_schema_can_hold_is_an_error(model: type[Contract], words: str) -> None:
    """A model that a structural schema cannot express is refused with the field's path, not written wrong."""
    with pytest.raises(crdgen.SchemaError, match=words):
        crdgen.structural(model)
