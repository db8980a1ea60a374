"""`GET /progress`, `/metrics` and `/healthz` of a running worker, from threads of the standard library.

aiohttp's server was refused here: it costs 0.3 s of start-up, and a worker whose event loop hangs must still answer
that it does.
"""

import time
from http.server import BaseHTTPRequestHandler
from socket import socket
from socketserver import ThreadingTCPServer
from threading import BoundedSemaphore, Thread
from typing import Any, Final

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.context import Context
from workers.common.log import log

CLIENTS: Final = 16
"""Requests answered at once; more are closed unanswered."""
IDLE_SECONDS: Final = 5
STUCK_SECONDS: Final = 60.0
"""Silence of the event loop after which /healthz says 503."""


class _Server(ThreadingTCPServer):
    """Not HTTPServer, which looks up its own name: where no file tells that, it waits for a name server."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = CLIENTS

    def __init__(self, address: tuple[str, int], context: Context) -> None:
        self.context = context
        self._slots = BoundedSemaphore(CLIENTS)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's signature
        log("debug", "a client of /progress went away")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = IDLE_SECONDS
    server_version = "narwhal"
    sys_version = ""

    def do_GET(self) -> None:
        context = self.server.context
        if self.path == "/progress":
            self._answer(200, "application/json", context.current.to_json())
        elif self.path == "/metrics":
            self._answer(200, "text/plain; version=0.0.4; charset=utf-8", context.metrics.text().decode())
        elif self.path == "/healthz":
            stuck = time.monotonic() - context.alive_at > STUCK_SECONDS
            self._answer(503 if stuck else 200, "text/plain", "stuck\n" if stuck else "ok\n")
        else:
            self._answer(404, "text/plain", "/progress /metrics /healthz\n")

    def _answer(self, status: int, content_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        log("debug", "request", line=format % args)


def serve(listen: str, context: Context) -> int:
    """Serves on HOST:PORT in the background until the process ends; the port (of `:0`, the one chosen)."""
    host, _, port = listen.rpartition(":")
    try:
        server = _Server((host.strip("[]"), int(port)), context)
    except (OSError, ValueError, OverflowError) as error:
        raise WorkError(Reason.INTERNAL_ERROR, f"--listen {listen}: {error}; give HOST:PORT of a free port.") from error
    Thread(target=server.serve_forever, name="serve", daemon=True).start()
    return int(server.server_address[1])
