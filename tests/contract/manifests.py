"""The manifests of these tests, and our models as a second judge of them."""

from pathlib import Path
from typing import Any, Final

import yaml

from narwhal_operator import crdgen
from narwhal_operator.contract.download import DownloadJobSpec
from narwhal_operator.contract.library import MediaLibrarySpec
from narwhal_operator.contract.model import Contract
from narwhal_operator.contract.transcode import TranscodingJobSpec

ROOT: Final = Path(__file__).resolve().parents[2]
SAMPLES: Final = sorted((ROOT / "config" / "samples").glob("*.yaml"))
NEGATIVE: Final = sorted(Path(__file__).with_name("negative").glob("*.yaml"))
SPECS: Final[dict[str, type[Contract]]] = {
    "DownloadJob": DownloadJobSpec,
    "TranscodingJob": TranscodingJobSpec,
    "MediaLibrary": MediaLibrarySpec,
}
CRDS: Final = {kind.plural: crdgen.crd(kind) for kind in crdgen.KINDS}


def documents(path: Path) -> list[dict[str, Any]]:
    """The manifests of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def local_verdict(document: dict[str, Any]) -> str | None:
    """What our models say against a manifest, or None when they take it (or it is none of ours)."""
    model = SPECS.get(document["kind"])
    if model is None:
        return None
    try:
        model.from_wire(document["spec"])
    except ValueError as error:
        return str(error)
    return None


def schema(plural: str) -> dict[str, Any]:
    """The schema of a kind."""
    found: dict[str, Any] = CRDS[plural]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def nodes(node: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every field below a schema node with its path."""
    below = [(f"{path}.{name}", child) for name, child in node.get("properties", {}).items()]
    if "items" in node:
        below.append((f"{path}[]", node["items"]))
    if "additionalProperties" in node:
        below.append((f"{path}.*", node["additionalProperties"]))
    return [found for name, child in below for found in [(name, child), *nodes(child, name)]]


def own_messages() -> set[str]:
    """The messages of all CEL rules: the words that are ours and the same in both tongues."""
    rules = [rule for plural in CRDS for _, node in nodes(schema(plural)) for rule in _rules(node)]
    return {rule["message"] for rule in rules}


def _rules(node: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.get("x-kubernetes-validations", [])
    return found
