"""The versions of an output: which there are, which one is published, which may go. The rule is pure; `Rack` reads.

outcome.json is the last that is written of a version, and is put again each time its version is published again: its
time is when that version was last published, and a version was superseded when the next one was.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from narwhal_operator.contract.model import Contract, ValidationError
from narwhal_operator.contract.transcode import Output, TranscodePlan, TranscodeResult
from workers.common.store import IMMUTABLE, POINTER, ObjectInfo, ObjectStore, content_type_of
from workers.transcode.layout import VERSION, Layout

ORDER: Final = "order.json"
OUTCOME: Final = "outcome.json"


class Record(Contract):
    """outcome.json: what was published, and the pointers word for word, so that a repeated run can put them again."""

    plan: TranscodePlan
    result: TranscodeResult
    master: str
    manifest: str | None = None


class Version(msgspec.Struct, frozen=True):
    """A version as the store lists it."""

    name: str
    keys: tuple[str, ...]
    size: int
    """Bytes of all its objects."""
    published: datetime | None
    """When it was last published; None: no run has finished it."""
    named: bool
    """Whether a pointer names it."""
    verified: datetime | None = None
    """When it was last verified: from then on a pointer may have named it, whatever was written down of that."""


def superseded(version: Version, versions: Iterable[Version]) -> datetime | None:
    """When another version took the place of this one; None when none did."""
    own = version.published or version.verified
    if own is None:
        return None
    later = [
        other.published
        for other in versions
        if other.published and (other.published, other.name) > (own, version.name) and other is not version
    ]
    return min(later, default=None)


def pending(versions: Sequence[Version], keep: int, grace: timedelta, now: datetime) -> list[tuple[Version, datetime]]:
    """The versions whose grace still runs and that go when it is over, and since when each is superseded."""
    over = expired(versions, keep, grace, now)
    later = [version for version in expired(versions, keep, timedelta(), now) if version not in over]
    found = [(version, superseded(version, versions)) for version in later]
    return [(version, since) for version, since in found if since is not None]


def expired(versions: Sequence[Version], keep: int, grace: timedelta, now: datetime) -> list[Version]:
    """The versions that may go: unfinished ones, and of the superseded those beyond `keep` whose grace has passed.

    Never one that a pointer names. One that was verified and then neither published nor superseded is unfinished, too: no
    pointer has ever named it, for what takes a pointer's place is written down.
    """
    others = [version for version in versions if not version.named]
    old = [(version.published, version) for version in others if version.published]
    old.sort(key=lambda pair: (pair[0], pair[1].name), reverse=True)
    unfinished = [version for version in others if not version.published]
    gone = [version for version in unfinished if superseded(version, versions) is None]
    for version in [*unfinished, *(version for _, version in old[keep:])]:
        since = superseded(version, versions)
        if since is not None and now - since >= grace:
            gone.append(version)
    return gone


def owner_of(text: bytes) -> str | None:
    """The uid in an order.json; None where it is cut, or says none."""
    try:
        about: Any = json.loads(text)
    except ValueError:
        return None
    uid = about.get("uid") if isinstance(about, dict) else None
    return uid if isinstance(uid, str) else None


class Rack(msgspec.Struct, frozen=True):
    """The versions of one output in a store. Synchronous: for a thread of its own."""

    store: ObjectStore
    bucket: str
    prefix: str

    @classmethod
    def of(cls, store: ObjectStore, output: Output) -> "Rack":
        """The rack of an order's output."""
        return cls(store, output.bucket, output.prefix)

    def versions(self) -> list[Version]:
        """All versions, by name."""
        found: dict[str, list[ObjectInfo]] = {}
        for info in self.store.list(self.bucket, f"{self.prefix}/v/"):
            if match := VERSION.match(info.key.removeprefix(f"{self.prefix}/")):
                found.setdefault(match[1], []).append(info)
        named = self.named()
        return [self._version(name, infos, name in named) for name, infos in sorted(found.items())]

    def _version(self, name: str, infos: Sequence[ObjectInfo], named: bool) -> Version:
        layout, times = Layout(self.prefix, name), {info.key: info.last_modified for info in infos}
        size = sum(info.size for info in infos)
        return Version(name, tuple(times), size, times.get(layout.outcome), named, times.get(layout.report))

    def named(self) -> set[str]:
        """The versions that the pointers name."""
        layout = Layout(self.prefix, "")
        return self.named_by(layout.master) | self.named_by(layout.manifest)

    def named_by(self, pointer: str) -> set[str]:
        """The versions that one pointer names; none where it is not there."""
        text = self.store.read(self.bucket, pointer) if self.store.head(self.bucket, pointer) else b""
        return {match[1] for match in VERSION.finditer(text.decode("utf-8", "replace"))}

    def owner(self, version: Version) -> str | None:
        """The uid of the resource whose version it is; None when nothing says so."""
        key = Layout(self.prefix, version.name).order
        return owner_of(self.store.read(self.bucket, key)) if key in version.keys else None

    def record(self, version: Version) -> Record | None:
        """What was published as that version; None when it is unfinished, of another Narwhal, or an object is gone."""
        outcome = Layout(self.prefix, version.name).outcome
        if outcome not in version.keys:
            return None
        text = self.store.read(self.bucket, outcome)
        try:
            found = Record.from_json(text)
        except ValidationError:
            return None
        whole = (len(version.keys) - 1, version.size - len(text))
        return found if whole == (found.result.objects, found.result.bytes) else None

    def point(self, version: str, record: Record) -> None:
        """Publishes a version that was published before: its outcome's time first, then the pointers, one PUT each.

        Killed in between, it has published nothing, or a manifest beside an older master: both play, and either
        repetition mends it.
        """
        layout = Layout(self.prefix, version)
        self._put(layout.outcome, json.dumps(record.wire()), IMMUTABLE)
        if record.manifest is not None:
            self._put(layout.manifest, record.manifest, POINTER)
        self._put(layout.master, record.master, POINTER)
        if record.manifest is None:
            self.store.delete(self.bucket, [layout.manifest])

    def _put(self, key: str, text: str, cache_control: str) -> None:
        kind = content_type_of(key)
        self.store.put(self.bucket, key, text.encode(), content_type=kind, cache_control=cache_control)
