"""The process that looks into a file: `python -I mediainfo.py`, started by probe.py, which gives it the bytes it asks for.

libmediainfo is a large parser in C++ and the file is a stranger's. So it runs where it can do nothing: an empty
environment, no more memory and CPU than it needs, and not one free file descriptor, so that neither a file nor a socket
can be opened (a playlist or a MOV that names others is not followed). It says `R offset count` on standard output, gets
that many bytes or fewer, their number before them, on standard input, and ends with `J` and a line of JSON.
"""

import io
import json
import resource
import sys
from typing import Any, Final

MEMORY: Final = 768 * 1024 * 1024
"""Bytes of address space; what is resident is some 40 MiB."""
CPU_SECONDS: Final = 5
NUMBER: Final = 8
"""Bytes of the count before an answer."""
TRACKS: Final = 64
FIELDS: Final = (
    *("track_type", "format", "format_version", "format_profile", "duration", "width", "height", "frame_rate"),
    *("sampling_rate", "channel_s", "language", "title"),
)
TEXT: Final = 100
"""Letters of a value at most."""


class Remote(io.RawIOBase):
    """The file, as the parent process has it. What the parent does not give is the end of the file."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """Moves, within the file."""
        base = (0, self._at, self._size)[whence]
        self._at = min(max(base + offset, 0), self._size)
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at

    def read(self, count: int = -1) -> bytes:
        """The bytes that follow."""
        wanted = min(count if count >= 0 else self._size, self._size - self._at)
        if wanted <= 0:
            return b""
        sys.stdout.buffer.write(f"R {self._at} {wanted}\n".encode())
        sys.stdout.buffer.flush()
        found = sys.stdin.buffer.read(int.from_bytes(sys.stdin.buffer.read(NUMBER), "big"))
        self._at += len(found)
        return found


def main() -> None:
    """Says what the file of argv[1] bytes is."""
    from pymediainfo import MediaInfo

    MediaInfo.can_parse()  # loads the library, while files can be opened
    confine()
    found = MediaInfo.parse(Remote(int(sys.argv[1])))
    tracks = [{name: _short(getattr(track, name, None)) for name in FIELDS} for track in found.tracks[:TRACKS]]
    sys.stdout.buffer.write(b"J " + json.dumps(tracks).encode() + b"\n")
    sys.stdout.buffer.flush()


def confine() -> None:
    """Takes from this process what it does not need any more."""
    for kind, limit in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 3),
    ):
        resource.setrlimit(kind, (limit, limit))


def _short(value: Any) -> Any:
    return value[:TEXT] if isinstance(value, str) else value if isinstance(value, int | float) else None


if __name__ == "__main__":
    main()
