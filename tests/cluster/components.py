"""The command lines of a cluster's control plane; every flag that is not obvious has its reason. A node's are in `node`."""

from dataclasses import dataclass
from pathlib import Path

from tests.cluster import toolchain
from tests.cluster.layout import API_PORT, Layout
from tests.cluster.network import Addresses


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
