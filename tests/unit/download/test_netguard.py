"""The address policy judges addresses, however they are spelt."""

import socket
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.download.netguard import GRANTS_LIMIT, Policy, parse

# What a person may write as the host of a URL, and what the C library makes of it (getaddrinfo, inet_aton(3)).
FORBIDDEN = [
    # loopback
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
    "127.255.255.254", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "localhost",
    # the machine itself
    "0", "0.0.0.0", "0x0", "0.1.2.3", "::", "::ffff:0.0.0.0", "::ffff:0:0",  # noqa: S104 - a host to refuse
    # metadata services
    "169.254.169.254", "0xA9FEA9FE", "2852039166", "0251.0376.0251.0376", "169.254.43518", "0xa9.0xfe.0xa9.0xfe",
    "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::", "2002:a9fe:a9fe::1", "2001:0:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:5601:5601",
    "2a00:1450::5efe:a9fe:a9fe", "2a00:1450::200:5efe:a9fe:a9fe", "fd00:ec2::254", "100.100.100.200",
    "192.0.0.192", "168.63.129.16", "169.254.170.2", "fe80::a9fe:a9fe",
    # private networks (RFC 1918, RFC 6598, RFC 4193) and what wraps them
    "10.0.0.1", "10.1", "0x0a000001", "012.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.257",
    "3232235777", "100.64.0.1", "100.127.255.254", "fc00::1", "fdff:ffff::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1",
    "2002:0a00:0001::", "64:ff9b:1::a00:1", "::10.0.0.1",
    # link local, site local, multicast, reserved, documentation, benchmarks
    "fe80::1", "fec0::1", "feff::1", "224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1", "240.0.0.1",
    "255.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.9", "198.18.0.1", "198.19.255.255", "192.0.0.8",
    "192.88.99.1", "2001:db8::1", "100::1", "5f00::1", "2001:2::1", "3fff::1",
]  # fmt: skip

ALLOWED = [
    "8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "11.0.0.1", "134744072", "0x08080808",
    "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
]  # fmt: skip


def addresses(host: str) -> list[str]:
    """What the resolver of this machine makes of a numeric spelling; no packet is sent for these."""
    found = socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)
    return [str(item[4][0]) for item in found]


def test_enough_spellings_are_tried() -> None:
    """At least sixty different spellings stand in the list."""
    assert len(set(FORBIDDEN)) >= 60


@pytest.mark.parametrize("host", FORBIDDEN)
def test_a_forbidden_address_is_refused_however_it_is_spelt(host: str) -> None:
    """What the spelling resolves to is refused with AddressForbidden; the message names the host and the mend."""
    with pytest.raises(WorkError) as caught:
        Policy().check(host, addresses(host))
    assert caught.value.reason is Reason.ADDRESS_FORBIDDEN
    assert host in caught.value.message
    assert "--allow-private" in caught.value.message


@pytest.mark.parametrize("host", ALLOWED)
def test_a_globally_routable_address_is_allowed(host: str) -> None:
    """Public addresses pass, also wrapped ones whose inner address is public."""
    Policy().check(host, addresses(host))
    assert all(Policy().allows(ip_address(text)) for text in addresses(host))


def test_one_forbidden_address_among_many_is_enough() -> None:
    """All answers must pass: a name with a public and a private address is refused (the rebinding trick)."""
    with pytest.raises(WorkError):
        Policy().check("both.example", ["8.8.8.8", "10.0.0.1"])


def test_what_is_no_address_is_refused() -> None:
    """An answer that cannot be read as an address does not pass unjudged."""
    with pytest.raises(WorkError):
        Policy().check("odd.example", ["not-an-address"])


@pytest.mark.parametrize(
    ("network", "host", "allowed"),
    [
        ("127.0.0.0/8", "127.0.0.1", True),
        ("127.0.0.0/8", "::ffff:127.0.0.1", True),
        ("127.0.0.0/8", "::1", False),
        ("127.0.0.0/8", "10.0.0.1", False),
        ("10.1.0.0/16", "10.1.2.3", True),
        ("10.1.0.0/16", "10.2.0.1", False),
        ("10.1.0.0/16", "64:ff9b::10.1.2.3", True),
        ("10.1.0.0/16", "64:ff9b::10.2.0.1", False),
        ("fd00:1::/32", "fd00:1::5", True),
        ("0.0.0.0/0", "169.254.169.254", True),
        ("::/0", "::1", True),
        ("10.1.2.3", "10.1.2.3", True),
    ],
)
def test_the_admin_allows_networks(network: str, host: str, allowed: bool) -> None:
    """An allowed network admits its own addresses, also mapped ones, and no other."""
    address = parse(host)
    assert address is not None
    assert Policy.of([network]).allows(address) is allowed


