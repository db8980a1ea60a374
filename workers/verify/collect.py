"""Collects the facts of a package: its texts, then each object they name, each read once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from workers.verify import images, mpd, packed, playlist, ts, webvtt
from workers.verify.boxes import DamagedSegmentError
from workers.verify.encrypted import BLOCK, SAMPLES, KeyOf, Lock, begins, lock_of, unlocked
from workers.verify.facts import Kind, Known, Object, Package, Segment, Stream
from workers.verify.fragment import Fragment, fragments
from workers.verify.init import Track, read_tracks
from workers.verify.mpd import Manifest, ManifestError, Piece, Representation
from workers.verify.opened import Opened
from workers.verify.playlist import Entry, Playlist, Range, Reference
from workers.verify.readers import PARALLEL, Reader

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

WINDOW: Final = 64 * 1024
"""Bytes of a segment that are read at once: its boxes before the media data, and its first picture."""
HEADER: Final = 4096
"""Bytes of an image that are read: its size stands in them."""
INIT_LIMIT: Final = 1024 * 1024
MOST_PLAYLISTS: Final = 500
TEXT_LIMIT: Final = 16 * 1024 * 1024
STEPS: Final = 20_000
"""Times a segment's reader may ask."""
KINDS: Final[Mapping[str, Kind]] = {
    "audio": "audio",
    "subtitles": "subtitles",
    "i-frames": "i-frames",
    "images": "images",
    "video": "video",
}
DECLARED: Final[Mapping[str, Kind]] = {
    "video": "video",
    "audio": "audio",
    "text": "subtitles",
    "application": "subtitles",
    "image": "images",
}
"""By the contentType or the first half of the mimeType of a Representation."""


class NotAPackageError(Exception):
    """What was given is no HLS or DASH package, or does not answer; the message says what it is instead."""

    def __init__(self, message: str, found: Object) -> None:
        super().__init__(message)
        self.found = found


