"""Forbidden addresses see no connection: the tests allow 127.0.0.1 and listen at 127.0.0.2."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.torrent.conftest import Place, content, joined
from tests.support.downloads import fetch
from tests.support.origin import Origin, redirect
from tests.support.processes import until
from tests.support.swarm import PIECE, Seeder, Tracker, make_torrent
from workers.download.netguard import Policy
from workers.download.torrent.addresses import Places, filter_rules
from workers.download.torrent.library import lt
from workers.download.torrent.swarm import Swarm

FILM = content(1, 5 * PIECE)
HERE: dict[str, Any] = {"allowedNetworks": ["127.0.0.1/32"]}


class Trap:
    """Listens for TCP and UDP where nothing may connect."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._tcp = socket.create_server(("127.0.0.2", 0))
        self.port = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.2", self.port))
        self._udp.settimeout(0.05)
        self._tcp.settimeout(0.05)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def url(self, scheme: str = "http", path: str = "/announce") -> str:
        """A URL that leads into it."""
        return f"{scheme}://127.0.0.2:{self.port}{path}"

    def _watch(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                self._tcp.accept()[0].close()
                self.seen.append("tcp")
            with suppress(TimeoutError):
                self._udp.recvfrom(100)
                self.seen.append("udp")

    def close(self) -> None:
        """Stops listening."""
        self._ended.set()
        self._thread.join()
        self._tcp.close()
        self._udp.close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    """A listener at a forbidden address."""
    found = Trap()
    yield found
    found.close()


def test_the_trap_sees_a_connection(trap: Trap) -> None:
    """Or else the tests below would prove nothing."""
    socket.create_connection(("127.0.0.2", trap.port)).close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.0.0.2", trap.port))

    until(lambda: len(trap.seen) == 2, 5, "both are seen")
    assert sorted(trap.seen) == ["tcp", "udp"]


@pytest.mark.parametrize("scheme", ["http", "https", "udp"])
async def test_a_forbidden_tracker_alone_ends_it(directory: Place, tmp_path: Path, trap: Trap, scheme: str) -> None:
    """Judged before libtorrent hears of it."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM})
    order = directory.order({"magnet": torrent.magnet(trap.url(scheme))}, **HERE)

    ended = await fetch(order, tmp_path / "scratch")

    assert ended.reason is Reason.ADDRESS_FORBIDDEN
    assert f"127.0.0.2:{trap.port}" in ended.message
    assert trap.seen == []


async def test_a_forbidden_web_seed_alone_ends_it(directory: Place, tmp_path: Path, trap: Trap) -> None:
    """A web seed is a URL of the torrent's choice as well."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, web_seeds=[trap.url(path="/film.mkv")])
    with joined(torrent) as url:
        ended = await fetch(directory.order({"url": url()}, **HERE), tmp_path / "scratch")

    assert ended.reason is Reason.ADDRESS_FORBIDDEN
    assert trap.seen == []


async def test_a_torrent_file_at_a_forbidden_address_is_not_fetched(
    directory: Place, tmp_path: Path, trap: Trap
) -> None:
    """It goes through the client that judges every connection."""
    ended = await fetch(directory.order({"url": trap.url(path="/a.torrent")}, **HERE), tmp_path / "scratch")

    assert ended.reason is Reason.ADDRESS_FORBIDDEN
    assert trap.seen == []


async def test_forbidden_places_beside_a_good_one_are_left_out(
    directory: Place, tracker: Tracker, tmp_path: Path, trap: Trap
) -> None:
    """The torrent is fetched from where it may be, and the message tells what was refused."""
    seeds = [trap.url(path="/film.mkv")]
    trackers = [trap.url(), trap.url("udp"), tracker.url]
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, trackers, web_seeds=seeds)
    with Seeder(torrent, [tracker.url]), joined(torrent) as url:
        ended = await fetch(directory.order({"url": url()}, **HERE), tmp_path / "scratch")

    assert ended.reason is Reason.COMPLETED, ended.message
    assert "Places that were refused: 3" in ended.message
    assert directory.objects() == {"films/x": FILM}
    assert trap.seen == []


async def test_a_tracker_that_the_admin_names_may_be_in_a_private_network_but_not_here(
    directory: Place, tmp_path: Path, trap: Trap
) -> None:
    """A host of the admin's list at a loopback address is refused: that is a trap which no name opens."""
    torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM})
    tracker = f"http://localhost:{trap.port}/announce"
    order = directory.order({"magnet": torrent.magnet(tracker)}, allowedNetworks=[], allowedHosts=["localhost"])

    ended = await fetch(order, tmp_path / "scratch")

    assert ended.reason is Reason.ADDRESS_FORBIDDEN
    assert trap.seen == []


