"""libtorrent's filter says what the address policy says; trackers and web seeds are judged before they are used."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import libtorrent as lt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.download.netguard import Policy
from workers.download.torrent.addresses import Places, Rule, filter_rules, judged_places
from workers.download.torrent.settings import session_settings

POLICY = Policy.of(["10.1.0.0/16", "fd00:1::/32"])
PUBLIC = "93.184.216.34"


def wall_of(rules: Sequence[Rule]) -> "lt.ip_filter":
    """The filter of rules as the session gets it."""
    wall = lt.ip_filter()
    for rule in rules:
        wall.add_rule(rule.first, rule.last, int(rule.blocked))
    return wall


WALL = wall_of(filter_rules(POLICY))
BARE = wall_of(filter_rules(Policy()))


def permits(wall: "lt.ip_filter", address: str) -> bool:
    """Whether libtorrent would dial the address."""
    return wall.access(address) == 0


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.1", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "168.63.129.16", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8",
        "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2001:10::1",
        "2002:a9fe:a9fe::", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1",
        "ff02::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_globally_routable_is_blocked(address: str) -> None:
    """Every trap of the address policy is one for libtorrent too."""
    assert not permits(BARE, address)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700:4700::1111", "2a00::1", "64:ff9b::5db8:d822"])
def test_a_public_address_is_permitted(address: str) -> None:
    """Also through NAT64, which is all that a pod without IPv4 has."""
    assert permits(BARE, address)
    assert Policy().allows(ip_address(address))


@pytest.mark.parametrize("address", ["10.1.2.3", "fd00:1::5", "64:ff9b::a01:203"])
def test_what_the_admin_allows_is_permitted(address: str) -> None:
    """And nothing beside it."""
    assert permits(WALL, address)
    assert not permits(BARE, address)
    assert not permits(WALL, "10.2.2.3")
    assert not permits(WALL, "fd00:2::5")


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_the_filter_is_the_policy_in_ipv4(address: IPv4Address) -> None:
    """No IPv4 address is judged in two ways."""
    assert permits(WALL, str(address)) is POLICY.allows(address)


@given(st.integers(0, 2**128 - 1).map(IPv6Address) | st.integers(2**125, 2**126 - 1).map(IPv6Address))
@example(IPv6Address("2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"))
@example(IPv6Address("2002::"))
@example(IPv6Address("3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"))
def test_the_filter_permits_no_more_than_the_policy_in_ipv6(address: IPv6Address) -> None:
    """What libtorrent may dial the policy allows; ISATAP needs a tunnel that pods do not have."""
    isatap = (int(address) >> 32) & 0xFDFFFFFF == 0x00005EFE
    assert isatap or not permits(WALL, str(address)) or POLICY.allows(address)


def lookups(**hosts: Sequence[str] | None) -> Any:
    """A resolver that knows these names; None is a name that does not resolve."""

    async def look(host: str, port: int) -> Sequence[tuple[Any, ...]]:
        addresses = hosts.get(host.replace(".", "_"), [host])
        if addresses is None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return look


LOOK = lookups(good_example=[PUBLIC], evil_example=["10.0.0.1"], mixed_example=[PUBLIC, "10.0.0.1"], gone_example=None)


async def test_forbidden_places_are_left_out_and_told() -> None:
    """A name any of whose addresses is forbidden is not used; what cannot be resolved now stays for later."""
    places = Places(
        trackers=((0, "http://good.example/announce"), (1, "udp://mixed.example:6969"), (2, "https://gone.example/a")),
        web_seeds=("https://good.example/f", "http://evil.example/f"),
        peers=((PUBLIC, 1), ("127.0.0.1", 2)),
    )

    left = await judged_places(places, Policy(), LOOK)

    assert left.trackers == ((0, "http://good.example/announce"), (2, "https://gone.example/a"))
    assert left.web_seeds == ("https://good.example/f",)
    assert left.peers == ((PUBLIC, 1),)
    assert [error.reason for error in left.refused] == [Reason.ADDRESS_FORBIDDEN] * 3


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://evil.example/announce", Reason.ADDRESS_FORBIDDEN),
        ("http://127.0.0.1/announce", Reason.ADDRESS_FORBIDDEN),
        ("udp://[::1]:6969", Reason.ADDRESS_FORBIDDEN),
        ("http://xn--n3h.example/", Reason.ADDRESS_FORBIDDEN),
        ("http://exämple.org/", Reason.ADDRESS_FORBIDDEN),
        ("wss://good.example/announce", Reason.TORRENT_INVALID),
        ("file:///etc/passwd", Reason.TORRENT_INVALID),
        ("udp://good.example", Reason.TORRENT_INVALID),
        ("http://good.example:99999/", Reason.TORRENT_INVALID),
        ("http://[::1", Reason.TORRENT_INVALID),
        ("", Reason.TORRENT_INVALID),
    ],
)
async def test_a_torrent_whose_only_tracker_is_refused_ends_with_the_reason(url: str, reason: Reason) -> None:
    """With nowhere left to ask nothing is begun."""
    with pytest.raises(WorkError) as caught:
        await judged_places(Places(trackers=((0, url),)), Policy(), LOOK)

    assert caught.value.reason is reason


async def test_a_message_does_not_show_a_trackers_path() -> None:
    """Private trackers have a person's passkey in it."""
    with pytest.raises(WorkError) as caught:
        await judged_places(Places(trackers=((0, "http://evil.example/s3cret/announce?k=s3cret"),)), Policy(), LOOK)

    assert "evil.example:80" in caught.value.message
    assert "s3cret" not in caught.value.message


