"""The cluster's addresses, and the one thing it puts into the host's network: a veth pair with two routes.

All else (bridge, iptables rules, forwarding) lives in the sandbox's own network namespace and ends with it.
"""

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.shell import run

# Far from what containers and clusters take by default (10.42, 10.88, 10.96, 10.244, 172.17 and on).
FIRST_BLOCK = 176
BLOCKS = 32


@dataclass(frozen=True)
class Addresses:
    """The parts of one /16: link between host and node, Services, pods."""

    block: IPv4Network

    @property
    def host(self) -> str:
        """The host's end of the link: how pods reach a server on the host."""
        return str(self.block[1])

    @property
    def node(self) -> str:
        """The node's end of the link: the API server's address and the node's InternalIP."""
        return str(self.block[2])

    @property
    def services(self) -> IPv4Network:
        """Cluster IPs; routed from the host, too."""
        return IPv4Network((int(self.block[96 * 256]), 20))

    @property
    def api_service(self) -> str:
        """The cluster IP of the Service `kubernetes`: always the first."""
        return str(self.services[1])

    @property
    def dns(self) -> str:
        """The cluster IP of the cluster's DNS."""
        return str(self.services[10])

    @property
    def pods(self) -> IPv4Network:
        """Pod addresses of the node; routed from the host, too."""
        return IPv4Network((int(self.block[128 * 256]), 24))

    @property
    def second(self) -> str:
        """The second node's InternalIP, behind the first."""
        return str(self.block[6])

    @property
    def second_gateway(self) -> str:
        """The first node's end of the link to the second."""
        return str(self.block[5])

    @property
    def second_link(self) -> IPv4Network:
        """That link."""
        return IPv4Network((int(self.block[4]), 30))

    @property
    def second_pods(self) -> IPv4Network:
        """Pod addresses of the second node."""
        return IPv4Network((int(self.block[129 * 256]), 24))


def free_addresses() -> Addresses:
    """The first block that nothing on this host routes to.

    Raises:
        ClusterError: every block is taken.
    """
    return first_free(json.loads(run(["ip", "-4", "-j", "route", "show", "table", "all"]) or "[]"))


def first_free(routes: Iterable[dict[str, str]]) -> Addresses:
    """The first block that none of these routes (`ip -j route`) overlaps.

    Raises:
        ClusterError: every block is taken.
    """
    taken = _routed(routes)
    for second in range(FIRST_BLOCK, FIRST_BLOCK + BLOCKS):
        block = IPv4Network(f"10.{second}.0.0/16")
        if not any(block.overlaps(other) for other in taken):
            return Addresses(block)
    raise ClusterError(
        f"this host routes every network from 10.{FIRST_BLOCK}.0.0/16 to 10.{FIRST_BLOCK + BLOCKS - 1}.0.0/16"
    )


def _routed(routes: Iterable[dict[str, str]]) -> list[IPv4Network]:
    """The networks of the routing table; the default route takes nothing from us."""
    found = []
    for route in routes:
        if route["dst"] != "default":
            network = ip_network(route["dst"], strict=False)
            if isinstance(network, IPv4Network):
                found.append(network)
    return found


def connect(name: str, addresses: Addresses, sandbox_pid: int, enter: list[str]) -> None:
    """Links host and sandbox and routes the cluster's networks over the link.

    Args:
        name: the interface's name on the host.
        addresses: the cluster's.
        sandbox_pid: a process in the sandbox's network namespace.
        enter: the prefix that runs a command in the sandbox.
    """
    run(["ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(sandbox_pid)])
    run(["ip", "address", "add", f"{addresses.host}/30", "dev", name])
    inside = f"""
        ip link set lo up
        ip address add {addresses.node}/30 dev eth0
        ip link set eth0 up
        ip route add default via {addresses.host}
        sysctl -q -w net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
    """
    run([*enter, "sh", "-ec", inside])
    run(["ip", "link", "set", name, "up"])
    for network in (addresses.services, addresses.pods):
        run(["ip", "route", "add", str(network), "via", addresses.node])


def disconnect(name: str) -> None:
    """Removes the host's end of the link, and with it the routes; without one it does nothing."""
    if Path("/sys/class/net", name).exists():
        # The kernel removes it, too, when the namespace ends, but a little later than the processes are gone.
        run(["sh", "-c", f"ip link delete {shlex.quote(name)} || ! ip link show {shlex.quote(name)} 2>/dev/null"])


def join(name: str, addresses: Addresses, first: int, second: int) -> None:
    """Links the second node to the first, which passes on what is not for itself, to the host, too.

    Args:
        name: of the link on the first node.
        addresses: the cluster's.
        first: a process in the network namespace of the first node.
        second: a process in that of the second.
    """
    first_net, second_net = (["nsenter", "--target", str(pid), "--net", "--"] for pid in (first, second))
    run([*first_net, "ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(second)])
    here = f"""
        ip address add {addresses.second_gateway}/30 dev {name}
        ip link set {name} up
        ip route add {addresses.second_pods} via {addresses.second}
    """
    there = f"""
        ip link set lo up
        ip address add {addresses.second}/30 dev eth0
        ip link set eth0 up
        ip route add default via {addresses.second_gateway}
        sysctl -q -w net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
    """
    run([*second_net, "sh", "-ec", there])
    run([*first_net, "sh", "-ec", here])
    for network in (addresses.second_link, addresses.second_pods):
        run(["ip", "route", "replace", str(network), "via", addresses.node])


def part(name: str, addresses: Addresses, first: int) -> None:
    """Undoes `join`, whole or begun; the kernel does most of it when the second node ends, a little later."""
    gone = f"ip link delete {name} || ! ip link show {name} 2>/dev/null"
    run(["nsenter", "--target", str(first), "--net", "--", "sh", "-c", f"! ip link show {name} 2>/dev/null || {gone}"])
    for network in (addresses.second_link, addresses.second_pods):
        if run(["ip", "route", "show", str(network)]):
            run(["ip", "route", "delete", str(network)])


def write_cni(directory: Path, pods: IPv4Network, state: Path) -> None:
    """Writes the CNI configuration: a bridge with masquerading, addresses kept under `state`, host ports."""
    directory.mkdir(parents=True)
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,  # a pod may reach itself through its Service
        "ipam": {
            "type": "host-local",
            "dataDir": str(state),
            "ranges": [[{"subnet": str(pods)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    plugins = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
    network = {"cniVersion": "0.4.0", "name": "narwhal", "plugins": plugins}
    (directory / "10-narwhal.conflist").write_text(json.dumps(network))
