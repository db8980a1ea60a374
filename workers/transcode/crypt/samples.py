"""Common Encryption of samples: cenc (AES-CTR) and cbcs (AES-CBC of one block in ten) by ISO/IEC 23001-7. Pure."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

import msgspec

from workers.transcode.crypt.boxes import Scheme, common_pssh, opened_init, sealed_init
from workers.transcode.crypt.ciphers import BLOCK, chained, counted
from workers.transcode.crypt.fragments import Run, Sample, Span, given, runs, with_auxiliary, without_auxiliary
from workers.transcode.crypt.keys import Key, uri_of
from workers.verify.boxes import DamagedSegmentError
from workers.verify.init import Protection, Track

PATTERN: Final = (1, 9)
"""Blocks of pictures that are encrypted and that are not, in turn (section 10.4.2, HLS SAMPLE-AES)."""
COUNTER: Final = 10
"""Bits of an IV that count samples of a segment: 600 are the most of pictures (10 s at 60 a second), 500 of sound."""
METHODS: Final = {"cbcs": "SAMPLE-AES", "cenc": "SAMPLE-AES-CTR"}
FORMATS: Final = {UUID("9a04f079-9840-4286-ab92-e65be0885f95"): "com.microsoft.playready"}
"""KEYFORMAT of systems that have a name of their own; of others it is urn:uuid:SYSTEM."""


class Samples(msgspec.Struct, frozen=True):
    """A seal that encrypts samples in place, with one key for all renditions.

    cenc: no counter is used twice with a key, for each sample has an IV of its own. The first 54 of its 64 bits are a digest
    of the clear segment, its place and its film, the rest is the sample's number: a segment that is encoded again, to
    other bytes, has other IVs. cbcs: one IV for each rendition, as Apple's players and its own definition want it.
    """

    name: str
    key: Key
    film: str
    uri: str
    key_format: str = "identity"
    pssh: tuple[bytes, ...] = ()
    pictures: bool = True

    def init(self, path: str, data: bytes, track: Track) -> bytes:
        """With encv or enca, and pssh boxes."""
        return sealed_init(data, self._scheme(path, track), (common_pssh(self.key.kid), *self.pssh))

    def open_init(self, data: bytes) -> bytes:
        """Those become what they were, and free."""
        return opened_init(data)

    def close(self, path: str, index: int, data: bytes, track: Track) -> bytes:
        """Encrypts what is not needed to set a decoder up, and says so in each fragment."""
        found = runs(data, track, whole_blocks=self.name == "cenc")
        made, number, ivs = bytearray(data), 0, list[list[bytes]]()
        prefix = self._prefix(path, index, data) if self.name == "cenc" else None
        for run in found:
            ivs.append([_iv(prefix, number + place) for place in range(len(run.samples))])
            number += len(run.samples)
            for iv, sample in zip(ivs[-1], run.samples, strict=True):
                self._turn(made, sample, iv or self._constant(path), track.kind, lock=True)
        return with_auxiliary(bytes(made), found, ivs)

    def open(self, path: str, _index: int, data: bytes, track: Track, /) -> bytes:
        """Decrypts by what the fragments themselves say, as a player does."""
        found = runs(data, track, whole_blocks=self.name == "cenc")
        made = bytearray(data)
        for run in found:
            for iv, sample in self._told(data, run, track):
                self._turn(made, sample, iv or self._constant(path), track.kind, lock=False)
        return without_auxiliary(bytes(made), found)

    def peek(self, _path: str, _index: int, head: bytes, _size: int, /) -> bytes:
        """Boxes are as they were, and so are the headers of pictures."""
        return head

    def clear_size(self, _path: str, _index: int, _tail: bytes, size: int, /) -> int:
        """All of it: samples are as long as before."""
        return size

    def tag(self, _path: str, index: int, /) -> str | None:
        """EXT-X-KEY of each system, before the first segment."""
        if index:
            return None
        method, versions = METHODS[self.name], "" if self.key_format == "identity" else ',KEYFORMATVERSIONS="1"'
        own = f'URI="{uri_of(self.uri, self.key)}",KEYFORMAT="{self.key_format}"{versions}'
        rows = [own, *(self._row(box) for box in self.pssh)]
        return "\n".join(f"#EXT-X-KEY:METHOD={method},{row}" for row in rows)

    def _row(self, box: bytes) -> str:
        system, data = UUID(bytes=box[12:28]), base64.b64encode(box).decode()
        form = FORMATS.get(system, f"urn:uuid:{system}")
        if system in FORMATS:  # its header object alone, in UTF-16 (PlayReady with HLS)
            ids = 4 + 16 * int.from_bytes(box[28:32]) if box[8] else 0  # of version 1, before the data
            data = base64.b64encode(box[32 + ids :]).decode()
            return f'URI="data:text/plain;charset=UTF-16;base64,{data}",KEYFORMAT="{form}",KEYFORMATVERSIONS="1"'
        kid = f"KEYID=0x{self.key.kid.hex()}"
        return f'URI="data:text/plain;base64,{data}",{kid},KEYFORMAT="{form}",KEYFORMATVERSIONS="1"'

    def key_of(self, uri: str) -> bytes | None:
        """The key behind a URI."""
        return self.key.value if uri == uri_of(self.uri, self.key) else None

    def protections(self) -> Sequence[tuple[str, str, str | None, str | None]]:
        """Scheme, value, key id and pssh of each ContentProtection of a manifest (section 11)."""
        boxes = (common_pssh(self.key.kid), *self.pssh)
        systems = [(f"urn:uuid:{UUID(bytes=b[12:28])}", "", None, base64.b64encode(b).decode()) for b in boxes]
        return [("urn:mpeg:dash:mp4protection:2011", self.name, str(UUID(bytes=self.key.kid)), None), *systems]

    def _scheme(self, path: str, track: Track) -> Scheme:
        if self.name == "cenc":
            return Scheme("cenc", self.key.kid, 8)
        pattern = PATTERN if track.kind == "video" else (0, 0)
        return Scheme("cbcs", self.key.kid, 0, self._constant(path), pattern)

    def _told(self, data: bytes, run: Run, track: Track) -> Iterator[tuple[bytes, Sample]]:
        said = given(data, run, (track.protection or Protection("", b"")).iv_size)
        for sample, (iv, spans) in zip(run.samples, said, strict=True):
            yield iv, Sample(sample.start, sample.size, spans)

    def _constant(self, path: str) -> bytes:
        return hashlib.sha256(f"{self.film}/{path}".encode()).digest()[:BLOCK]

    def _prefix(self, path: str, index: int, data: bytes) -> int:
        begun = hashlib.sha256(f"{self.film}/{path}/{index}/".encode())
        begun.update(data)
        return int.from_bytes(begun.digest()[:8]) >> COUNTER << COUNTER

    def _turn(self, data: bytearray, sample: Sample, iv: bytes, kind: str, *, lock: bool) -> None:
        if self.name == "cenc":
            counted(data, tuple(_locked(sample)), self.key.value, iv)  # its own inverse
            return
        for start, size in _locked(sample):
            chained(data, (start, size), self.key.value, iv, PATTERN if kind == "video" else (1, 0), lock=lock)


def _iv(prefix: int | None, number: int) -> bytes:
    """The IV of a sample; none where one is for all. Raises DamagedSegmentError."""
    if number >> COUNTER:
        raise DamagedSegmentError(f"more than {1 << COUNTER} samples in a segment")
    return b"" if prefix is None else (prefix | number).to_bytes(8)


def _locked(sample: Sample) -> Iterator[Span]:
    """Start and size of each encrypted part."""
    at = sample.start
    for clear, size in sample.spans or ((0, sample.size),):
        if size:
            yield at + clear, size
        at += clear + size
