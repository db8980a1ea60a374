"""A real API server on the loopback: etcd and kube-apiserver as processes, no node, no controller, no root."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final

import urllib3

from narwhal_operator.contract.base import GROUP, VERSION
from tests.cluster import kubeconfig, pki, toolchain
from tests.cluster.network import Addresses
from tests.support.processes import free_ports, program, until

START_SECONDS: Final = 90.0
KUBECTL_SECONDS: Final = 60.0
_AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# Only for the certificate's names and the Services nobody makes here: nothing is routed.
_ADDRESSES: Final = Addresses(IPv4Network("10.176.0.0/16"))


@dataclass(frozen=True, slots=True)
class Apiserver:
    """A running API server: asked with kubectl as a user does, or over HTTP where there is much to ask."""

    kubeconfig: Path
    server: str
    pool: urllib3.PoolManager

    def ready(self) -> bool:
        """Whether the server says that it is ready, which includes its store."""
        try:
            return self.pool.request("GET", f"{self.server}/readyz").status == HTTPStatus.OK
        except urllib3.exceptions.HTTPError:
            return False

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """What kubectl says; it may have failed."""
        argv = [str(toolchain.binary("kubectl")), f"--kubeconfig={self.kubeconfig}", *map(str, arguments)]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.kubeconfig.parent)}  # discovery is cached in HOME
        return subprocess.run(
            argv, input=stdin, capture_output=True, text=True, env=environment, timeout=KUBECTL_SECONDS, check=False
        )

    def tell(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """What kubectl prints; AssertionError with its words when it fails."""
        done = self.kubectl(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(map(str, arguments))}: {done.stderr}"
        return done.stdout

    def explains(self, plural: str) -> bool:
        """Whether discovery and OpenAPI know a kind of ours, which comes a little after Established."""
        found = self.pool.request("GET", f"{self.server}/apis", headers={"Accept": _AGGREGATED}).json()["items"]
        versions = [version for group in found if group["metadata"]["name"] == GROUP for version in group["versions"]]
        listed = {entry["resource"] for version in versions for entry in version["resources"]}
        described = self.pool.request("GET", f"{self.server}/openapi/v3/apis/{GROUP}/{VERSION}")
        return plural in listed and described.status == HTTPStatus.OK and f"/{plural}" in described.data.decode()

    def forget(self) -> None:
        """Drops what kubectl has cached of discovery: `explain` believes it for hours."""
        shutil.rmtree(self.kubeconfig.parent / ".kube", ignore_errors=True)

    def would_create(self, plural: str, body: dict[str, Any]) -> dict[str, Any]:
        """The API server's answer to a dry run of a strict create: the object with its defaults, or a Status."""
        path = f"/apis/{GROUP}/{VERSION}/namespaces/default/{plural}?dryRun=All&fieldValidation=Strict"
        answer: dict[str, Any] = self.pool.request("POST", f"{self.server}{path}", json=body).json()
        return answer


@contextmanager
def apiserver(directory: Path) -> Iterator[Apiserver]:
    """An API server with nothing in it; it ends with the block, or with this process."""
    client_port, peer_port, port = free_ports(3)
    certificates = directory / "pki"
    pki.make(certificates, _ADDRESSES, "none")
    server = f"https://127.0.0.1:{port}"
    kubeconfig.write(directory / "kubeconfig", server, certificates, "admin")
    store = f"http://127.0.0.1:{client_port}"
    etcd = _etcd(directory, store, f"http://127.0.0.1:{peer_port}")
    with program(etcd, directory / "etcd.log"), program(_argv(certificates, store, port), directory / "api.log") as run:
        api = Apiserver(directory / "kubeconfig", server, _pool(certificates))

        def ready() -> bool:
            assert run.poll() is None, f"kube-apiserver ended: {(directory / 'api.log').read_text()[-2000:]}"
            return api.ready()

        until(ready, START_SECONDS, "the API server is ready")
        yield api


def _etcd(directory: Path, store: str, peers: str) -> list[str]:
    return [
        str(toolchain.binary("etcd")),
        f"--data-dir={directory}/etcd",
        f"--listen-client-urls={store}",
        f"--advertise-client-urls={store}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",  # the data ends with the tests
        "--log-level=warn",
    ]


def _argv(certificates: Path, store: str, port: int) -> list[str]:
    return [
        str(toolchain.binary("kube-apiserver")),
        f"--etcd-servers={store}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--service-cluster-ip-range={_ADDRESSES.services}",
        "--endpoint-reconciler-type=none",  # the loopback is no address an endpoint may have
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",  # no controller makes the accounts it waits for
        f"--client-ca-file={certificates}/ca.crt",
        f"--tls-cert-file={certificates}/apiserver.crt",
        f"--tls-private-key-file={certificates}/apiserver.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={certificates}/service-account.pub",
        f"--service-account-signing-key-file={certificates}/service-account.key",
    ]


def _pool(certificates: Path) -> urllib3.PoolManager:
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    context.load_cert_chain(certificates / "admin.crt", certificates / "admin.key")
    return urllib3.PoolManager(ssl_context=context, timeout=10, retries=False, maxsize=8)
