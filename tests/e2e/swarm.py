"""A swarm for the cluster: a tracker and a seeder behind one Service. Runs in a pod of the torrent image.

`python3 swarm.py DIRECTORY PORT`. `PUT /files/PATH` keeps a file; `POST /seed/NAME` makes the torrent of the files below
NAME, seeds it and answers with it, as does `GET /NAME.torrent` from then on. `/announce` names the seeder by the Service's own address, so that a worker needs
leave for that one alone.
"""

import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, cast

import libtorrent as lt

HOST: Final = "swarm.media.svc"
PEERS: Final = 6881
PIECE: Final = 64 * 1024
SETTINGS: Final[dict[str, Any]] = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "listen_interfaces": f"0.0.0.0:{PEERS}",
    "allow_multiple_connections_per_ip": True,
}


class Swarm(ThreadingHTTPServer):
    """The tracker, with the session that seeds."""

    def __init__(self, root: Path, port: int) -> None:
        super().__init__(("", port), Handler)
        self.root = root
        self.torrents: dict[str, bytes] = {}
        self.session = lt.session(lt.session_params(cast("lt.settings_pack", SETTINGS)))

    def seed(self, name: str) -> bytes:
        """The torrent of the files below a name, seeded from now on."""
        made = lt.create_torrent(lt.list_files(str(self.root / name)), PIECE)
        made.add_tracker(f"http://{HOST}/announce")
        lt.set_piece_hashes(made, str(self.root))
        data: bytes = lt.bencode(made.generate())
        params = lt.load_torrent_buffer(data)
        params.save_path = str(self.root)
        params.flags = lt.torrent_flags.default_flags & ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        params.trackers = []
        self.session.add_torrent(params)
        self.torrents[f"/{name}.torrent"] = data
        return data


class Handler(BaseHTTPRequestHandler):
    """PUT, POST and GET as the module says."""

    server: Swarm
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        file = self.server.root / self.path.removeprefix("/files/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(b"", 201)

    def do_POST(self) -> None:
        self._answer(self.server.seed(self.path.removeprefix("/seed/")))

    def do_GET(self) -> None:
        if self.path in self.server.torrents:
            self._answer(self.server.torrents[self.path])
            return
        here = socket.inet_aton(socket.gethostbyname(HOST)) + PEERS.to_bytes(2, "big")
        found: Any = {b"interval": 2, b"min interval": 1, b"peers": here}
        self._answer(lt.bencode(found))

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    Swarm(Path(sys.argv[1]), int(sys.argv[2])).serve_forever()