async def test_with_a_proxy_nothing_of_a_torrent_goes_another_way(
    directory: Place, tracker: Tracker, tmp_path: Path
) -> None:
    """Trackers, web seeds and peers are asked for through it, and see no connection themselves."""
    with Origin() as origin, HttpProxy() as proxy:
        seeds = [origin.serve("/film.mkv", lambda exchange: exchange.respond("200 OK", FILM))]
        torrent = make_torrent(tmp_path / "seed", {"film.mkv": FILM}, [tracker.url], web_seeds=seeds)
        kept = {"bucket": directory.bucket, "key": "a.torrent"}
        directory.open().put(directory.bucket, "a.torrent", torrent.data, content_type="application/x-bittorrent")
        order = directory.order(
            {"object": kept, "stallTimeout": "5s"},
            torrentFile={"store": directory.store.wire(), **kept},
            proxy=proxy.url,
            peerDiscovery=True,
        )
        ended = await fetch(order, tmp_path / "scratch")
        assert origin.seen == []

    assert ended.reason is Reason.TORRENT_NO_PEERS
    assert tracker.requests == []
    asked = {line.split(" ")[1].partition("?")[0].rpartition("/")[2] for line in proxy.seen}
    assert {"announce", "film.mkv"} <= asked


def test_with_a_proxy_peers_are_connected_to_through_it(tmp_path: Path) -> None:
    """By CONNECT; the peer itself hears nothing."""
    with socket.create_server(("127.0.0.1", 0)) as peer, HttpProxy() as proxy:
        address = peer.getsockname()
        swarm = Swarm(filter_rules(Policy.of(["127.0.0.1/32"])), proxy=proxy.url)
        made = make_torrent(tmp_path / "seed", {"film.mkv": FILM})
        swarm.add(lt.load_torrent_buffer(made.data), Places(peers=(address,)), tmp_path / "scratch")
        wanted = f"CONNECT {address[0]}:{address[1]} "

        def probe() -> bool:
            swarm.wait(0.05)
            return any(line.startswith(wanted) for line in proxy.seen)

        until(probe, 20, "the proxy is asked for the peer")
        peer.settimeout(0)
        with pytest.raises(BlockingIOError):
            peer.accept()


class HttpProxy:
    """Takes requests down and carries out none."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection = self._socket.accept()[0]
                with connection:
                    self.seen.append(connection.recv(4096).partition(b"\r\n")[0].decode())


class Wall:
    """A session with the policy's filter, given places that nobody judged before."""

    def __init__(self, tmp_path: Path, **torrent: Any) -> None:
        made = make_torrent(tmp_path / "seed", {"film.mkv": FILM})
        self.swarm = Swarm(filter_rules(Policy.of(["127.0.0.1/32"])))
        self.swarm.add(lt.load_torrent_buffer(made.data), Places(**torrent), tmp_path / "scratch")

    def told(self, word: str) -> None:
        """Waits until a tracker's failure is told in this word."""

        def probe() -> bool:
            self.swarm.wait(0.05)
            return any(word in said for said in self.swarm.trackers.values())

        until(probe, 10, f"a tracker fails with {word}")

    def turn(self, count: int) -> None:
        """Lets the session run for some of its ticks, half a second each."""
        ticks: list[int] = []

        def probe() -> bool:
            self.swarm.wait(0.5)
            self.swarm.status()
            ticks.append(1)
            return len(ticks) >= count

        until(probe, 30, f"{count} ticks of the session")


@pytest.mark.parametrize("scheme", ["http", "udp"])
def test_the_filter_stops_a_tracker_that_was_not_judged(tmp_path: Path, trap: Trap, scheme: str) -> None:
    """What a name resolves to later is judged as well: the address is held against the filter when it is dialled."""
    wall = Wall(tmp_path, trackers=((0, trap.url(scheme)),))

    wall.told("banned by IP filter")
    assert trap.seen == []


def test_the_filter_stops_the_redirect_of_a_tracker(tmp_path: Path, trap: Trap) -> None:
    """A tracker at a good address that sends elsewhere is followed no further than the wall."""
    with Origin() as origin:
        wall = Wall(tmp_path, trackers=((0, origin.serve("/announce", redirect(trap.url()))),))
        wall.told("banned by IP filter")

    assert trap.seen == []


def test_the_filter_stops_peers_and_web_seeds(tmp_path: Path, trap: Trap) -> None:
    """Whoever names them; a web seed's redirect too."""
    with Origin() as origin:
        moved = origin.serve("/film.mkv", redirect(trap.url(path="/film.mkv")))
        wall = Wall(tmp_path, web_seeds=(moved, trap.url(path="/film.mkv")), peers=(("127.0.0.2", trap.port),))
        until(lambda: origin.requests("/film.mkv"), 20, "the web seed is asked")
        wall.turn(6)

    assert trap.seen == []


def test_the_filter_stops_a_peer_that_a_tracker_names(tmp_path: Path, tracker: Tracker, trap: Trap) -> None:
    """A tracker could send every worker to an address of its choice."""
    tracker.always.append(("127.0.0.2", trap.port))
    wall = Wall(tmp_path, trackers=((0, tracker.url),))

    wall.told("knows 1 peers")
    wall.turn(6)
    assert trap.seen == []
