"""What the object is, for who looks at it: a few ranges of it, read by a process that can do no harm (mediainfo.py).

Nothing here fails a download. Bytes read, time and memory are bounded; whatever goes wrong, there are no facts.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from narwhal_operator.contract.download import MediaFacts
from narwhal_operator.contract.outcome import WorkError
from workers.common.log import log
from workers.common.store import ObjectStore
from workers.download.facts import facts_of
from workers.download.mediainfo import NUMBER

SCRIPT: Final = Path(__file__).with_name("mediainfo.py")
SECONDS: Final = 5.0
"""Longest time a probe may take; an ordinary one takes 0.1 s."""
BYTES: Final = 16 * 1024 * 1024
"""Bytes of the object that may be read."""
BLOCK: Final = 512 * 1024
LINE: Final = 64 * 1024
"""Bytes of a line of the process."""
# What a file of media begins with, beside the box type at byte 4 of MP4 and its kin. Nothing else is shown to a parser.
_STARTS: Final = (
    b"\x1a\x45\xdf\xa3", b"RIFF", b"RF64", b"OggS", b"fLaC", b"FLV", b"ID3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3",
    b"\x00\x00\x01\xb0", b"\x00\x00\x00\x01", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"\x06\x0e\x2b\x34", b"FORM", b"caff",
    b"\x0b\x77", b"\x7f\xfe\x80\x01", b"wvpk", b"#!AMR", b".RMF", b"MAC ", b"DKIF",
)  # fmt: skip
_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx"})

Read = Callable[[int, int], bytes]
"""The bytes from an offset, at most so many."""


def media_facts(store: ObjectStore, bucket: str, key: str, size: int) -> MediaFacts | None:
    """The facts of an object that is there, in SECONDS at most; None when there are none to be had. Never raises."""
    return facts(size, lambda start, count: store.read(bucket, key, start, count))


def facts(size: int, read: Read) -> MediaFacts | None:
    """As media_facts, of what `read` gives."""
    began = time.monotonic()
    look = _Look(_Blocks(read, size))
    thread = threading.Thread(target=look.run, name="probe", daemon=True)  # a store may hang: it is left behind
    thread.start()
    thread.join(SECONDS)
    look.end()
    log("debug", "looked into the file", seconds=round(time.monotonic() - began, 3))
    return facts_of(look.tracks)


def like_media(head: bytes) -> bool:
    """Whether a file that begins so may be media."""
    packets = len(head) > 376 and head[0] == head[188] == head[376] == 0x47  # ISO/IEC 13818-1
    stamped = len(head) > 388 and head[4] == head[196] == head[388] == 0x47  # the same with time stamps (BDAV)
    frames = head[:1] == b"\xff" and head[1:2] >= b"\xe0"  # MPEG audio, ADTS
    return packets or stamped or frames or head[4:8] in _BOXES or head.startswith(_STARTS)


def _start(size: int) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-I", str(SCRIPT), str(size)]
    pipe = subprocess.PIPE
    # Nothing of ours: no environment, no open file, the standard library and pymediainfo alone.
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env={}, cwd="/")  # noqa: S603 - our own script


@dataclass(slots=True)
class _Blocks:
    """Ranges of an object, read in blocks: a parser asks for a few bytes here and there."""

    read: Read
    size: int
    left: int = BYTES
    kept: dict[int, bytes] = field(default_factory=dict)

    def take(self, start: int, count: int) -> bytes:
        """At most `count` bytes from `start`, and not over the end of a block; none when enough has been read."""
        if not 0 <= start < self.size or count <= 0:
            return b""
        number = start // BLOCK
        if number not in self.kept:
            if self.left <= 0:
                return b""
            found = self.read(number * BLOCK, min(BLOCK, self.size - number * BLOCK))
            self.left -= max(len(found), 1)
            self.kept[number] = found
        at = start - number * BLOCK
        return self.kept[number][at : at + count]


@dataclass(slots=True)
class _Look:
    """The talk with the process that looks."""

    blocks: _Blocks
    tracks: Any = None
    process: "subprocess.Popen[bytes] | None" = None
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Starts it and gives it what it asks for until it has its answer, or ends, or breaks off."""
        try:
            if like_media(self.blocks.take(0, BLOCK)):
                self.process = _start(self.blocks.size)
                if not self.ended.is_set():
                    self._talk(self.process)
        except (OSError, ValueError, RecursionError, WorkError) as error:
            log("info", "the file was not looked into to the end", error=type(error).__name__)
        finally:
            self.end()

    def end(self) -> None:
        """Ends the process."""
        self.ended.set()
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _talk(self, process: "subprocess.Popen[bytes]") -> None:
        with process:
            source, sink = process.stdout, process.stdin
            while source and sink and (line := source.readline(LINE)):
                word, _, rest = line.partition(b" ")
                if word == b"J":
                    self.tracks = json.loads(rest)
                    return
                start, count = (int(number) for number in rest.split())
                found = self.blocks.take(start, count)
                sink.write(len(found).to_bytes(NUMBER, "big") + found)
                sink.flush()
