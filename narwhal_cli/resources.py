"""A manifest as what is to be done: the works, and the Secrets and ConfigMaps that serve their references.

Everything that is wrong in all documents is said at once and before anything starts, as an API server says it of
`kubectl apply`; each mistake with its line and the nearest word that is known.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from narwhal_cli.manifest import Document, ManifestError, Mistake, read_documents
from narwhal_cli.secrets import Values, values_of
from narwhal_cli.words import Path, did_you_mean, field_path, sentences, unknown
from narwhal_cli.works import Key, Library, Work, titles_of
from narwhal_operator.contract import download, library, transcode
from narwhal_operator.contract.base import API_VERSION
from narwhal_operator.contract.common import LocalRef
from narwhal_operator.contract.download import DownloadJobSpec
from narwhal_operator.contract.library import MediaLibrarySpec
from narwhal_operator.contract.model import Contract
from narwhal_operator.contract.transcode import TranscodingJobSpec

DOCUMENT_LIMIT: Final = 2000
_SPECS: Final[Mapping[str, type[Contract]]] = {
    download.KIND: DownloadJobSpec,
    transcode.KIND: TranscodingJobSpec,
    library.KIND: MediaLibrarySpec,
}
_VERSIONS: Final = {**dict.fromkeys(_SPECS, API_VERSION), "Secret": "v1", "ConfigMap": "v1", "Namespace": "v1"}
"""The kinds that are taken. A Namespace asks for nothing here; it is taken because `kubectl apply` takes it too."""
_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})
_METADATA: Final = frozenset(
    {"name", "namespace", "labels", "annotations", "uid", "resourceVersion", "generation", "creationTimestamp"}
    | {"managedFields", "ownerReferences", "finalizers", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"}
)
"""The fields of an object's metadata: what `kubectl get -o yaml` prints is taken as it is."""


@dataclass(frozen=True, slots=True)
class Stream:
    """All that a manifest holds. Secrets and ConfigMaps are found by namespace and name."""

    works: tuple[Work, ...]
    libraries: tuple[Library, ...]
    secrets: Mapping[tuple[str, str], Values] = field(repr=False)
    config_maps: Mapping[tuple[str, str], Values] = field(repr=False)


def read_stream(data: bytes) -> Stream:
    """What a manifest asks for. Raises ManifestError with everything that is wrong in it."""
    documents = [part for document in read_documents(data) for part in _unlisted(document)]
    if not documents:
        raise ManifestError([Mistake("holds no document; write a DownloadJob, a TranscodingJob or a MediaLibrary")])
    if len(documents) > DOCUMENT_LIMIT:
        raise ManifestError([Mistake(f"holds more than {DOCUMENT_LIMIT} documents; split it")])
    reading = _Reading()
    for document in documents:
        reading.add(document)
    if not reading.mistakes and not reading.works:
        reading.mistakes.append(Mistake("holds nothing to run; add a DownloadJob, a TranscodingJob or a MediaLibrary"))
    if reading.mistakes:
        raise ManifestError(sorted(reading.mistakes, key=_place))
    values = reading.values
    return Stream(tuple(reading.works.values()), tuple(reading.libraries), values["Secret"], values["ConfigMap"])


def _place(mistake: Mistake) -> tuple[int, int, str]:
    return (mistake.document or 0, mistake.line or 0, mistake.field or "")


def _unlisted(document: Document) -> Iterator[Document]:
    """The documents of a List, as `kubectl get -o yaml` prints several objects; any other document itself."""
    content = document.content
    if not (isinstance(content, dict) and content.get("kind") == "List" and isinstance(content.get("items"), list)):
        yield document
        return
    for index, item in enumerate(content["items"]):
        yield Document(document.number, item, document.below(("items", index)))


