"""The names inside a torrent, judged before a byte of it is fetched. Pure.

libtorrent mends bad names in silence (`../../etc/passwd` becomes `_/_/etc/passwd`), so they are read from the info
dictionary itself: a torrent that tries is refused, not mended. No name of a torrent ever becomes a path of the scratch
volume either: files are numbered there, and only a name that passed becomes part of a key.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from narwhal_operator.contract.outcome import Reason, WorkError

FILES_LIMIT: Final = 10_000
"""Files of a torrent; the largest series and archives have some thousand."""
DEPTH_LIMIT: Final = 32
NAME_LIMIT: Final = 255
"""Bytes of one name: what Linux file systems take."""
PATH_LIMIT: Final = 1024
"""Bytes of a path: what S3 takes as a key."""
SHOWN: Final = 80

Raw = Mapping[bytes, Any]


@dataclass(frozen=True, slots=True)
class Slot:
    """A file as libtorrent numbers it: its place among the bytes of all pieces; a pad is never stored (BEP 47)."""

    index: int
    offset: int
    size: int
    pad: bool = False


@dataclass(frozen=True, slots=True)
class TorrentFile:
    """A file of a torrent; `path` is without the torrent's own name, with `/` between its parts."""

    index: int
    path: str
    offset: int
    size: int


def judged_files(info: Raw, slots: Sequence[Slot]) -> tuple[TorrentFile, ...]:
    """The files of an info dictionary, without pads. Raises WorkError(TorrentUnsafe | TorrentInvalid)."""
    if len(slots) > FILES_LIMIT:
        raise unsafe(f"it lists {len(slots)} files; {FILES_LIMIT} at most")
    for name in (b"name", b"name.utf-8"):
        if name in info:
            _part(info[name])
    pairs = _paired(info, slots)
    if any(slot.size != size for slot, (_, size) in pairs):
        raise _contradiction()
    _refuse_collisions([path for _, (path, _) in pairs])
    return tuple(TorrentFile(slot.index, path, slot.offset, slot.size) for slot, (path, _) in pairs)


def unsafe(what: str) -> WorkError:
    """The refusal of a torrent."""
    return WorkError(Reason.TORRENT_UNSAFE, f"The torrent is refused: {what}. Nothing of it was fetched.")


def shown(name: str | bytes) -> str:
    """A name for messages: printable ASCII, escaped, bounded."""
    text = ascii(name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _paired(info: Raw, slots: Sequence[Slot]) -> list[tuple[Slot, tuple[str, int]]]:
    """Each slot that is no pad with its path and size as the dictionary has them; version 2 counts where there is one."""
    old = list(_listed(info)) if b"files" in info or b"length" in info else []
    if b"file tree" in info:  # version 2 (BEP 52); it has no pads
        stored = [slot for slot in slots if not slot.pad]
        new = list(_tree(info[b"file tree"], ()))
        if len(new) != len(stored):
            raise _contradiction()
        return list(zip(stored, new, strict=True))
    if len(old) != len(slots):
        raise _contradiction()
    return [(slot, (path, size)) for slot, (path, size, pad) in zip(slots, old, strict=True) if not (slot.pad or pad)]


def _listed(info: Raw) -> Iterator[tuple[str, int, bool]]:
    """Path, size and whether it is a pad, of each file of version 1 (BEP 3)."""
    if b"files" not in info:
        yield _join([_text(info, b"name")]), _size(info), False
        return
    files = info[b"files"]
    if not isinstance(files, list) or len(files) > FILES_LIMIT:
        raise unsafe(f"its list of files is no list of at most {FILES_LIMIT}")
    for file in files:
        _refuse_link(file)
        parts = [file[key] for key in (b"path", b"path.utf-8") if key in file]
        if not parts or not all(isinstance(path, list) and path for path in parts):
            raise unsafe("it lists a file without a path")
        pad = b"p" in _attributes(file)
        paths = [_join([_part(part, pad=pad) for part in path]) for path in parts]  # each is judged, the last is used
        yield paths[-1], _size(file), pad


def _tree(tree: Any, above: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Path and size of each file of version 2."""
    if not isinstance(tree, dict) or len(above) > DEPTH_LIMIT:
        raise unsafe(f"its tree of files is deeper than {DEPTH_LIMIT}, or no tree")
    for name, below in tree.items():
        here = (*above, _part(name))
        file = below.get(b"") if isinstance(below, dict) else None
        if isinstance(file, dict):
            _refuse_link(file)
            yield _join(here), _size(file)
        else:
            yield from _tree(below, here)


def _part(name: Any, *, pad: bool = False) -> str:
    """One name of a path, as text."""
    if not isinstance(name, bytes):
        raise unsafe("a name in it is no text")
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        raise unsafe(f"the name {shown(name)} is not UTF-8") from None
    if text in {"", ".", ".."}:
        raise unsafe(f"the name {shown(name)} leads out of its directory")
    if "/" in text or "\\" in text:
        raise unsafe(f"the name {shown(name)} holds a path")
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in text):
        raise unsafe(f"the name {shown(name)} holds a control character")
    if len(name) > NAME_LIMIT and not pad:
        raise unsafe(f"the name {shown(name)} is {len(name)} bytes long; {NAME_LIMIT} at most")
    return text


def _join(parts: Sequence[str]) -> str:
    path = "/".join(parts)
    if len(parts) > DEPTH_LIMIT or len(path.encode()) > PATH_LIMIT:
        raise unsafe(f"the path {shown(path)} is deeper than {DEPTH_LIMIT} or longer than {PATH_LIMIT} bytes")
    return path


def _text(info: Raw, name: bytes) -> str:
    return _part(info.get(name + b".utf-8", info.get(name)))


def _attributes(file: Raw) -> bytes:
    found = file.get(b"attr", b"")
    return found if isinstance(found, bytes) else b""


def _refuse_link(file: Any) -> None:
    if not isinstance(file, dict):
        raise unsafe("an entry of its list of files is no file")
    if b"l" in _attributes(file) or b"symlink path" in file:
        raise unsafe("it holds a symbolic link")


def _size(file: Raw) -> int:
    size = file.get(b"length", 0)
    if not isinstance(size, int) or size < 0:
        raise unsafe("the size of a file in it is no number")
    return size


def _contradiction() -> WorkError:
    return WorkError(Reason.TORRENT_INVALID, "The torrent contradicts itself about its files; use another one.")


def _refuse_collisions(paths: Sequence[str]) -> None:
    """Two files under one path, or a path that is a file and a directory: one would be lost, or cannot be stored."""
    taken = set(paths)
    if len(taken) != len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise unsafe(f"it lists {shown(twice)} twice")
    for path in paths:
        parent = path
        while "/" in parent:
            parent = parent.rpartition("/")[0]
            if parent in taken:
                raise unsafe(f"{shown(parent)} in it is a file and a directory")
