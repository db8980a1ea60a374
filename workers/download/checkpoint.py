"""What a part file can be believed to hold: pure text in, pure text out."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Final

from workers.download.rules import Source

FORMAT: Final = 1
"""Raised when the meaning changes; another format is no checkpoint."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The first `count` bytes of the part file are bytes of `source` and have this SHA-256."""

    uid: str
    key: str
    source: Source
    content_type: str
    count: int
    sha256: str

    def text(self) -> bytes:
        """The checkpoint as its file holds it."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True).encode()


def read_checkpoint(text: bytes, key: str) -> Checkpoint | None:
    """The checkpoint in a file's text; None for anything but a whole one of this format and key."""
    try:
        found: Any = json.loads(text)
        source = Source(**found["source"])
        known = Checkpoint(found["uid"], found["key"], source, found["content_type"], found["count"], found["sha256"])
        valid = found["format"] == FORMAT and known.key == key and _sound(known)
    except (ValueError, KeyError, TypeError):
        return None
    return known if valid else None


def _sound(known: Checkpoint) -> bool:
    """Whether the values have the types they should: the file may hold anything."""
    source: dict[str, object] = asdict(known.source)
    length = source.pop("length")
    texts: list[object] = [known.uid, known.content_type, *(value for value in source.values() if value is not None)]
    counts: list[object] = [known.count, known.count if length is None else length]
    return (
        all(isinstance(count, int) and count >= known.count >= 0 for count in counts)
        and all(isinstance(text, str) for text in texts)
        and re.fullmatch("[0-9a-f]{64}", known.sha256) is not None
    )