async def test_a_torrent_that_names_nowhere_is_invalid() -> None:
    """Without peer discovery no distributed hash table is asked, so it could never be found."""
    with pytest.raises(WorkError) as caught:
        await judged_places(Places(), Policy(), LOOK)

    assert caught.value.reason is Reason.TORRENT_INVALID
    assert "download.peerDiscovery" in caught.value.message


async def test_with_peer_discovery_a_torrent_may_name_nowhere() -> None:
    """Its peers are found elsewhere; but when all it names is forbidden it is refused all the same."""
    assert (await judged_places(Places(), Policy(), LOOK, discovery=True)).empty

    with pytest.raises(WorkError) as caught:
        await judged_places(Places(peers=(("127.0.0.1", 2),)), Policy(), LOOK, discovery=True)
    assert caught.value.reason is Reason.ADDRESS_FORBIDDEN


async def test_a_host_of_the_admins_list_is_let_through_the_filter() -> None:
    """The address its name was judged at, and no other of its network."""
    policy = Policy.of([], ["evil.example"])
    before = wall_of(filter_rules(policy))

    left = await judged_places(Places(trackers=((0, "http://evil.example/announce"),)), policy, LOOK)

    after = wall_of(filter_rules(policy))
    assert left.trackers == ((0, "http://evil.example/announce"),)
    assert not permits(before, "10.0.0.1")
    assert permits(after, "10.0.0.1")
    assert not permits(after, "10.0.0.2")


@pytest.mark.parametrize("discovery", [False, True])
def test_only_the_admin_turns_peer_discovery_on(discovery: bool) -> None:
    """DHT and LSD follow the admin's word; ports of routers are opened never, and strangers' servers not asked without it."""
    settings = session_settings(discovery=discovery)

    assert (settings["enable_dht"], settings["enable_lsd"]) == (discovery, discovery)
    assert ("dht_bootstrap_nodes" in settings) is not discovery
    assert (settings["enable_upnp"], settings["enable_natpmp"]) == (False, False)


def test_a_proxy_takes_all_and_discovery_none() -> None:
    """What goes over UDP would go past the proxy."""
    settings = session_settings(discovery=True, proxy="http://proxy.example:3128")

    assert (settings["proxy_type"], settings["proxy_hostname"], settings["proxy_port"]) == (
        int(lt.proxy_type_t.http),
        "proxy.example",
        3128,
    )
    assert (settings["proxy_tracker_connections"], settings["proxy_peer_connections"]) == (True, True)
    assert (settings["enable_dht"], settings["enable_lsd"]) == (False, False)
