"""What the object is, for who looks at it: a few ranges of it, read by a process that can do no harm (mediainfo.py).

Nothing here fails a download. Bytes read, time and memory are bounded; whatever goes wrong, there are no facts.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
_VAGUE: Final = frozenset({"application/ogg", "application/mxf", "application/octet-stream", "application/x-matroska"})

Read = Callable[[int, int], bytes]
"""The bytes from an offset, at most so many."""


def probed(content_type: str) -> bool:
    """Whether an object of that media type is looked at: media, and what may be media."""
    return content_type.startswith(("video/", "audio/")) or content_type in _VAGUE


class Probe:
    """A look into an object, by a process that is started early, so that it is ready when the object is."""

    def __init__(self, size: int, process: "subprocess.Popen[bytes] | None") -> None:
        self._size = size
        self._process = process

    def facts(self, read: Read) -> MediaFacts | None:
        """What it finds, in SECONDS at most; None when there is nothing to be found."""
        if self._process is None:
            return None
        began = time.monotonic()
        answer = _Answer(self._process, _Blocks(read, self._size))
        thread = threading.Thread(target=answer.run, name="probe", daemon=True)  # a store may hang: it is left behind
        thread.start()
        thread.join(SECONDS)
        log("debug", "looked into the file", seconds=round(time.monotonic() - began, 3))
        return facts_of(answer.tracks)


@contextmanager
def opened(size: int, content_type: str) -> Iterator[Probe]:
    """A probe for an object of that size and type. Its process ends with the block."""
    process = _start(size) if probed(content_type) else None
    try:
        yield Probe(size, process)
    finally:
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):  # what was still to be written to a process that is no more
                        pipe.close()


def reading(store: ObjectStore, bucket: str, key: str) -> Read:
    """How the bytes of an object are read."""
    return lambda start, count: store.read(bucket, key, start, count)


def _start(size: int) -> "subprocess.Popen[bytes] | None":
    argv = [sys.executable, "-I", str(SCRIPT), str(size)]
    pipe = subprocess.PIPE
    try:
        # Nothing of ours: no environment, no open file, the standard library and pymediainfo alone.
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env={}, cwd="/")  # noqa: S603 - our own script
    except OSError as error:
        log("warning", "no process to look into the file", error=error.strerror)
        return None


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
class _Answer:
    """The talk with the process."""

    process: "subprocess.Popen[bytes]"
    blocks: _Blocks
    tracks: Any = None

    def run(self) -> None:
        """Gives it what it asks for until it has its answer, or ends, or breaks off."""
        source, sink = self.process.stdout, self.process.stdin
        if source is None or sink is None:
            return
        try:
            while line := source.readline(LINE):
                word, _, rest = line.partition(b" ")
                if word == b"J":
                    self.tracks = json.loads(rest)
                    return
                start, count = (int(number) for number in rest.split())
                found = self.blocks.take(start, count)
                sink.write(len(found).to_bytes(NUMBER, "big") + found)
                sink.flush()
        except (OSError, ValueError, WorkError) as error:
            log("info", "the file was not looked into to the end", error=type(error).__name__)