def test_a_network_that_is_none_is_an_invalid_order() -> None:
    """A typing error in the admin's list ends with InvalidOrder and quotes the entry."""
    with pytest.raises(WorkError) as caught:
        Policy.of(["10.0.0.0/8", "10.0.0.0/64"])
    assert caught.value.reason is Reason.INVALID_ORDER
    assert "10.0.0.0/64" in caught.value.message


@given(st.integers(0, 2**32 - 1))
def test_wrapping_never_makes_an_address_allowed(number: int) -> None:
    """No IPv6 form that carries an IPv4 address is allowed when the IPv4 address is not."""
    inner = ip_address(number)
    if Policy().allows(inner):
        return
    for wrapped in (
        f"::ffff:{inner}",
        f"::{inner}",
        f"64:ff9b::{inner}",
        f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1",
    ):
        address = parse(wrapped)
        assert address is not None
        assert not Policy().allows(address)


HOSTS = ["origin.media.svc", "*.films.example"]


@pytest.mark.parametrize(
    ("host", "address", "allowed"),
    [
        ("origin.media.svc", "10.96.0.5", True),
        ("ORIGIN.media.svc.", "192.168.1.5", True),
        ("origin.media.svc", "100.64.1.1", True),
        ("origin.media.svc", "fd00:10::5", True),
        ("origin.media.svc", "::ffff:10.0.0.5", True),
        ("a.films.example", "172.16.0.1", True),
        ("a.b.films.example", "172.16.0.1", True),
        ("films.example", "10.0.0.1", False),
        ("xfilms.example", "10.0.0.1", False),
        ("other.media.svc", "10.96.0.5", False),
        ("origin.media.svc.evil.example", "10.96.0.5", False),
        ("10.96.0.5", "10.96.0.5", False),
        ("origin.media.svc", "127.0.0.1", False),
        ("origin.media.svc", "::1", False),
        ("origin.media.svc", "0.0.0.0", False),  # noqa: S104 - an address to refuse
        ("origin.media.svc", "169.254.169.254", False),
        ("origin.media.svc", "::ffff:169.254.169.254", False),
        ("origin.media.svc", "100.100.100.200", False),
        ("origin.media.svc", "168.63.129.16", False),
        ("origin.media.svc", "192.0.0.192", False),
        ("origin.media.svc", "fd00:ec2::254", False),
        ("origin.media.svc", "fd20:ce::254", False),
        ("origin.media.svc", "fe80::1", False),
        ("origin.media.svc", "64:ff9b::10.0.0.5", False),
        ("origin.media.svc", "2002:0a00:0001::", False),
        ("origin.media.svc", "224.0.0.1", False),
        ("origin.media.svc", "198.18.0.1", False),
    ],
)
def test_the_admin_allows_hosts(host: str, address: str, allowed: bool) -> None:
    """A listed name may be in a private network, but at no metadata service and not on the machine itself."""
    policy = Policy.of([], HOSTS)
    found = parse(address)
    assert found is not None
    if allowed:
        policy.check(host, [address])
    else:
        with pytest.raises(WorkError) as caught:
            policy.check(host, [address])
        assert caught.value.reason is Reason.ADDRESS_FORBIDDEN
    assert policy.allows(found) is allowed
    assert not policy.permits(found)


def test_a_listed_host_opens_its_address_to_no_other_name() -> None:
    """What was found for a listed name is dialled for it; another name at the same address, or the address, is refused."""
    policy = Policy.of([], HOSTS)
    policy.check("origin.media.svc", ["10.96.0.5"])
    for other in ("rebinding.example", "10.96.0.5"):
        with pytest.raises(WorkError):
            policy.check(other, ["10.96.0.5"])


def test_one_trap_among_the_addresses_of_a_listed_host_opens_none() -> None:
    """All answers must pass here too, and until they do none may be dialled."""
    policy = Policy.of([], HOSTS)
    with pytest.raises(WorkError):
        policy.check("origin.media.svc", ["10.96.0.5", "169.254.169.254"])
    assert not policy.allows(ip_address("10.96.0.5"))


def test_what_was_found_of_hosts_is_bounded() -> None:
    """A name with ever new addresses does not grow the policy for ever."""
    policy = Policy.of([], HOSTS)
    for number in range(GRANTS_LIMIT + 10):
        policy.check("origin.media.svc", [f"10.0.{number >> 8}.{number & 255}"])
    assert len(list(policy.granted)) == GRANTS_LIMIT
    assert not policy.allows(ip_address("10.0.0.0"))
