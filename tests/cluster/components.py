"""The command lines and configuration files of a cluster's components; every flag that is not obvious has its reason."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import toolchain
from tests.cluster.layout import API_PORT, NODE, Layout
from tests.cluster.network import Addresses, write_cni

PAUSE_IMAGE = "localhost/narwhal-pause:dev"
EVICTION_SIGNALS = ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available")
CNI_PLUGINS = "/usr/lib/cni"  # Debian's containernetworking-plugins


@dataclass(frozen=True)
class Component:
    """A program of the cluster and where it says that it is well."""

    name: str
    argv: list[str]
    health: str | None = None  # URL, without credentials; {node} is the node's address


def etcd(layout: Layout) -> Component:
    """The API server's store. Without fsync: the data ends with the cluster, and disks of test machines are slow."""
    return Component(
        "etcd",
        [
            str(toolchain.binary("etcd")),
            "--name=default",
            f"--data-dir={layout.root}/etcd",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ],
    )


def apiserver(layout: Layout, addresses: Addresses) -> Component:
    """The API server. Pod Security admission is on by default; NodeRestriction is added."""
    pki = layout.pki
    return Component(
        "kube-apiserver",
        [
            str(toolchain.binary("kube-apiserver")),
            "--etcd-servers=http://127.0.0.1:2379",
            f"--advertise-address={addresses.node}",
            f"--secure-port={API_PORT}",
            f"--service-cluster-ip-range={addresses.services}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/kubelet-client.crt",
            f"--kubelet-client-key={pki}/kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/service-account.pub",
            f"--service-account-signing-key-file={pki}/service-account.key",
        ],
    )


def controller_manager(layout: Layout) -> Component:
    """The controllers, each with its own service account, so that RBAC is as tight as on a real cluster."""
    kubeconfig = layout.component_kubeconfig("controller-manager")
    return Component(
        "kube-controller-manager",
        [
            str(toolchain.binary("kube-controller-manager")),
            *_kubeconfigs(kubeconfig),
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={layout.pki}/service-account.key",
            f"--root-ca-file={layout.pki}/ca.crt",
            f"--cluster-signing-cert-file={layout.pki}/ca.crt",
            f"--cluster-signing-key-file={layout.pki}/ca.key",
            "--leader-elect=false",
            # The default of 20 would make it, not the operator under test, the limit of a burst of Jobs.
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ],
        "https://{node}:10257/healthz",
    )


def scheduler(layout: Layout) -> Component:
    """The scheduler."""
    kubeconfig = layout.component_kubeconfig("scheduler")
    argv = [str(toolchain.binary("kube-scheduler")), *_kubeconfigs(kubeconfig), "--leader-elect=false"]
    return Component("kube-scheduler", argv, "https://{node}:10259/healthz")


def _kubeconfigs(path: Path) -> list[str]:
    """One identity for what a component asks the API server and for judging who asks the component."""
    return [f"--kubeconfig={path}", f"--authentication-kubeconfig={path}", f"--authorization-kubeconfig={path}"]


def proxy(layout: Layout, addresses: Addresses) -> Component:
    """Services by iptables, in the sandbox's own tables."""
    return Component(
        "kube-proxy",
        [
            str(toolchain.binary("kube-proxy")),
            f"--kubeconfig={layout.component_kubeconfig('proxy')}",
            "--proxy-mode=iptables",
            f"--cluster-cidr={addresses.pods}",
            f"--hostname-override={NODE}",
            # The connection table's size is the machine's and read-only in a network namespace: leave it.
            "--conntrack-max-per-core=0",
            "--conntrack-min=0",
        ],
        "http://{node}:10256/healthz",
    )


def containerd(layout: Layout, addresses: Addresses) -> Component:
    """A containerd of our own: root, state, socket, CNI; Debian's service may run beside it or not."""
    write_cni(layout.root / "cni", addresses, layout.root / "cni-state")
    config = layout.root / "containerd.toml"
    values = {"root": layout.root, "socket": layout.containerd_socket, "pause": PAUSE_IMAGE, "plugins": CNI_PLUGINS}
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


def kubelet(layout: Layout, addresses: Addresses) -> Component:
    """The node's agent, its pods in a root cgroup of their own."""
    # For pods with dnsPolicy Default: nothing beyond the cluster is resolved.
    (layout.root / "resolv.conf").write_text("")
    config = layout.root / "kubelet.json"
    config.write_text(json.dumps(_kubelet_configuration(layout, addresses), indent=1))
    return Component(
        "kubelet",
        [
            str(toolchain.binary("kubelet")),
            f"--config={config}",
            f"--kubeconfig={layout.component_kubeconfig('node')}",
            f"--root-dir={layout.root}/kubelet",
            f"--hostname-override={NODE}",
            f"--node-ip={addresses.node}",
        ],
    )


def _kubelet_configuration(layout: Layout, addresses: Addresses) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{layout.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{layout.pki}/node.crt",
        "tlsPrivateKeyFile": f"{layout.pki}/node.key",
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "volumePluginDir": f"{layout.root}/kubelet-volume-plugins",
        "clusterDNS": [addresses.dns],
        "clusterDomain": "cluster.local",
        "resolvConf": f"{layout.root}/resolv.conf",
        "cgroupDriver": "cgroupfs",  # works with and without systemd; both cgroup versions
        "cgroupRoot": f"/{layout.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "protectKernelDefaults": True,  # see sandbox.KERNEL_SETTINGS: the machine's own stay as they are
        # A developer's disk is often nearly full; tests of eviction set their own.
        "evictionHard": dict.fromkeys(EVICTION_SIGNALS, "1%"),
        # Images are imported, not pulled: one removed to save space would never come back.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    }