@dataclass(slots=True)
class Collector:
    """One collection."""

    reader: Reader
    known: Mapping[str, Known] = field(default_factory=dict)
    """What was read before of objects, by path."""
    keys: KeyOf | None = None
    """The content key behind a URI of EXT-X-KEY, where it is known."""
    objects: dict[str, Object] = field(default_factory=dict)
    problems: list[tuple[str, str, int | None, str]] = field(default_factory=list)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARALLEL))
    _reads: dict[tuple[str, Range | None, str], "asyncio.Future[Segment]"] = field(default_factory=dict)
    _inits: dict[tuple[str, Range | None], "asyncio.Future[tuple[Track, ...] | str]"] = field(default_factory=dict)

    async def run(self, entries: Sequence[str]) -> Package:
        """The facts of a package with these entries: master or media playlists, manifests. Raises NotAPackageError."""
        playlists: list[Playlist] = []
        manifests: list[Manifest] = []
        for entry in entries:
            data = await self._text(entry)
            if data is None:
                raise NotAPackageError(f"{entry}: {self.objects[entry].missing}", self.objects[entry])
            if _looks_like_xml(data):
                manifests += await self._manifest(entry, data)
            elif data.lstrip(b"\xef\xbb\xbf \r\n").startswith((b"#EXT", b"#")):
                playlists.append(playlist.parse(data, entry))
            else:
                words = f"{entry} is neither a playlist (#EXTM3U) nor a manifest (<MPD>)"
                raise NotAPackageError(words, self.objects[entry])
        targets, kinds, named = await self._named(playlists)
        playlists += named
        media = [one for one in playlists if one.entries or (not one.master and one.has("EXT-X-TARGETDURATION"))]
        streams = await _all(self._stream(one, kinds.get(one.uri, "unknown")) for one in media)
        dash = await _all(self._representation(m, r) for m in manifests for r in m.representations)
        return Package(
            entries=tuple(entries),
            playlists=tuple(playlists),
            manifests=tuple(manifests),
            streams=(*streams, *dash),
            objects=self.objects,
            targets=targets,
            problems=tuple(self.problems),
            remote=self.reader.remote,
        )

    async def _text(self, uri: str) -> bytes | None:
        data, found = await self.reader.read(uri)
        if len(data) > TEXT_LIMIT:
            found = replace(found, missing=f"a text of more than {TEXT_LIMIT // 1024**2} MiB")
        self.objects[uri] = found
        return data if found.missing is None else None

    async def _manifest(self, uri: str, data: bytes) -> list[Manifest]:
        try:
            return [mpd.parse(data, uri)]
        except ManifestError as error:
            self.problems.append(("mpd-well-formed", uri, None, str(error)))
            return []

    async def _named(self, masters: Sequence[Playlist]) -> tuple[dict[str, str], dict[str, Kind], list[Playlist]]:
        """What each master names: playlists by line, their kinds, and the playlists."""
        targets: dict[str, str] = {}
        kinds: dict[str, Kind] = {}
        for master in masters:
            for who, what, uri in playlist.references(master):
                target = self.reader.join(master.uri, uri)
                targets[f"{master.uri} {who.line}"] = target
                kinds.setdefault(target, KINDS.get(what, "unknown"))
            for tag in master.all("EXT-X-SESSION-DATA"):
                if named := tag.attributes.get("URI"):
                    target = self.reader.join(master.uri, named)
                    targets[f"{master.uri} {tag.line}"] = target
                    self._saw(target, (await self.reader.read(target, 0, 16))[1])
        given = {one.uri for one in masters}
        wanted = [uri for uri in kinds if uri not in given][:MOST_PLAYLISTS]
        texts = await _all(self._text(uri) for uri in wanted)
        found = [playlist.parse(text, uri) for uri, text in zip(wanted, texts, strict=True) if text is not None]
        return targets, kinds, found

    async def _stream(self, one: Playlist, kind: Kind) -> Stream:
        segments = await _all(self._entry(one, entry, kind, number) for number, entry in enumerate(one.entries))
        if one.images or one.i_frames:
            kind = "images" if one.images else "i-frames"
        inits = dict.fromkeys(self.reader.join(one.uri, e.map.uri) for e in one.entries if e.map)
        stream = Stream(one.uri, kind, "unknown", (), tuple(segments), playlist=one, inits=tuple(inits))
        return self._judged(stream)

    def _judged(self, stream: Stream) -> Stream:
        """With what its segments say of it."""
        first = next((segment for segment in stream.segments if segment.fragments or segment.text), None)
        tracks = next((segment.tracks for segment in stream.segments if segment.tracks), ())
        container = "unknown"
        if stream.inits:
            container = "fmp4"
        elif first is not None:
            container = "text" if first.text else "ts" if first.timed is None else "packed"
        elif stream.kind == "images":
            container = "image"
        kind = stream.kind
        if kind == "unknown" and tracks:
            kind = "video" if any(track.kind == "video" for track in tracks) else "audio"
            kind = "subtitles" if all(track.kind == "text" for track in tracks) else kind
        elif kind == "unknown" and container == "text":
            kind = "subtitles"
        return replace(stream, container=container, tracks=tracks, kind=kind)

    async def _entry(self, one: Playlist, entry: Entry, kind: Kind, number: int) -> Segment:
        uri = self.reader.join(one.uri, entry.uri)
        init = (
            Reference(entry.map.line, self.reader.join(one.uri, entry.map.uri), entry.map.range) if entry.map else None
        )
        # Of fragmented MP4 only samples are encrypted by the other methods, not its boxes.
        locked = (
            entry.encrypted is not None and not (entry.map and entry.encrypted in SAMPLES) and uri not in self.known
        )
        sequence, whole = number + (one.number("EXT-X-MEDIA-SEQUENCE") or 0), entry.encrypted == "AES-128"
        lock = lock_of(entry.key, sequence, self.keys) if locked and whole else None
        opaque = kind == "images" or one.images or (locked and lock is None)
        read = await self._segment(uri, entry.range, init, opaque=opaque, lock=lock)
        if whole and read.size is not None:
            await self._unlocked(one, entry, sequence, read)
        return replace(
            read,
            line=entry.line,
            said=entry.duration,
            discontinuity=entry.discontinuity,
            encrypted=entry.encrypted,
            tiles=entry.tiles,
        )

    async def _unlocked(self, one: Playlist, entry: Entry, sequence: int, segment: Segment) -> None:
        """Whether a segment is encrypted as its playlist says."""
        async with self._slots:
            head, _ = await self.reader.read(segment.uri, segment.range.start if segment.range else 0, BLOCK)
        if words := unlocked(entry.key, sequence, (head, segment.size or 0), self.keys):
            self.problems.append(("encrypted-as-said", one.uri, entry.line, f"{segment.uri} {words}"))

    async def _segment(
        self, uri: str, span: Range | None, init: Reference | None, *, opaque: bool = False, lock: Lock | None = None
    ) -> Segment:
        """A segment's bytes, read once whoever lists it."""

        async def read() -> Segment:
            tracks = await self._init(init) if init else ()
            async with self._slots:
                if opaque or isinstance(tracks, str):
                    return await self._opaque(uri, span)
                if uri in self.known:
                    return await self._remembered(uri, span, tracks)
                if lock is not None:
                    return await self._opened(uri, span, tracks, lock)
                return await self._read(uri, span, tracks)

        return replace(await _once(self._reads, (uri, span, init.uri if init else ""), read), init=init)

    async def _init(self, init: Reference) -> tuple[Track, ...] | str:
        async def read() -> tuple[Track, ...] | str:
            count = init.range.count if init.range else INIT_LIMIT
            data, found = await self.reader.read(
                init.uri, init.range.start if init.range else 0, min(count, INIT_LIMIT)
            )
            self.objects[init.uri] = found
            if found.missing is not None:
                return found.missing
            try:
                return read_tracks(data)
            except DamagedSegmentError as error:
                self.problems.append(("init-readable", init.uri, None, str(error)))
                return str(error)

        return await _once(self._inits, (init.uri, init.range), read)

    async def _opaque(self, uri: str, span: Range | None) -> Segment:
        """An object whose bytes are not looked into, but for the header of an image."""
        head, found = await self.reader.read(uri, span.start if span else 0, HEADER)
        self._saw(uri, found)
        return Segment(uri, None, None, range=span, size=_size(found, span), image=images.size(head))

    def _saw(self, uri: str, found: Object) -> None:
        if uri not in self.objects or self.objects[uri].size is None:
            self.objects[uri] = found

    async def _remembered(self, uri: str, span: Range | None, tracks: tuple[Track, ...]) -> Segment:
        """A segment that was read before: only that it is still the same is asked."""
        earlier = self.known[uri]
        _, found = await self.reader.read(uri, 0, 0)
        self._saw(uri, found)
        if found.missing is None and (found.size, found.etag) != (earlier.size, earlier.etag):
            words = f"it has {found.size} bytes ({found.etag}), stored were {earlier.size} ({earlier.etag})"
            self.problems.append(("objects-unchanged", uri, None, words))
        parts = earlier.fragments if found.missing is None else ()
        if span is not None:
            parts = tuple(replace(part, first_end=part.first_end - span.start) for part in parts)
            if any(span.start > part.moof for part in parts):  # it begins behind the boxes: no picture by itself
                words = f"no picture begins at {span.start}"
                return Segment(uri, None, None, span, _size(found, span), tracks or earlier.tracks, problem=words)
        return Segment(uri, None, None, span, _size(found, span), tracks or earlier.tracks, parts)

    async def _read(self, uri: str, span: Range | None, tracks: tuple[Track, ...]) -> Segment:
        start = span.start if span else 0
        head, found = await self.reader.read(uri, start, min(WINDOW, span.count if span else WINDOW))
        self._saw(uri, found)
        size = _size(found, span)
        segment = Segment(uri, None, None, range=span, size=size, tracks=tracks)
        if found.missing is not None or size is None:
            return segment
        return await self._parsed(self.reader, segment, head, Range(start, size))

    async def _opened(self, uri: str, span: Range | None, tracks: tuple[Track, ...], lock: Lock) -> Segment:
        """One of AES-128, by its clear bytes. Where its key does not open it, that is told by a rule of its own."""
        head, found = await self.reader.read(uri, span.start if span else 0, BLOCK)
        self._saw(uri, found)
        size = _size(found, span)
        segment = Segment(uri, None, None, range=span, size=size)
        if found.missing is not None or not size or size % BLOCK or len(head) < BLOCK or not begins(lock.opened(head)):
            return segment
        view = Opened.of(self.reader, segment, lock)
        segment = replace(segment, tracks=tracks, lock=lock)
        try:
            length = await view.length()
        except DamagedSegmentError as error:
            return replace(segment, problem=str(error))
        start, _ = await view.read(uri, 0, WINDOW)
        return await self._parsed(view, segment, start, Range(0, length))

    async def _parsed(self, reader: Reader, segment: Segment, head: bytes, span: Range) -> Segment:
        """What the bytes of that part of the object say, as the reader gives them; `head` is their beginning."""
        start, size = span.start, span.count
        try:
            if segment.tracks:
                parts = await _fragments(reader, segment, head, span)
                return replace(segment, fragments=parts)
            if head[:6] in {b"WEBVTT", b"\xef\xbb\xbfWEB"} or segment.uri.endswith(".vtt"):
                data, _ = await reader.read(segment.uri, start, min(size, TEXT_LIMIT))
                return replace(segment, text=webvtt.parse(data))
            if head[:1] == b"\x47":
                data = head if size <= len(head) else (await reader.read(segment.uri, start, size))[0]
                tables = (await reader.read(segment.uri, 0, min(start, WINDOW)))[0] if start else b""
                found = await asyncio.to_thread(ts.parse, data, tables)
                told = replace(segment, tracks=found.tracks, gaps=found.gaps, counters=found.counters)
                return replace(told, fragments=found.fragments)
            if packed.looks(head):
                data = head if size <= len(head) else (await reader.read(segment.uri, start, size))[0]
                sound = await asyncio.to_thread(packed.parse, data)
                return replace(segment, tracks=(sound.track,), fragments=(sound.fragment,), timed=sound.timed)
        except DamagedSegmentError as error:
            return replace(segment, problem=str(error))
        if head[4:8] in {b"styp", b"moof", b"sidx"}:
            return segment  # that its init segment is not named is another rule's
        return replace(segment, problem=f"its bytes are no media that this reads: {head[:8]!r}")

    async def _representation(self, manifest: Manifest, one: Representation) -> Stream:
        base = manifest.uri
        for part in one.base:
            base = self.reader.join(base, part)
        init = None
        if one.init is not None:
            span = Range(one.init_range[0], one.init_range[1] - one.init_range[0] + 1) if one.init_range else None
            init = Reference(one.line, self.reader.join(base, one.init) if one.init else base, span)
        segments = await _all(self._piece(base, piece, init, one) for piece in one.pieces)
        stream = Stream(
            f"{manifest.uri}#{one.name}",
            _declared(one),
            "unknown",
            (),
            tuple(segments),
            representation=one,
            inits=(init.uri,) if init else (),
        )
        return self._judged(stream)

    async def _piece(self, base: str, piece: Piece, init: Reference | None, one: Representation) -> Segment:
        span = Range(piece.range[0], piece.range[1] - piece.range[0] + 1) if piece.range else None
        uri = self.reader.join(base, piece.uri) if piece.uri else base
        read = await self._segment(uri, span, init, opaque=_declared(one) == "images")
        return replace(
            read,
            line=piece.line,
            said_start=piece.start,
            said_duration=piece.duration,
            said=_seconds(piece, one),
        )


