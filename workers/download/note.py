"""The note of an upload: whose it is, which it is, and how much of it can be gone on from. Text in, text out.

It has the same size for ten parts and for ten thousand: of the parts it holds their count and one digest over all their
numbers, ETags and sizes, which the store's own list of parts must give again.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from workers.common.store import PartInfo
from workers.download.rules import Source

FORMAT: Final = 2
"""Raised when the meaning changes. Of another format only the upload's name is used: to remove it."""
LIMIT: Final = 64 * 1024
"""Bytes of a note that are read; one has less than 4 KiB."""
_DIGEST: Final = re.compile("[0-9a-f]{64}")


class Chain:
    """A digest over parts, in order."""

    def __init__(self, parts: Iterable[PartInfo] = ()) -> None:
        self._hash = hashlib.sha256()
        for part in parts:
            self.add(part)

    def add(self, part: PartInfo) -> None:
        """Takes the part that follows."""
        self._hash.update(f"{part.number} {part.etag} {part.size}\n".encode())

    def value(self) -> str:
        """The digest of the parts so far, in hex."""
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class Held:
    """What the store has acknowledged: the first `count` bytes of `source`, as the first `parts` parts.

    `states` are those of the digests after exactly these bytes (digest.py).
    """

    source: Source
    content_type: str
    parts: int
    chain: str
    count: int
    states: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Note:
    """An upload under way. `upload_id` is None before the store has named it.

    `holder` and `attempt` are of the process that goes on with it, `transfer` is the name its object carries.
    """

    uid: str
    key: str
    holder: str
    attempt: int
    transfer: str
    upload_id: str | None = None
    held: Held | None = None

    def text(self) -> bytes:
        """The note as its object holds it."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True).encode()


def read_note(text: bytes, uid: str, key: str) -> Note:
    """The note in a text. What cannot be believed is left out: of garbage an upload without a name remains.

    Nothing raises: a note is there, and whatever it says, something may have been left that must be looked for.
    """
    nobody = Note(uid, key, "", 0, "")
    try:
        found: Any = json.loads(text)
        upload_id = found.get("upload_id", found.get("uploadId"))
        named = replace(nobody, upload_id=upload_id if isinstance(upload_id, str) and upload_id else None)
    except (ValueError, AttributeError, RecursionError):
        return nobody
    try:
        if (found["format"], found["uid"], found["key"]) != (FORMAT, uid, key):
            return named
        note = replace(named, holder=found["holder"], attempt=found["attempt"], transfer=found["transfer"])
        held = _held(found["held"]) if found["held"] is not None else None
    except (KeyError, TypeError):
        return named
    texts: list[object] = [note.holder, note.transfer]
    counts: list[object] = [note.attempt]
    sound = all(isinstance(text, str) and text for text in texts) and all(isinstance(count, int) for count in counts)
    return replace(note, held=held) if sound else named


def _held(found: Any) -> Held | None:
    """What is held, if every value is of its type. Raises KeyError, TypeError."""
    held = Held(**{**found, "source": Source(**found["source"])})
    source: dict[str, object] = asdict(held.source)
    length = source.pop("length")
    counts: list[object] = [held.parts, held.count, *([length] if length is not None else [])]
    url = source.pop("url")
    texts = [url, held.content_type, held.chain, *(value for value in source.values() if value is not None)]
    sound = (
        all(isinstance(count, int) and count > 0 for count in counts)
        and all(isinstance(text, str) for text in texts)
        and (not isinstance(length, int) or held.count <= length)
        and _DIGEST.fullmatch(held.chain) is not None
        and isinstance(found["states"], dict)
        and all(isinstance(text, str) for pair in held.states.items() for text in pair)
    )
    return held if sound else None