class _Reading:
    """What has been read so far."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self.works: dict[Key, Work] = {}
        self.libraries: list[Library] = []
        self.values: dict[str, dict[tuple[str, str], Values]] = {"Secret": {}, "ConfigMap": {}}
        self._seen: set[Key] = set()

    def add(self, document: Document) -> None:
        """Takes a document in, or notes what is wrong in it."""
        tell = self._teller(document)
        found = len(self.mistakes)
        _check_kind(document.content, tell)
        if len(self.mistakes) > found:
            return
        content: dict[str, Any] = document.content
        _check_metadata(content, tell)
        if content["kind"] == "Namespace":
            return
        taken = self._values(document, tell) if content["kind"] in self.values else _spec(content, tell)
        if len(self.mistakes) > found:
            return
        metadata = content["metadata"]
        key = (content["kind"], metadata.get("namespace") or "default", metadata["name"])
        if key in self._seen:
            tell(("metadata", "name"), f"another document is a {key[0]} of this name in {key[1]} too; keep one")
            return
        self._seen.add(key)
        if isinstance(taken, Contract):
            self._add_works(key, taken, tell)
        else:
            self.values[key[0]][key[1:]] = taken

    def _values(self, document: Document, tell: "Tell") -> Values:
        values, wrong = values_of(document)
        for path, message in wrong:
            tell(path, message, "")
        return values

    def _add_works(self, key: Key, spec: Contract, tell: "Tell") -> None:
        kind, namespace, name = key
        works = [Work(kind, namespace, name, spec)] if isinstance(spec, (DownloadJobSpec, TranscodingJobSpec)) else []
        if isinstance(spec, MediaLibrarySpec):
            self.libraries.append(Library(namespace, name, len(spec.items), spec.max_concurrent_items))
            try:
                works = list(titles_of(namespace, name, spec))
            except ValidationError as error:
                for _, message in sentences(error, type(spec), {}):
                    tell(("spec", "items"), f"makes a job that is wrong: {message}")
        for work in works:
            if work.key in self.works:
                tell(("metadata", "name"), f"{work.title} is in this manifest twice: by itself and by a MediaLibrary")
            self.works[work.key] = work

    def _teller(self, document: Document) -> "Tell":
        subject = _subject(document.content)

        def tell(path: Path, message: str, shown: str | None = None) -> None:
            where = field_path(path) if shown is None else shown
            line = document.line(path)
            self.mistakes.append(Mistake(message, document.number, subject, line, where or None))

        return tell


Tell = Callable[..., None]
"""Notes a mistake: the path of the field, what is wrong with it, and what to show in place of the path."""


def _subject(content: Any) -> str | None:
    if not isinstance(content, dict) or not isinstance(content.get("kind"), str):
        return None
    metadata = content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{content['kind']}/{name}" if isinstance(name, str) else content["kind"]


def _check_kind(content: Any, tell: Tell) -> None:
    if not isinstance(content, dict):
        tell((), "is no object; it needs apiVersion, kind, metadata and spec")
        return
    kind = content.get("kind")
    if not isinstance(kind, str):
        tell(("kind",), f"is required: one of {', '.join(_VERSIONS)}")
    elif kind not in _VERSIONS:
        close = did_you_mean(kind, _VERSIONS)
        hint = f"did you mean {close}? " if close else ""
        tell(("kind",), f"is none that is known; {hint}narwhal run takes {', '.join(_VERSIONS)}")
    elif content.get("apiVersion") != _VERSIONS[kind]:
        tell(("apiVersion",), f"must be {_VERSIONS[kind]} for a {kind}")


def _check_metadata(content: dict[str, Any], tell: Tell) -> None:
    metadata = content.get("metadata")
    if not isinstance(metadata, dict):
        tell(("metadata",), "is required: a mapping with the name")
        return
    for name in metadata.keys() - _METADATA:
        tell(("metadata", name), unknown(name, _METADATA))
    if "name" not in metadata:
        tell(("metadata", "name"), "is required")
    for field_name in ("name", "namespace"):
        try:
            LocalRef.from_wire({"name": metadata.get(field_name) or "default"})
        except ValidationError as error:
            for _, message in sentences(error, LocalRef, {"name": ""}):
                tell(("metadata", field_name), message)


def _spec(content: dict[str, Any], tell: Tell) -> Any:
    """The spec as a model; None where it is wrong, which has been told."""
    for name in content.keys() - _FIELDS:
        tell((name,), unknown(name, _FIELDS))
    model = _SPECS[content["kind"]]
    if not isinstance(content.get("spec"), dict):
        tell(("spec",), "is required: a mapping of fields")
        return None
    try:
        return model.from_wire(content["spec"])
    except ValidationError as error:
        for path, message in sentences(error, model, content["spec"]):
            tell(("spec", *path), message)
        return None
