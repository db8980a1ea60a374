"""Digests while the bytes pass, and the digest that is wanted: from the spec or from a checksum file."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from narwhal_operator.contract.download import Checksum
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.download import hashes
from workers.download.hashes import Buffer, Hash

FILE_LIMIT: Final = 1024 * 1024
"""Bytes of a checksum file; that of a whole Debian release is 0.1 MB."""

_BY_LENGTH: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
# coreutils: `HEX  name`, `HEX *name`, a leading backslash when the name is escaped; `ALGO (name) = HEX` with --tag.
_PLAIN: Final = re.compile(r"(\\?)([0-9a-fA-F]{32,128})[ \t]+\*?(\S.*)")
_TAGGED: Final = re.compile(r"(\\?)(MD5|SHA1|SHA256|SHA512) \((.+)\) = ([0-9a-fA-F]{32,128})")
_BARE: Final = re.compile(r"[0-9a-fA-F]{32,128}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The digest the content must have: lower-case hex of an algorithm."""

    algorithm: str
    value: str


class Digests:
    """SHA-256 always, and the algorithm that is wanted if it is another one."""

    def __init__(self, wanted: Wanted | None) -> None:
        self._wanted = wanted
        self._hashes: dict[str, Hash] = {}
        self.reset()

    def reset(self) -> None:
        """Begins anew."""
        self._hashes = {name: hashes.new(name) for name in self._names()}

    def update(self, blocks: Iterable[Buffer]) -> None:
        """Takes the bytes that follow."""
        for block in blocks:
            for item in self._hashes.values():
                item.update(block)

    def values(self) -> dict[str, str]:
        """Hex digests of the bytes so far; more may follow."""
        return {name: item.hexdigest() for name, item in self._hashes.items()}

    def states(self) -> dict[str, str] | None:
        """What another process needs to go on after these bytes; None where that cannot be had (hashes.py)."""
        found = {name: item.state() for name, item in self._hashes.items()}
        known = {name: state for name, state in found.items() if state is not None}
        return known if len(known) == len(found) else None

    def restore(self, states: Mapping[str, str]) -> bool:
        """Goes on from states; False, and nothing is changed, unless there is a believable one of each algorithm."""
        found = {name: hashes.restored(name, states.get(name, "")) for name in self._names()}
        known = {name: item for name, item in found.items() if item is not None}
        if len(known) == len(found):
            self._hashes = known
        return len(known) == len(found)

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far."""
        return self._hashes["sha256"].hexdigest()

    def _names(self) -> list[str]:
        return sorted({"sha256"} | ({self._wanted.algorithm} if self._wanted else set()))

    def check(self, where: str) -> None:
        """Raises WorkError(ChecksumMismatch) unless the bytes have the wanted digest."""
        if self._wanted is None:
            return
        found = self._hashes[self._wanted.algorithm].hexdigest()
        if found != self._wanted.value:
            raise WorkError(
                Reason.CHECKSUM_MISMATCH,
                f"{where} has {self._wanted.algorithm} {found}, not {self._wanted.value}; "
                "compare with the publisher's digest: either the URL or the digest is wrong.",
            )


def given(checksum: Checksum | None) -> Wanted | None:
    """The digest that stands in the spec itself."""
    if checksum is None:
        return None
    for algorithm in _BY_LENGTH.values():
        value = getattr(checksum, algorithm)
        if value is not None:
            return Wanted(algorithm, value.lower())
    return None


def names_of(urls: Iterable[str], key: str) -> tuple[str, ...]:
    """The names a checksum file may list the file under: the last path segments of its URLs, then of its key."""
    found = [unquote(urlsplit(url).path.rpartition("/")[2]) for url in urls]
    return tuple(dict.fromkeys(name for name in (*found, key.rpartition("/")[2]) if name))


def listed(text: str, names: Sequence[str], where: str) -> Wanted:
    """The digest a checksum file lists for the first of the names it has. Raises WorkError(ChecksumNotFound).

    A file that is one digest and nothing else is that of the one file it stands beside.
    """
    lines = text.splitlines()
    entries = dict(entry for entry in map(_entry, lines) if entry is not None)
    for name in names:
        if name in entries:
            return entries[name]
    content = [line.strip() for line in lines if line.strip()]
    if len(content) == 1 and _BARE.fullmatch(content[0]) and len(content[0]) in _BY_LENGTH:
        return Wanted(_BY_LENGTH[len(content[0])], content[0].lower())
    raise WorkError(
        Reason.CHECKSUM_NOT_FOUND,
        f"{where} lists no digest of {' or '.join(names)}; correct spec.checksum.url, or give the digest itself.",
    )


def _entry(line: str) -> tuple[str, Wanted] | None:
    tagged = _TAGGED.fullmatch(line.strip())
    if tagged:
        escaped, algorithm, name, value = tagged[1], tagged[2].lower(), tagged[3], tagged[4]
    else:
        plain = _PLAIN.fullmatch(line.strip())
        if not plain:
            return None
        escaped, value, name = plain[1], plain[2], plain[3]
        algorithm = _BY_LENGTH.get(len(value), "")
    if _BY_LENGTH.get(len(value)) != algorithm:
        return None
    if escaped:
        name = name.replace("\\n", "\n").replace("\\\\", "\\")
    return name.removeprefix("./").rpartition("/")[2], Wanted(algorithm, value.lower())
