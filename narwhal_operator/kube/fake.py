"""The API server in memory: the twin of `kube.client.Client` for tests and for thinking about faults.

It keeps what decisions lean on: resourceVersions, conflicts, generations, the status subresource, finalizers, owner
references with foreground and background deletion, selectors. `before` and `after` are called around each write with its
number, so that a test can end the operator at any of them. Controllers are not in it: a test plays them.
"""

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from narwhal_operator.contract.naming import digest_of
from narwhal_operator.core.text import rfc3339
from narwhal_operator.kube.errors import AlreadyExists, Conflict, NotFound, Refused, error_of
from narwhal_operator.kube.paths import collection

Json = dict[str, Any]
Hook = Callable[[int, str, str], None]
FOREGROUND: Final = "foregroundDeletion"


def _nothing(_number: int, _verb: str, _path: str) -> None:
    return


@dataclass
class FakeApi:
    """Objects by path, and a record of all writes."""

    clock: Callable[[], datetime] = lambda: datetime(2026, 1, 1, tzinfo=UTC)
    objects: dict[str, Json] = field(default_factory=dict)
    writes: list[tuple[str, str]] = field(default_factory=list)  # verb and path, in their order
    refusals: dict[tuple[str, str], tuple[int, Json]] = field(default_factory=dict)  # (verb, path) -> code and Status
    before: Hook = _nothing
    after: Hook = _nothing
    version: int = 0  # the last resourceVersion given
    _births: Counter[str] = field(default_factory=Counter)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """One object, or all of a collection that the selectors take."""
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        if query is None:
            raise NotFound(f"{path} is not there", 404)
        inside = [p for p in self.objects if path in {_collection(p), _all(p)}]
        items = [copy.deepcopy(self.objects[p]) for p in sorted(inside) if _taken(self.objects[p], query)]
        return {"kind": "List", "metadata": {}, "items": items}

    async def create(self, path: str, body: Json) -> Json:
        """A new object, with the metadata an API server gives."""
        target = f"{path}/{body['metadata']['name']}"
        with _Write(self, "create", path):
            if target in self.objects:
                raise AlreadyExists(f"{target} exists", 409)
            made = copy.deepcopy(body)
            self._births[target] += 1  # the uid of the same story is the same in each telling
            made["metadata"] |= {
                "uid": digest_of([target, self._births[target]]),
                "generation": 1,
                "creationTimestamp": rfc3339(self.clock()),
            }
            self.objects[target] = made
            self._bump(target)
        return copy.deepcopy(made)

    async def replace(self, path: str, body: Json) -> Json:
        """The status of an object; its spec and metadata stay."""
        target = path.removesuffix("/status")
        with _Write(self, "replace", path):
            current = self._current(target)
            self._same_version(target, body["metadata"].get("resourceVersion"))
            current["status"] = copy.deepcopy(body.get("status", {}))
            self._bump(target)
        return copy.deepcopy(self.objects[target])

    async def patch(self, path: str, body: Json | list[Json]) -> Json:
        """A merge patch, or a JSON patch that replaces the spec; the status is not touched."""
        with _Write(self, "patch", path):
            current = self._current(path)
            old_spec = copy.deepcopy(current.get("spec"))
            if isinstance(body, list):
                current["spec"] = copy.deepcopy(body[0]["value"])
            else:
                self._same_version(path, body.get("metadata", {}).get("resourceVersion"))
                _merge(current, {name: value for name, value in body.items() if name != "status"})
            if current.get("spec") != old_spec:
                current["metadata"]["generation"] += 1
            self._bump(path)
            self._gone_if_free(path)
        return copy.deepcopy(current)

    async def delete(self, path: str, body: Json) -> None:
        """Deletion, at once or when the finalizers and, in the foreground, the dependents are gone."""
        with _Write(self, "delete", path):
            current, meta = self._current(path), self._current(path)["metadata"]
            for name, value in (body.get("preconditions") or {}).items():
                if meta.get(name) != value:
                    raise Conflict(f"{path} has another {name}", 409)
            if body.get("propagationPolicy") == "Foreground" and list(self._dependents(current)):
                meta["finalizers"] = [*meta.get("finalizers", []), FOREGROUND]
            meta.setdefault("deletionTimestamp", rfc3339(self.clock()))
            self._bump(path)
            self._gone_if_free(path)

    def collect(self) -> None:
        """What the garbage collector does, once: dependents of what is gone or goes in the foreground are deleted."""
        uids = {obj["metadata"]["uid"]: obj for obj in self.objects.values()}
        for path, obj in list(self.objects.items()):
            for owner in obj["metadata"].get("ownerReferences", ()):
                above = uids.get(owner["uid"])
                if above is None or FOREGROUND in above["metadata"].get("finalizers", ()):
                    obj["metadata"].setdefault("deletionTimestamp", rfc3339(self.clock()))
                    self._gone_if_free(path)
        for path, obj in list(self.objects.items()):
            finalizers = obj["metadata"].get("finalizers", [])
            if FOREGROUND in finalizers and not list(self._dependents(obj)):
                finalizers.remove(FOREGROUND)
                self._gone_if_free(path)

    def set(self, path: str, change: Json) -> Json:
        """What a user or a controller does: a merge patch of anything, status too. Not counted as a write of ours."""
        current = self._current(path)
        old_spec = copy.deepcopy(current.get("spec"))
        _merge(current, change)
        if current.get("spec") != old_spec:
            current["metadata"]["generation"] += 1
        self._bump(path)
        return current

    def of_kind(self, kind: str) -> list[Json]:
        """All objects of a kind, by name."""
        plural = collection(kind, None).rsplit("/", 1)[1]
        return [obj for path, obj in sorted(self.objects.items()) if _plural(path) == plural]

    def _dependents(self, owner: Json) -> Iterator[Json]:
        uid = owner["metadata"]["uid"]
        for obj in self.objects.values():
            if any(reference["uid"] == uid for reference in obj["metadata"].get("ownerReferences", ())):
                yield obj

    def _current(self, path: str) -> Json:
        if path not in self.objects:
            raise NotFound(f"{path} is not there", 404)
        return self.objects[path]

    def _same_version(self, path: str, version: str | None) -> None:
        if version is not None and version != self.objects[path]["metadata"]["resourceVersion"]:
            raise Conflict(f"{path} has changed", 409)

    def _bump(self, path: str) -> None:
        self.version += 1
        self.objects[path]["metadata"]["resourceVersion"] = str(self.version)

    def _gone_if_free(self, path: str) -> None:
        meta = self.objects[path]["metadata"]
        if "deletionTimestamp" in meta and not meta.get("finalizers"):
            del self.objects[path]
            self.version += 1


