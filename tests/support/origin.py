"""An HTTP origin on a raw socket, so that it can lie: each path has a handler that writes what it likes."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

DATE: Final = "Sun, 22 Nov 2026 12:00:00 GMT"
MODIFIED: Final = "Fri, 20 Nov 2026 12:00:00 GMT"
LONG_SECONDS: Final = 30.0
"""How long a handler that keeps silent waits for its client to give up."""


@dataclass(slots=True)
class Exchange:
    """One request and the socket to answer on. Header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    sock: socket.socket
    keep: bool = False
    """Set by a handler that told where its answer ends: another request may follow."""

    def send(self, data: bytes) -> None:
        """Writes raw bytes."""
        self.sock.sendall(data)

    def head(self, status: str, fields: Mapping[str, str | int] | Sequence[tuple[str, str | int]] = ()) -> None:
        """Writes a status line and header fields."""
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in pairs), "", ""]
        self.send("\r\n".join(lines).encode("latin-1"))

    def respond(self, status: str, body: bytes = b"", fields: Mapping[str, str | int] | None = None) -> None:
        """Writes a whole response."""
        self.head(status, {"Content-Length": len(body), "Date": DATE, **(fields or {})})
        if self.method != "HEAD":
            self.send(body)

    def reset(self) -> None:
        """Ends the connection with a TCP reset instead of an end of stream."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def silence(self) -> None:
        """Says nothing until the client goes away."""
        self.sock.settimeout(LONG_SECONDS)
        with contextlib.suppress(OSError):
            self.sock.recv(1)


Handler = Callable[[Exchange], None]


@dataclass(slots=True)
class File:
    """A representation that is served as RFC 9110 has it."""

    content: bytes
    etag: str | None = '"v1"'
    modified: str | None = MODIFIED
    content_type: str = "video/mp4"
    ranges: bool = True

    def fields(self) -> dict[str, str | int]:
        """The fields of each answer."""
        found: dict[str, str | int] = {"Date": DATE, "Content-Type": self.content_type}
        if self.etag:
            found["ETag"] = self.etag
        if self.modified:
            found["Last-Modified"] = self.modified
        return found

    def asked(self, exchange: Exchange) -> tuple[int, int] | None:
        """The first and last byte that are asked for and may be given; None for the whole."""
        asked = exchange.headers.get("range", "")
        condition = exchange.headers.get("if-range")
        if not self.ranges or not asked.startswith("bytes=") or condition not in {None, self.etag, self.modified}:
            return None
        first, _, last = asked.removeprefix("bytes=").partition("-")
        return int(first), min(int(last or len(self.content)), len(self.content) - 1)

    def begin(self, exchange: Exchange) -> bytes:
        """Writes the head of the right answer; the body that belongs to it."""
        if self.etag and exchange.headers.get("if-none-match") == self.etag:
            exchange.head("304 Not Modified", self.fields())
            return b""
        asked, total = self.asked(exchange), len(self.content)
        if asked is None:
            exchange.head("200 OK", {**self.fields(), "Content-Length": total})
            return b"" if exchange.method == "HEAD" else self.content
        first, last = asked
        if first >= total:
            fields: dict[str, str | int] = {"Content-Range": f"bytes */{total}", "Content-Length": 0}
            exchange.head("416 Range Not Satisfiable", {**self.fields(), **fields})
            return b""
        fields = {"Content-Range": f"bytes {first}-{last}/{total}", "Content-Length": last + 1 - first}
        exchange.head("206 Partial Content", {**self.fields(), **fields})
        return b"" if exchange.method == "HEAD" else self.content[first : last + 1]

    def __call__(self, exchange: Exchange) -> None:
        """Answers rightly."""
        exchange.send(self.begin(exchange))
        exchange.keep = True

    def held_back(self, stop: int) -> Handler:
        """Sends what is asked for of the first `stop` bytes, then keeps the connection open in silence."""

        def handler(exchange: Exchange) -> None:
            asked = self.asked(exchange)
            body = self.begin(exchange)
            rest = max(0, stop - (asked[0] if asked else 0))
            exchange.send(body[:rest])
            if len(body) > rest:
                exchange.silence()
            exchange.keep = True

        return handler

    def cut(self, after: int, *, reset: bool = False) -> Handler:
        """Answers rightly, but ends the connection after so many bytes of the body."""

        def handler(exchange: Exchange) -> None:
            exchange.send(self.begin(exchange)[:after])
            if reset:
                exchange.reset()

        return handler


def turns(*handlers: Handler) -> Handler:
    """Answers the first request by the first handler, and so on; the last one answers all that follow."""
    lock = threading.Lock()
    left = list(handlers)

    def handler(exchange: Exchange) -> None:
        with lock:
            chosen = left.pop(0) if len(left) > 1 else left[0]
        chosen(exchange)

    return handler


def status(line: str, fields: Mapping[str, str | int] | None = None, body: bytes = b"no") -> Handler:
    """Answers with a status."""
    return lambda exchange: exchange.respond(line, body, fields)


def redirect(location: str, code: str = "302 Found") -> Handler:
    """Redirects."""
    return lambda exchange: exchange.respond(code, b"", {"Location": location})


@dataclass(slots=True)
class Origin:
    """A server on a loopback port; `seen` are the requests in the order they came. A context manager."""

    routes: dict[str, Handler] = field(default_factory=dict)
    seen: list[Exchange] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    _listener: socket.socket = field(init=False)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """The URL of a path."""
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    def serve(self, path: str, handler: Handler) -> str:
        """Puts a handler at a path; its URL."""
        self.routes[path] = handler
        return self.url(path)

    def requests(self, path: str) -> list[Exchange]:
        """The requests for a path."""
        return [exchange for exchange in self.seen if exchange.target.partition("?")[0] == path]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # closed: the test is over
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        # The client may go away at any moment: that is what many tests are about.
        with contextlib.suppress(OSError), sock:
            sock.settimeout(LONG_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a head and a body are two writes
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            for exchange in _requests(sock):
                self.seen.append(exchange)
                self.routes.get(exchange.target.partition("?")[0], status("404 Not Found"))(exchange)
                if not exchange.keep:
                    sock.shutdown(socket.SHUT_WR)
                    # Read to the end: closing with unread bytes would reset what was sent.
                    while sock.recv(65536):
                        pass
                    return


def _requests(sock: socket.socket) -> Iterator[Exchange]:
    """The requests of a connection, which have no bodies."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            block = sock.recv(65536)
            if not block or len(data) > 1024 * 1024:
                return
            data += block
        head, _, data = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        fields = (
            (name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])
        )
        yield Exchange(method, target, dict(fields), sock)
