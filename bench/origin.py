"""The origin of the download benchmark: it costs next to nothing, counts what it sends, and can be slow."""

import os
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

STEP: Final = 4 * 1024 * 1024
SLOW_STEP: Final = 32 * 1024
SLOW_BUFFER: Final = 64 * 1024
"""What the kernel may hold of a slow connection: without it each would begin with megabytes at full speed."""


@dataclass(slots=True)
class Origin:
    """Serves the first `size` bytes of a file: sendfile, ranges, connections that stay. `rate` is for each connection."""

    path: Path
    size: int
    rate: float | None = None
    sent: int = 0
    connections: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=64))

    def start(self) -> str:
        """Starts it; the URL of the file."""
        if self.rate is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SLOW_BUFFER)
        threading.Thread(target=self._accept, daemon=True).start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/file.bin"

    def _accept(self) -> None:
        while True:
            sock = self._listener.accept()[0]
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        pace = _Pace(self.rate)
        with sock, self.path.open("rb") as file:
            try:
                while request := _request(sock):
                    self._answer(sock, request, file.fileno(), pace)
            except OSError:
                return  # the client has what it wants, or was killed: that is what one of the runs does

    def _answer(self, sock: socket.socket, request: bytes, file: int, pace: "_Pace") -> None:
        found = re.search(rb"\r\nrange: bytes=(\d+)-(\d*)", request, re.IGNORECASE)
        start, last = (int(found[1]), int(found[2] or self.size - 1)) if found else (0, self.size - 1)
        end = min(last + 1, self.size)
        line = "206 Partial Content" if found else "200 OK"
        spans = f"Content-Range: bytes {start}-{end - 1}/{self.size}\r\n" if found else ""
        head = f'Content-Length: {end - start}\r\nETag: "v1"\r\nAccept-Ranges: bytes\r\n{spans}\r\n'
        sock.sendall(f"HTTP/1.1 {line}\r\n{head}".encode())
        while start < end and not request.startswith(b"HEAD"):
            count = os.sendfile(sock.fileno(), file, start, min(end - start, pace.step))
            start += count
            with self._lock:
                self.sent += count
            pace.wait(count)


class _Pace:
    """Bytes at a rate, evenly: time that was not used is not made up for."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._next = 0.0
        self.step = STEP if rate is None else SLOW_STEP

    def wait(self, count: int) -> None:
        """Waits until more may be sent."""
        if self._rate is None:
            return
        now = time.monotonic()
        self._next = max(self._next, now - 0.005) + count / self._rate
        time.sleep(max(0.0, self._next - now))


def _request(sock: socket.socket) -> bytes:
    """One request's head; empty at the end."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        block = sock.recv(65536)
        if not block:
            return b""
        data += block
    return data
