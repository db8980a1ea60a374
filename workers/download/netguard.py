"""The address policy: which addresses a source may be at. Pure: it judges addresses, it resolves none.

Allowed is what is globally routable (IANA special-purpose registries, RFC 6890), and what the admin allows besides.
Python's `is_global` alone is not enough: it holds for multicast, for site-local addresses, for some addresses of clouds,
and for IPv6 addresses that carry an IPv4 address a gateway will send the packet to. Names are not judged at all: a
name is what its owner makes it, so the addresses it resolves to are judged, all of them, and the judged one is dialled.
A host the admin names may be at a private address, but at no metadata service, loopback or link-local one: who may
answer for the name must not thereby reach the node. Networks the admin names open whatever is in them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from narwhal_operator.contract.outcome import Reason, WorkError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FORBIDDEN: Final[tuple[Network, ...]] = (
    IPv4Network("0.0.0.0/8"),  # "this network": 0.0.0.0 is the machine itself on Linux
    IPv4Network("100.64.0.0/10"),  # carrier NAT (RFC 6598), with Alibaba's metadata at 100.100.100.200
    IPv4Network("168.63.129.16/32"),  # Azure's wire server: public by number, of the machine by route
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments (RFC 6890), with Oracle's metadata at 192.0.0.192
    IPv4Network("192.88.99.0/24"),  # 6to4 relays (RFC 7526)
    IPv4Network("224.0.0.0/4"),  # multicast
    IPv4Network("240.0.0.0/4"),  # reserved, with broadcast
    IPv6Network("::/96"),  # unspecified, loopback, and the IPv4-compatible (RFC 4291 2.5.5.1)
    IPv6Network("64:ff9b:1::/48"),  # NAT64 of a local network (RFC 8215): the gateway decides where it goes
    IPv6Network("100::/64"),  # discard (RFC 6666)
    IPv6Network("3fff::/20"),  # documentation (RFC 9637)
    IPv6Network("5f00::/16"),  # segment routing (RFC 9602)
    IPv6Network("fc00::/7"),  # unique local, with AWS's metadata at fd00:ec2::254
    IPv6Network("fe80::/10"),  # link local
    IPv6Network("fec0::/10"),  # site local (RFC 3879)
    IPv6Network("ff00::/8"),  # multicast
)
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052
_COMPATIBLE: Final = IPv6Network("::/96")
# ISATAP (RFC 5214 section 6.1): an interface identifier of 00-00-5E-FE or 02-00-5E-FE, then the IPv4 address.
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})

# Where a host that the admin names may be: private networks, less the metadata services in them.
_PRIVATE: Final[tuple[Network, ...]] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("fc00::/7"),
)
_METADATA: Final[tuple[Network, ...]] = (
    IPv4Network("100.100.100.200/32"),  # Alibaba
    IPv6Network("fd00:ec2::/32"),  # AWS: metadata, DNS, time
    IPv6Network("fd20:ce::254/128"),  # Google
)
GRANTS_LIMIT: Final = 1024


class Grants:
    """Addresses that hosts of the admin's list were found at. They grow by look-ups of those names alone; bounded."""

    def __init__(self) -> None:
        self._addresses: dict[Address, None] = {}

    def add(self, address: Address) -> None:
        """Notes an address; the oldest goes when there are too many."""
        self._addresses.pop(address, None)
        self._addresses[address] = None
        if len(self._addresses) > GRANTS_LIMIT:
            del self._addresses[next(iter(self._addresses))]

    def __contains__(self, address: Address) -> bool:
        return address in self._addresses

    def __iter__(self) -> Iterator[Address]:
        return iter(tuple(self._addresses))


@dataclass(frozen=True, slots=True)
class Policy:
    """What is allowed beside the globally routable: networks and hosts of the admin's choice.

    `granted` is what was found of those hosts: an address that a judged look-up has returned may be dialled.
    """

    allowed: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = ()
    granted: Grants = field(default_factory=Grants, compare=False, repr=False)

    @classmethod
    def of(cls, networks: Iterable[str], hosts: Iterable[str] = ()) -> "Policy":
        """The policy of CIDRs and hosts. Raises WorkError(InvalidOrder) for a CIDR that is none."""
        found: list[Network] = []
        for text in networks:
            try:
                found.append(ip_network(text.strip(), strict=False))
            except ValueError:
                raise WorkError(
                    Reason.INVALID_ORDER, f"The allowed network {text!r} is no CIDR such as 10.0.0.0/8; correct it."
                ) from None
        return cls(tuple(found), tuple(host.lower().rstrip(".") for host in hosts))

    def allows(self, address: Address) -> bool:
        """Whether a connection to the address may be opened: the last door, after the judging of the name."""
        return self.permits(address) or _plain(address) in self.granted

    def permits(self, address: Address) -> bool:
        """Whether the address is allowed to whoever is there, whatever its name."""
        outer = _plain(address)
        return all(self._permits(item) for item in (outer, *_carried(outer)))

    def check(self, host: str, addresses: Sequence[str], said: str | None = None) -> None:
        """Raises WorkError(AddressForbidden) when any address of the host is not allowed: all must pass.

        `said` is what the message calls the host.
        """
        found = [(text, parse(text)) for text in addresses]
        named = self._names(host)
        for text, address in found:
            if address is None or not (self.permits(address) or (named and _is_private(address))):
                raise WorkError(
                    Reason.ADDRESS_FORBIDDEN,
                    f"{said or host} is at {text}, which is not globally routable; the admin can allow its network or "
                    "its name (chart values download.allowedNetworks, allowedHosts; narwhal run --allow-private).",
                )
        for _, address in found:
            if named and address is not None:
                self.granted.add(_plain(address))

    def _names(self, host: str) -> bool:
        """Whether the admin's list has the host: by its name, or `*.` and the end of it. A literal address is no name."""
        name = host.lower().rstrip(".")
        if parse(name) is not None:
            return False
        return any(
            name.endswith(entry[1:]) and len(name) > len(entry) - 1 if entry.startswith("*.") else name == entry
            for entry in self.hosts
        )

    def _permits(self, address: Address) -> bool:
        return _within(address, self.allowed) or (address.is_global and not _within(address, _FORBIDDEN))


def parse(text: str) -> Address | None:
    """The address of a literal, without a zone; None for anything that is not exactly an address."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _is_private(address: Address) -> bool:
    """Whether a host by name may be here: an address of a private network, and no metadata service."""
    outer = _plain(address)
    return _within(outer, _PRIVATE) and not _within(outer, _METADATA) and not _carried(outer)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _plain(address: Address) -> Address:
    """The IPv4 address of an IPv4-mapped one (RFC 4291 2.5.5.2): the kernel sends IPv4 for it."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _carried(address: Address) -> tuple[IPv4Address, ...]:
    """IPv4 addresses inside an IPv6 one that some gateway will send the packet to."""
    if not isinstance(address, IPv6Address):
        return ()
    found: list[IPv4Address] = []
    low = int(address) & 0xFFFFFFFF
    if address in _NAT64 or (address in _COMPATIBLE and low > 1) or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        found.append(IPv4Address(low))
    if address.sixtofour is not None:  # RFC 3056
        found.append(address.sixtofour)
    if address.teredo is not None:  # RFC 4380: server and client
        found.extend(address.teredo)
    return tuple(found)