async def _fragments(reader: Reader, segment: Segment, head: bytes, span: Range) -> tuple[Fragment, ...]:
    """Drives the reader of boxes: from the window while that has it, else by another read."""
    window, base, start, size = head, 0, span.start, span.count
    boxes = fragments(size, segment.tracks)
    try:
        at, count = next(boxes)
        for _ in range(STEPS):
            if not (base <= at and at + min(count, max(0, size - at)) <= base + len(window)):
                base = at
                wanted = min(max(count, WINDOW), max(0, size - at))
                window = (await reader.read(segment.uri, start + at, wanted))[0] if wanted else b""
            at, count = boxes.send(window[at - base : at - base + count])
    except StopIteration as end:
        found: tuple[Fragment, ...] = end.value
        return found
    raise DamagedSegmentError("it has too many boxes")


def _seconds(piece: Piece, one: Representation) -> Fraction | None:
    return Fraction(piece.duration, one.timescale) if piece.duration is not None else None


def _declared(one: Representation) -> Kind:
    kind = one.attributes.get("contentType") or one.attributes.get("mimeType", "").split("/")[0]
    return DECLARED.get(kind, "unknown")


def _size(found: Object, span: Range | None) -> int | None:
    """Bytes there are of a range: fewer than it has when the object ends within."""
    if span is None or found.size is None:
        return found.size if span is None else span.count
    return max(0, min(span.count, found.size - span.start))


def _looks_like_xml(data: bytes) -> bool:
    return data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


async def _all(work: Iterable[Awaitable[T]]) -> list[T]:
    """All at once; the first that fails stops the others."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


async def _once(seen: "dict[K, asyncio.Future[T]]", key: K, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What `read` gives, asked for once however many want it at the same time."""
    if key not in seen:
        seen[key] = asyncio.ensure_future(read())
    return await seen[key]
