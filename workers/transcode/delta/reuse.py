"""Takes from other versions of an output what this one would make again: copied within the store, before anything is encoded.

Copies, not references: each version stays whole by itself, and a sweep of one harms no other. A run that is killed here has
left segments of its own version, which the next one takes for its own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.log import log
from workers.common.store import ObjectInfo
from workers.transcode.delta.identity import Film, identities, known
from workers.transcode.layout import ANEW, INIT, RENDITIONS, VERSION, Layout, segment_index
from workers.transcode.measure import adopt
from workers.transcode.rendition import Rendition, Title
from workers.transcode.shelf import Shelf
from workers.transcode.tasks import together

VERSIONS: Final = 24
"""Versions that are looked into, the youngest first: keepVersions is 20 at most."""
PASSED: Final = frozenset({Reason.INPUT_NOT_FOUND, Reason.INPUT_CHANGED, Reason.NOT_SUPPORTED})
"""Why an object is not copied but made: it was swept away since it was listed, or this store copies nothing."""


class Other(msgspec.Struct, frozen=True):
    """Another version of the output: what is stored of it, by path."""

    name: str
    stored: dict[str, ObjectInfo]

    def of(self, rendition: Rendition) -> dict[str, ObjectInfo]:
        """Init segment and segments of a rendition, by name."""
        prefix = f"{rendition.path}/"
        names = {path.removeprefix(prefix): info for path, info in self.stored.items() if path.startswith(prefix)}
        return {name: info for name, info in names.items() if name == INIT or segment_index(name) is not None}


@dataclass(slots=True)
class Reuse:
    """The taking for one version, which is claimed and of which nothing is encoded yet."""

    shelf: Shelf
    title: Title
    film: Film
    segments: int = 0
    """Taken so far, as are the next."""
    size: int = 0
    """Bytes of them."""
    versions: list[str] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    stored: dict[str, ObjectInfo] | None = None
    """What this version has, by path, with what was taken; none where nothing was looked at."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for the plan that says what was taken; none where nothing was."""
        if not self.segments:
            return ()
        what = f"{self.segments} segments of {len(self.paths)} of {len(self.title.renditions)} renditions"
        return (f"reused of version {', '.join(self.versions[:3])}: {what}; not encoded again",)

    async def run(self) -> None:
        """Writes down what this version's renditions are made of, and takes what others have of them. Raises WorkError."""
        if not known(self.film):
            return
        wanted = identities(self.title, self.film)
        text = json.dumps(wanted, sort_keys=True).encode()
        own, others = await self._versions()
        self.stored = own.stored
        if RENDITIONS not in own.stored or await self.shelf.read(RENDITIONS) != text:
            await self.shelf.put(f"{self.shelf.layout.root}/{RENDITIONS}", text)
        if ANEW in own.stored:
            return
        for other in others[:VERSIONS]:
            await self._look(other, own, wanted)
        if self.segments:
            log("info", "reused", versions=self.versions, segments=self.segments, bytes=self.size)

    async def _look(self, other: Other, own: Other, wanted: Mapping[str, str]) -> None:
        try:
            made = await self._made(other)
            for one in self.title.renditions:
                if made.get(one.path) == wanted[one.path]:
                    await self._take(one, own, other)
        except WorkError as error:
            if error.reason not in PASSED:
                raise
            log("warning", "not reused", version=other.name, reason=error.reason.value, message=error.message)

    async def _versions(self) -> tuple[Other, list[Other]]:
        """This version, and those of which it is written down what they are made of, the youngest first."""
        layout = self.shelf.layout
        stored: dict[str, dict[str, ObjectInfo]] = {layout.version: {}}
        listing = await self.shelf.call(lambda: list(self.shelf.store.list(self.shelf.bucket, f"{layout.prefix}/v/")))
        for info in listing:
            path = info.key.removeprefix(f"{layout.prefix}/")
            if match := VERSION.match(path):
                stored.setdefault(match[1], {})[path[match.end() :]] = info
        own = Other(layout.version, stored.pop(layout.version))
        told = [Other(version, found) for version, found in stored.items() if RENDITIONS in found]
        told.sort(key=lambda other: (str(other.stored[RENDITIONS].last_modified), other.name), reverse=True)
        return own, told

    def _shelf_of(self, other: Other) -> Shelf:
        return Shelf(
            self.shelf.store, self.shelf.bucket, Layout(self.shelf.layout.prefix, other.name), self.shelf.slots
        )

    async def _made(self, other: Other) -> dict[str, Any]:
        """The digests of a version's renditions."""
        text = await self._shelf_of(other).read(RENDITIONS)
        try:
            found: Any = json.loads(text) if text else {}
        except ValueError:
            return {}  # cut: nothing is known of it
        return found if isinstance(found, dict) else {}

    async def _take(self, one: Rendition, own: Other, other: Other) -> None:
        """Copies what is missing of a rendition; the init segment first, as an encode stores it."""
        mine, theirs = own.of(one), other.of(one)
        missing = {name: info for name, info in theirs.items() if name != INIT and name not in mine}
        if not missing or (one.audio and not self._whole(one, theirs)):
            return
        if INIT not in theirs and not one.transport:
            return  # transport streams have none: each segment plays by itself
        if INIT in mine and await self._bytes(mine[INIT]) != await self._bytes(theirs[INIT]):
            return  # of another encode: it plays with its own segments only
        if one.audio and not await adopt(self.title.plan, one.audio, self.shelf, self._shelf_of(other)):
            return
        if one.audio:  # packets of two runs do not join: all are of that version
            missing = {name: info for name, info in theirs.items() if name != INIT}
        if INIT in theirs and INIT not in mine:
            await self._copy(one, INIT, theirs[INIT], own)
        self.versions += [other.name] if other.name not in self.versions else []
        await together(*(self._segment(one, name, info, own) for name, info in missing.items()))

    def _whole(self, one: Rendition, theirs: Mapping[str, ObjectInfo]) -> bool:
        track, seconds = one.audio, self.title.plan.timeline.segment_duration
        return track is not None and len(theirs) == track.segments(seconds) + (0 if one.transport else 1)

    async def _segment(self, one: Rendition, name: str, info: ObjectInfo, own: Other) -> None:
        await self._copy(one, name, info, own)
        self.segments += 1
        self.size += info.size
        self.paths.add(one.path)

    async def _copy(self, one: Rendition, name: str, info: ObjectInfo, own: Other) -> None:
        made = await self.shelf.call(self.shelf.store.copy, self.shelf.bucket, info, self.shelf.key(one, name))
        own.stored[f"{one.path}/{name}"] = made

    async def _bytes(self, info: ObjectInfo) -> bytes:
        return await self.shelf.call(self.shelf.store.read, self.shelf.bucket, info.key)
