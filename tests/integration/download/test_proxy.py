"""A proxy by the admin's word: what goes through it, and what is still refused."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.order import DownloadOrder
from narwhal_operator.contract.outcome import Reason
from tests.integration.download.conftest import Place
from tests.support.certificates import Authority
from tests.support.downloads import fetch, make_order
from tests.support.origin import File, Origin, redirect
from tests.support.processes import free_ports

CONTENT = b"\0\1\2film" * 200_000
GOOD = File(CONTENT)


@dataclass(slots=True)
class Proxy:
    """A forward proxy on a loopback port: `asked` are the targets it was asked for, all of which are at `origin`."""

    origin: int
    asked: list[str] = field(default_factory=list)
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @contextlib.contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Serves until the end of the block."""
        threading.Thread(target=self._accept, daemon=True).start()
        with self._listener:
            yield self

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._talk, args=(self._listener.accept()[0],), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock, socket.create_connection(("127.0.0.1", self.origin)) as far:
            data = b""
            while b"\r\n\r\n" not in data:
                data += sock.recv(65536)
            method, target, _ = data.split(b" ", 2)
            self.asked.append(f"{method.decode()} {target.decode()}")
            if method == b"CONNECT":
                sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                far.sendall(data.replace(b"http://" + target.split(b"/")[2], b"", 1))
            threading.Thread(target=_copy, args=(sock, far), daemon=True).start()
            _copy(far, sock)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)


def proxied(order: DownloadOrder, proxy: Proxy, networks: tuple[str, ...] = ()) -> DownloadOrder:
    """The order with the admin's proxy, and without leave for private networks."""
    return order.model_copy(update={"proxy": proxy.url, "allowed_networks": list(networks)})


async def test_a_name_goes_through_the_proxy(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """All requests do, also the parts; the proxy itself may be at a private address, for it is the admin's word."""
    origin.serve("/f", GOOD)
    with Proxy(origin.port).running() as proxy:
        order = make_order("http://films.example/f", directory.store)
        ended = await fetch(proxied(order, proxy), tmp_path)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert directory.objects() == {"films/clip.bin": CONTENT}
    assert proxy.asked
    assert set(proxy.asked) == {"GET http://films.example/f"}


async def test_https_goes_through_a_tunnel(directory: Place, tmp_path: Path) -> None:
    """CONNECT, and the certificate of the source is judged at the far end."""
    (tmp_path / "ca").mkdir()
    authority = Authority.create(tmp_path / "ca")
    with Origin(tls=authority.context("DNS:films.example")) as origin, Proxy(origin.port).running() as proxy:
        origin.serve("/f", GOOD)
        bundle: dict[str, Any] = {
            "caBundle": str(authority.path), "http": {"caBundleFrom": {"configMapRef": {"name": "ca"}}}
        }  # fmt: skip
        order = make_order("https://films.example/f", directory.store, **bundle)
        ended = await fetch(proxied(order, proxy), tmp_path)
    assert ended.reason is Reason.COMPLETED, ended.message
    assert set(proxy.asked) == {"CONNECT films.example:443"}


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "[::1]", "2852039166", "0x7f000001"])
async def test_a_literal_address_is_judged_all_the_same(
    host: str, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """A forbidden address in the URL is refused before the proxy hears of it."""
    with Proxy(origin.port).running() as proxy:
        ended = await fetch(proxied(make_order(f"http://{host}/f", directory.store), proxy), tmp_path)
    assert ended.reason is Reason.ADDRESS_FORBIDDEN
    assert proxy.asked == []


async def test_a_redirect_to_a_forbidden_address_is_refused(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """The second hop is judged as the first is."""
    origin.serve("/f", redirect("http://169.254.169.254/latest/"))
    with Proxy(origin.port).running() as proxy:
        ended = await fetch(proxied(make_order("http://films.example/f", directory.store), proxy), tmp_path)
    assert ended.reason is Reason.ADDRESS_FORBIDDEN
    assert proxy.asked == ["GET http://films.example/f"]


async def test_a_proxy_that_is_not_there_has_its_reason(directory: Place, tmp_path: Path) -> None:
    """SourceUnreachable, and the message says that it is the proxy."""
    order = make_order("http://films.example/f", directory.store)
    gone = f"http://127.0.0.1:{free_ports(1)[0]}"
    ended = await fetch(order.model_copy(update={"proxy": gone}), tmp_path)
    assert ended.reason is Reason.SOURCE_UNREACHABLE
    assert "proxy" in ended.message
