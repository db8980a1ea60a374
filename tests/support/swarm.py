"""A swarm on the loopback: an HTTP tracker of our own, libtorrent as seeder, torrents made of files."""

import socket
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self, cast
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

import libtorrent as lt

PIECE: Final = 64 * 1024
SETTINGS: Final = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "webtorrent_stun_server": "",
    "stop_tracker_timeout": 1,
    "allow_multiple_connections_per_ip": True,
}
"""Of a seeder: it is found through its tracker alone."""


class _Tracker(ThreadingHTTPServer):
    daemon_threads = True
    tracker: "Tracker"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: a client that ends while it announces needs no answer."""


class _Handler(BaseHTTPRequestHandler):
    server: _Tracker
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.server.tracker.answer(self.path, self.client_address[0])
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Quiet."""


class Tracker:
    """An HTTP tracker (BEP 3, BEP 23) that names seeds. A context manager."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.always: list[tuple[str, int]] = []
        """Peers that are named to everybody."""
        self._peers: dict[bytes, set[tuple[str, int]]] = defaultdict(set)
        self._server = _Tracker(("127.0.0.1", 0), _Handler)
        self._server.tracker = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/announce"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, host: str) -> bytes:
        """The answer to an announce: those who had all from the start and have not stopped.

        A worker that was killed is never named: to libtorrent one address is one peer, so that a dead one at the
        loopback would stand in for the living.
        """
        self.requests.append(path)
        query = urlsplit(path).query
        fields = dict(parse_qsl(query, encoding="latin-1"))
        digest = next(
            (unquote_to_bytes(part.partition("=")[2]) for part in query.split("&") if part.startswith("info_hash=")),
            b"",
        )
        me = (host, int(fields.get("port", "0")))
        others = (self._peers[digest] - {me}) | set(self.always)
        if fields.get("event") == "stopped":
            self._peers[digest].discard(me)
        elif fields.get("left") == "0" and fields.get("event") == "started":
            self._peers[digest].add(me)
        compact = b"".join(socket.inet_aton(peer) + port.to_bytes(2, "big") for peer, port in sorted(others))
        found: Any = {b"interval": 2, b"min interval": 1, b"peers": compact}
        return lt.bencode(found)


@dataclass(frozen=True, slots=True)
class Torrent:
    """A torrent of files that lie below `folder`."""

    data: bytes
    folder: Path

    @property
    def info(self) -> "lt.torrent_info":
        """Its metadata."""
        found = lt.load_torrent_buffer(self.data).ti
        assert found is not None
        return found

    def magnet(self, *trackers: str, peers: Sequence[tuple[str, int]] = ()) -> str:
        """A magnet link that names the trackers and peers."""
        hashes = self.info.info_hashes()
        topic = f"xt=urn:btih:{hashes.v1}" if hashes.has_v1() else f"xt=urn:btmh:1220{hashes.v2}"
        more = [f"tr={url}" for url in trackers] + [f"x.pe={host}:{port}" for host, port in peers]
        return "magnet:?" + "&".join([topic, *more])


def make_torrent(
    folder: Path,
    files: Mapping[str, bytes],
    trackers: Sequence[str] = (),
    *,
    web_seeds: Sequence[str] = (),
    piece: int = PIECE,
    flags: int = 0,
) -> Torrent:
    """Writes the files below `folder` and makes their torrent; all paths begin with one name, as in a torrent."""
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    name = next(iter(files)).split("/")[0]
    made = lt.create_torrent(lt.list_files(str(folder / name)), piece, flags)
    for tier, url in enumerate(trackers):
        made.add_tracker(url, tier)
    for url in web_seeds:
        made.add_url_seed(url)
    lt.set_piece_hashes(made, str(folder))
    return Torrent(lt.bencode(made.generate()), folder)


class Seeder:
    """libtorrent with the files of a torrent in `folder`; a context manager.

    `rate` is in bytes per second. `unchecked` has it say that it has all, whatever is in the files.
    """

    def __init__(
        self,
        torrent: Torrent,
        trackers: Sequence[str] = (),
        *,
        rate: int = 0,
        folder: Path | None = None,
        unchecked: bool = False,
        host: str = "127.0.0.1",
    ) -> None:
        settings = {**SETTINGS, "listen_interfaces": f"{host}:0"}
        self._session = lt.session(lt.session_params(cast("lt.settings_pack", settings)))
        flags = lt.torrent_flags
        params = lt.load_torrent_buffer(torrent.data)
        params.save_path = str(folder or torrent.folder)
        params.flags = flags.default_flags & ~(flags.auto_managed | flags.paused)
        if unchecked:
            params.flags |= flags.no_verify_files
            params.have_pieces = [True] * torrent.info.num_pieces()
        params.upload_limit = rate
        params.trackers = list(trackers)
        params.tracker_tiers = [0 for _ in trackers]
        self.handle = self._session.add_torrent(params)
        deadline = time.monotonic() + 30
        while self._checking():
            assert time.monotonic() < deadline, "the seeder did not check its files in time"
            self._session.wait_for_alert(20)
            self._session.pop_alerts()

    def _checking(self) -> bool:
        states = lt.torrent_status
        return self.handle.status().state in {states.checking_files, states.checking_resume_data}

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._session.listen_port()

    @property
    def uploaded(self) -> int:
        """Bytes of files it has sent."""
        return self.handle.status().total_payload_upload

    @property
    def downloaded(self) -> int:
        """Bytes of files it has got, where it did not have all."""
        return self.handle.status().total_wanted_done

    def set_rate(self, rate: int) -> None:
        """Changes how fast it sends; 0: without limit."""
        self.handle.set_upload_limit(rate)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.handle.pause()
        self._session.remove_torrent(self.handle)
