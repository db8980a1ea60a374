"""libtorrent's settings for a worker: nothing is announced, searched or opened that the spec did not name. Pure."""

from typing import Any, Final
from urllib.parse import urlsplit

from workers.download.torrent.origin import TORRENT_LIMIT

PEERS: Final = 80
"""Peers connected at once. Not spec.connections: that is about one server, and eight peers are no swarm."""
KNOWN_PEERS: Final = 1000
HTTP_PROXY: Final = 4
"""libtorrent's number for a proxy of that type (proxy_type_t.http)."""


def session_settings(*, discovery: bool = False, proxy: str | None = None) -> dict[str, Any]:
    """Everything that differs from libtorrent's defaults (libtorrent.org, settings_pack), with the reason.

    `discovery` is the admin's word: peers are then found by DHT (BEP 5), LSD (BEP 14) and PEX (BEP 11) as well. So is
    `proxy`, http://HOST:PORT: trackers, web seeds and peers (by CONNECT) are reached through it and not otherwise; what
    goes over UDP, discovery and udp trackers, could not and is left out.
    """
    discovery = discovery and proxy is None
    # Without it, found nowhere but through the trackers and web seeds of the source: no broadcast reaches the cluster's
    # network, no third party's bootstrap server is asked.
    quiet: dict[str, Any] = {} if discovery else {"dht_bootstrap_nodes": ""}
    return {**_CLOSED, **_LIMITS, **quiet, **_proxied(proxy), "enable_dht": discovery, "enable_lsd": discovery}


_CLOSED: Final[dict[str, Any]] = {
    # No port is opened in a router, and no STUN server asked, whatever the admin says: a pod needs neither.
    "enable_upnp": False,
    "enable_natpmp": False,
    "webtorrent_stun_server": "",
    # Findings of the audit of 2020 (reference/reliability.md section 5); most are defaults, but not to be lost.
    "ssrf_mitigation": True,
    "allow_idna": False,
    "validate_https_trackers": True,
    "no_connect_privileged_ports": True,
    "apply_ip_filter_to_trackers": True,
    # A pod is not reachable from outside. The socket is there because announces are sent from one.
    "listen_interfaces": "0.0.0.0:0,[::]:0",
    "enable_incoming_tcp": False,
    "enable_incoming_utp": False,
    # TCP alone: uTP yields to every other flow, takes a busy CPU for a full network (8 MB/s on a loopback where TCP
    # makes ten times that), and what it is for, the way through a home router, is no matter in a cluster.
    "enable_outgoing_utp": False,
}
_LIMITS: Final[dict[str, Any]] = {
    # A dead tracker first in the list must not hold up the others.
    "announce_to_all_tiers": True,
    "stop_tracker_timeout": 1,
    "connections_limit": PEERS,
    "max_peerlist_size": KNOWN_PEERS,
    "max_metadata_size": TORRENT_LIMIT,
    # Memory and threads: two CPUs and 200 MB are what a worker has.
    "aio_threads": 2,
    "hashing_threads": 1,
    "file_pool_size": 32,
    "max_queued_disk_bytes": 8 * 1024 * 1024,
    # Measured at 150 MB/s from one peer: 63 MB at the peak, and as fast; left to the kernel 125 to 180 MB.
    "recv_socket_buffer_size": 512 * 1024,
    "checking_mem_usage": 64,  # in blocks of 16 KiB
    "alert_queue_size": 4000,
}


def _proxied(proxy: str | None) -> dict[str, Any]:
    if proxy is None:
        return {}
    found = urlsplit(proxy)
    return {
        "proxy_type": HTTP_PROXY,
        "proxy_hostname": found.hostname,
        "proxy_port": found.port,
        "proxy_tracker_connections": True,
        "proxy_peer_connections": True,  # of web seeds too
        # Names are looked up here, so that the filter judges their addresses (of HTTP requests the proxy looks again).
        "proxy_hostnames": False,
    }
