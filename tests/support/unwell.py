"""A proxy before a real S3 server that makes it unwell: requests answered by errors, and what is done in between."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Final
from urllib.parse import SplitResult, urlsplit

ERROR: Final = "<?xml version='1.0'?><Error><Code>{}</Code><Message>The store is not well.</Message></Error>"
_HOP: Final = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive"})


@dataclass
class Unwell:
    """What the store does wrong, and what was asked of it. A request is its method and target, so a repeated one is known."""

    endpoint: str
    first_fails: bool = True
    """Each request fails the first time: a read by 503, a write by 500 after it was carried out."""
    broken: Callable[[str], bool] = lambda _request: False
    """Whether a request is answered by 500, however often it is made. Called by several threads."""
    held: Callable[[str], bool] = lambda _request: False
    """Whether a request is neither carried out nor answered, ever; who asked waits. Called by several threads."""
    asked: list[str] = field(default_factory=list)
    failed: int = 0
    closed: threading.Event = field(default_factory=threading.Event)
    """The proxy ends: what is held is let go, without an answer."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, request: str) -> str:
        """What is done about a request: pass, drop it (503), lose its answer (500), refuse it (500), or hold it."""
        with self._lock:
            known = request in self.asked
            self.asked.append(request)
            first = "drop" if request.startswith(("GET", "HEAD")) else "lose"
            what = "pass" if known or not self.first_fails else first
            what = "refuse" if self.broken(request) else "hold" if self.held(request) else what
            self.failed += what != "pass"
            return what


@contextmanager
def unwell(endpoint: str) -> Iterator[Unwell]:
    """The proxy of a store, at the same address on another port."""
    server = _Server(urlsplit(endpoint))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.unwell
    finally:
        server.unwell.closed.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingTCPServer):
    """Not HTTPServer, which asks DNS for the name of its address."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, upstream: SplitResult) -> None:
        super().__init__((upstream.hostname or "127.0.0.1", 0), _Handler)
        self.upstream = upstream.netloc
        self.unwell = Unwell(f"http://{upstream.hostname}:{self.server_address[1]}")


class _Handler(BaseHTTPRequestHandler):
    """One connection. The header Host is passed on as it came: it is signed."""

    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        """A client that is killed goes without a word."""
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def _serve(self) -> None:
        assert isinstance(self.server, _Server)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        what = self.server.unwell.fault(f"{self.command} {self.path}")
        if what == "hold":
            self.server.unwell.closed.wait()
            self.close_connection = True
            return
        if what in {"drop", "refuse"}:
            self._fail(*((503, "SlowDown") if what == "drop" else (500, "InternalError")))
            return
        connection = http.client.HTTPConnection(self.server.upstream, timeout=60)
        connection.request(self.command, self.path, body, dict(self.headers.items()))
        with connection.getresponse() as answer:
            data = answer.read()
            if what == "lose":
                self._fail(500, "InternalError")
            else:
                self._answer(answer.status, answer.getheaders(), data)
        connection.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - names of http.server

    def _fail(self, status: int, code: str) -> None:
        self._answer(status, [("Content-Type", "application/xml")], ERROR.format(code).encode())

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response_only(status)
        length = str(len(data))
        for name, value in headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            elif name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Says nothing."""
