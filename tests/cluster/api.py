"""Asking the API server, and the components' health pages, whether they are there; no client library needed."""

import json
import socket
import ssl
import struct
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT = 3  # seconds for one question


@dataclass(frozen=True)
class Api:
    """The API server, asked as the administrator."""

    server: str
    pki: Path

    def get(self, path: str) -> dict[str, Any] | None:
        """The object at `path`, or None while the server does not answer or has none."""
        text = fetch(f"{self.server}{path}", self._context())
        return json.loads(text) if text is not None else None

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
        context.load_cert_chain(self.pki / "admin.crt", self.pki / "admin.key")
        return context


def healthy(url: str) -> bool:
    """Whether a component's health page answers 200; it is asked over a certificate it made itself."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return fetch(url, context) is not None


def fetch(url: str, context: ssl.SSLContext) -> str | None:
    """The body of a 200, else None; never through a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=TIMEOUT) as response:
            body: bytes = response.read()
            return body.decode()
    except (urllib.error.URLError, OSError):
        return None


def resolves(server: str, name: str) -> bool:
    """Whether the DNS server answers a question for the A record of `name` with at least one (RFC 1035 §4)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = struct.pack(">HHHHHH", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(0.3)
        try:
            connection.sendto(question, (server, 53))
            answer = connection.recv(512)
        except OSError:
            return False
    _, flags, _, answers = struct.unpack(">HHHH", answer[:8])
    return bool(flags & 0xF == 0 and answers > 0)