class _Write:
    """Around one write: the hooks, the refusals, the record."""

    def __init__(self, api: FakeApi, verb: str, path: str) -> None:
        self._api, self._verb, self._path = api, verb, path

    def __enter__(self) -> None:
        api = self._api
        api.before(len(api.writes) + 1, self._verb, self._path)
        refusal = api.refusals.get((self._verb, self._path))
        if refusal is not None:
            raise error_of(refusal[0], refusal[1], None)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or not issubclass(kind, NotFound | Refused | Conflict | AlreadyExists):
            self._api.writes.append((self._verb, self._path))
            self._api.after(len(self._api.writes), self._verb, self._path)


def _collection(path: str) -> str:
    return path.rsplit("/", 1)[0]


def _plural(path: str) -> str:
    return path.rsplit("/", 2)[1]


def _all(path: str) -> str:
    """The path of the collection over all namespaces that an object is in."""
    head, _, tail = path.partition("/namespaces/")
    return f"{head}/{tail.split('/')[1]}"


def _taken(obj: Json, query: Mapping[str, str]) -> bool:
    labels = obj["metadata"].get("labels", {})
    for part in query.get("labelSelector", "").split(","):
        name, equal, value = part.partition("=")
        if part and (name not in labels or (equal and labels[name] != value)):
            return False
    fields = [part.split("=", 1) for part in query.get("fieldSelector", "").split(",") if part]
    return all(str(_at(obj, name)) == value for name, value in fields)


def _at(obj: Json, path: str) -> Any:
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _merge(target: Json, change: Json) -> None:
    """RFC 7396."""
    for name, value in change.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        else:
            target[name] = copy.deepcopy(value)
