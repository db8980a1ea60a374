"""One node of the cluster: where its files lie, its addresses, and the programs it is made of; every flag that is not
obvious has its reason.
"""

import json
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from tests.cluster import toolchain
from tests.cluster.components import Component
from tests.cluster.layout import NODE, Layout
from tests.cluster.network import Addresses, write_cni

PAUSE_IMAGE = "localhost/narwhal-pause:dev"
EVICTION_SIGNALS = ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available")
CNI_PLUGINS = "/usr/lib/cni"  # Debian's containernetworking-plugins
SECOND = "node2"
SECOND_NODE = "narwhal-node-2"
TAINT = "narwhal.dev/second-node"
"""Keeps pods off the second node that do not ask for it: it holds few images, and may go at any moment."""


@dataclass(frozen=True)
class Node:
    """A node.

    Attributes:
        layout: the cluster's.
        addresses: the cluster's.
        name: as Kubernetes knows it.
        user: name of its certificate and kubeconfig.
        root: the directory of its files, its logs in `logs`.
        cgroup: its own, which holds all its pods.
        address: its InternalIP.
        pods: the network its pods are in.
        taints: it registers itself with.
    """

    layout: Layout
    addresses: Addresses
    name: str
    user: str
    root: Path
    cgroup: str
    address: str
    pods: IPv4Network
    taints: list[dict[str, str]]

    @property
    def containerd_socket(self) -> Path:
        """Where its containerd listens."""
        return self.root / "containerd.sock"

    @property
    def logs(self) -> Path:
        """One log for each of its components."""
        return self.root / "logs"


def first(layout: Layout, addresses: Addresses) -> Node:
    """The node that is always there, beside the control plane."""
    return Node(layout, addresses, NODE, "node", layout.root, layout.name, addresses.node, addresses.pods, [])


def second(layout: Layout, addresses: Addresses) -> Node:
    """The node that comes and goes. Its files and its cgroup are in the cluster's: they go with it, whatever happens."""
    taints = [{"key": TAINT, "effect": "NoSchedule"}]
    place, cgroup = layout.root / SECOND, f"{layout.name}/{SECOND}"
    return Node(layout, addresses, SECOND_NODE, SECOND, place, cgroup, addresses.second, addresses.second_pods, taints)


def proxy(node: Node) -> Component:
    """Services by iptables, in the sandbox's own tables."""
    return Component(
        "kube-proxy",
        [
            str(toolchain.binary("kube-proxy")),
            f"--kubeconfig={node.layout.component_kubeconfig('proxy')}",
            "--proxy-mode=iptables",
            f"--cluster-cidr={node.pods}",
            f"--hostname-override={node.name}",
            # The connection table's size is the machine's and read-only in a network namespace: leave it.
            "--conntrack-max-per-core=0",
            "--conntrack-min=0",
        ],
        f"http://{node.address}:10256/healthz",
    )


def containerd(node: Node) -> Component:
    """A containerd of our own: root, state, socket, CNI; Debian's service may run beside it or not."""
    write_cni(node.root / "cni", node.pods, node.root / "cni-state")
    config = node.root / "containerd.toml"
    values = {"root": node.root, "socket": node.containerd_socket, "pause": PAUSE_IMAGE, "plugins": CNI_PLUGINS}
    config.write_text(_CONTAINERD.format(**values))
    return Component("containerd", ["containerd", "--config", str(config)])


# restrict_oom_score_adj: a virtual machine may lack CAP_SYS_RESOURCE, and then every pod sandbox fails with
#   "can't get final child's PID from pipe: EOF".
# disable_apparmor: containerd would load a profile into the host's kernel, where it would stay.
# netns_mounts_under_state_dir: network namespaces of pods lie in our directory, too.
_CONTAINERD = """\
version = 2
root = "{root}/containerd"
state = "{root}/containerd-state"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
  address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/containerd-opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{root}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def kubelet(node: Node) -> Component:
    """The node's agent, its pods in a root cgroup of their own."""
    # For pods with dnsPolicy Default: nothing beyond the cluster is resolved.
    (node.root / "resolv.conf").write_text("")
    config = node.root / "kubelet.json"
    config.write_text(json.dumps(_kubelet_configuration(node), indent=1))
    return Component(
        "kubelet",
        [
            str(toolchain.binary("kubelet")),
            f"--config={config}",
            f"--kubeconfig={node.layout.component_kubeconfig(node.user)}",
            f"--root-dir={node.root}/kubelet",
            f"--hostname-override={node.name}",
            f"--node-ip={node.address}",
        ],
    )


def _kubelet_configuration(node: Node) -> dict[str, object]:
    pki = node.layout.pki
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/{node.user}.crt",
        "tlsPrivateKeyFile": f"{pki}/{node.user}.key",
        "containerRuntimeEndpoint": f"unix://{node.containerd_socket}",
        "volumePluginDir": f"{node.root}/kubelet-volume-plugins",
        "clusterDNS": [node.addresses.dns],
        "clusterDomain": "cluster.local",
        "resolvConf": f"{node.root}/resolv.conf",
        "cgroupDriver": "cgroupfs",  # works with and without systemd; both cgroup versions
        "cgroupRoot": f"/{node.cgroup}",
        "registerWithTaints": node.taints,
        "failCgroupV1": False,
        "failSwapOn": False,
        "protectKernelDefaults": True,  # see sandbox.KERNEL_SETTINGS: the machine's own stay as they are
        # A developer's disk is often nearly full; tests of eviction set their own.
        "evictionHard": dict.fromkeys(EVICTION_SIGNALS, "1%"),
        # Images are imported, not pulled: one removed to save space would never come back.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    }
