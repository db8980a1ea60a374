"""The address policy inside libtorrent: an IP filter from it, and trackers and web seeds judged before they are used.

The filter is the wall: libtorrent holds every address against it that it is about to dial, be it a peer's, a tracker's
or a web seed's, after each look-up and each redirect (measured: tests/integration/torrent). Judging URLs before is the
sign on the wall: it says what was refused, and refuses a name any of whose addresses is not allowed.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import Final, Literal
from urllib.parse import urlsplit

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.download.netguard import Network, Policy, parse
from workers.download.resolver import Lookup, lookup

Purpose = Literal["tracker", "web seed", "peer"]

URLS_LIMIT: Final = 50
"""Trackers, and web seeds, that are used; real torrents have up to some 30."""
LOOKUPS_AT_ONCE: Final = 8
_SCHEMES: Final = {"tracker": frozenset({"http", "https", "udp"}), "web seed": frozenset({"http", "https"})}
_PORTS: Final = {"http": 80, "https": 443}

# Not globally routable (IANA special-purpose registries, RFC 6890), and what netguard.py refuses besides.
_BLOCKED_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_BLOCKED_V6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, with Teredo, ORCHID and benchmarking
        "2001:db8::/32",
        "2002::/16",  # 6to4: carries an IPv4 address of the sender's choice
        "3fff::/20",
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Rule:
    """A run of addresses that is allowed or not; of several rules the last one counts."""

    first: str
    last: str
    blocked: bool


def filter_rules(policy: Policy) -> tuple[Rule, ...]:
    """The policy as rules for libtorrent's filter. Where ranges cannot say what the policy says, they say less.

    Not expressible is an ISATAP address (RFC 5214): it needs a tunnel on this very machine, which pods have not.
    """
    allowed_v4 = [network for network in policy.allowed if isinstance(network, IPv4Network)]
    allowed_v6 = [network for network in policy.allowed if isinstance(network, IPv6Network)]
    return (
        *(_rule(network, blocked=True) for network in _BLOCKED_V4),
        *(_rule(network, blocked=False) for network in allowed_v4),
        _rule(IPv6Network("::/0"), blocked=True),
        _rule(_GLOBAL_V6, blocked=False),
        *(_rule(network, blocked=True) for network in _BLOCKED_V6),
        *(_rule(network, blocked=False) for network in allowed_v6),
        # What a NAT64 gateway turns into IPv4 is judged as IPv4 (RFC 6052), whatever else is allowed.
        _rule(_NAT64, blocked=False),
        *(_rule(_through_nat64(network), blocked=True) for network in _BLOCKED_V4),
        *(_rule(_through_nat64(network), blocked=False) for network in allowed_v4),
        # Trackers and web seeds of the admin's hosts, where they were found when they were judged.
        *(Rule(str(address), str(address), blocked=False) for address in policy.granted),
    )


def _rule(network: Network, *, blocked: bool) -> Rule:
    return Rule(str(network[0]), str(network[-1]), blocked)


def _through_nat64(network: IPv4Network) -> IPv6Network:
    base = int(_NAT64.network_address) | int(network.network_address)
    return IPv6Network((IPv6Address(base), 96 + network.prefixlen))


@dataclass(frozen=True, slots=True)
class Places:
    """Where a torrent can be had from, and which places were refused and why (for messages: hosts, no paths)."""

    trackers: tuple[tuple[int, str], ...] = ()
    """Tier and URL."""
    web_seeds: tuple[str, ...] = ()
    peers: tuple[tuple[str, int], ...] = ()
    refused: tuple[WorkError, ...] = field(default=())

    @property
    def empty(self) -> bool:
        """Whether nothing is left to ask."""
        return not (self.trackers or self.web_seeds or self.peers)


async def judged_places(places: Places, policy: Policy, look: Lookup = lookup, *, discovery: bool = False) -> Places:
    """The places that may be used. Raises WorkError(AddressForbidden) when none is left, TorrentInvalid without any.

    With `discovery` peers are found elsewhere too, so that a torrent may do without places. A name that does not resolve now is left in: it may later, and then the filter judges its addresses.
    """
    slots = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def judge(purpose: Purpose, url: str) -> WorkError | None:
        async with slots:
            return await _judge(purpose, url, policy, look)

    trackers, seeds = places.trackers[:URLS_LIMIT], places.web_seeds[:URLS_LIMIT]
    found = await asyncio.gather(
        *(judge("tracker", url) for _, url in trackers), *(judge("web seed", url) for url in seeds)
    )
    of_trackers, of_seeds = found[: len(trackers)], found[len(trackers) :]
    of_peers = [_judge_peer(host, policy) for host, _ in places.peers]
    left = Places(
        trackers=tuple(item for item, error in zip(trackers, of_trackers, strict=True) if error is None),
        web_seeds=tuple(url for url, error in zip(seeds, of_seeds, strict=True) if error is None),
        peers=tuple(peer for peer, error in zip(places.peers, of_peers, strict=True) if error is None),
        refused=tuple(error for error in (*found, *of_peers) if error is not None),
    )
    if left.empty and not (discovery and not left.refused):
        raise _nowhere(left.refused)
    return left


def _nowhere(refused: Sequence[WorkError]) -> WorkError:
    forbidden = [error for error in refused if error.reason is Reason.ADDRESS_FORBIDDEN]
    if not refused:
        return WorkError(
            Reason.TORRENT_INVALID,
            "The torrent names no tracker, web seed or peer, and peer discovery is off; use a magnet link with tr= or a "
            ".torrent file with trackers, or have the admin allow it (chart value download.peerDiscovery).",
        )
    first = (forbidden or list(refused))[0]
    return WorkError(first.reason, f"Nowhere is left to get the torrent from; refused: {len(refused)}. {first.message}")


async def _judge(purpose: Purpose, url: str, policy: Policy, look: Lookup) -> WorkError | None:
    try:
        parsed = urlsplit(url)
        host, port = parsed.hostname or "", parsed.port or _PORTS.get(parsed.scheme, 0)
    except ValueError:
        host, port = "", 0
    if not host or not port or parsed.scheme not in _SCHEMES[purpose]:
        return WorkError(Reason.TORRENT_INVALID, f"A {purpose} is no URL of a kind that is used; correct the torrent.")
    if not host.isascii() or "xn--" in host:
        # Look-alike names were a finding of libtorrent's audit; it refuses them too (allow_idna).
        return WorkError(Reason.ADDRESS_FORBIDDEN, f"The {purpose} {host!a} has an internationalised name.")
    try:
        addresses = [str(item[4][0]) for item in await look(host, port)]
        policy.check(host, addresses, f"The {purpose} {host}:{port}")
    except WorkError as error:
        return error
    except OSError:
        return None
    return None


def _judge_peer(host: str, policy: Policy) -> WorkError | None:
    address = parse(host)
    if address is not None and policy.permits(address):
        return None
    return WorkError(Reason.ADDRESS_FORBIDDEN, f"The peer {host!a} is not globally routable.")
