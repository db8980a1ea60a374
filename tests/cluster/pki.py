"""Keys and certificates of a cluster, by openssl: one authority, a certificate for each component."""

from pathlib import Path

from tests.cluster.network import Addresses
from tests.cluster.shell import run

DAYS = "365"  # longer than any test cluster lives
CURVE = ("-pkeyopt", "ec_paramgen_curve:P-256")


def make(directory: Path, addresses: Addresses, node: str) -> None:
    """Writes ca, apiserver, admin, controller-manager, scheduler, proxy, node (.crt and .key) and service-account (.key and .pub).

    The subjects are the ones RBAC's bootstrap roles and the Node authorizer know.
    """
    directory.mkdir(mode=0o700)
    run(_key_and_certificate(directory / "ca", "/CN=narwhal-test-ca", ["basicConstraints=critical,CA:TRUE"]))
    service_names = ("", ".default", ".default.svc", ".default.svc.cluster.local")
    services = ",".join(f"DNS:kubernetes{name}" for name in service_names)
    serving = f"{services},DNS:localhost,IP:127.0.0.1,IP:{addresses.node},IP:{addresses.api_service}"
    subjects = {
        "apiserver": "/CN=kube-apiserver",
        "kubelet-client": "/O=system:masters/CN=kube-apiserver-kubelet-client",
        "admin": "/O=system:masters/CN=narwhal-test-admin",
        "controller-manager": "/CN=system:kube-controller-manager",
        "scheduler": "/CN=system:kube-scheduler",
        "proxy": "/CN=system:kube-proxy",
        "node": f"/O=system:nodes/CN=system:node:{node}",
    }
    names = {"apiserver": serving, "node": f"DNS:{node},IP:{addresses.node}"}
    for name, subject in subjects.items():
        _issue(directory, name, subject, names.get(name))
    signing = directory / "service-account"
    run(["openssl", "genpkey", "-algorithm", "EC", *CURVE, "-out", f"{signing}.key"])
    run(["openssl", "pkey", "-in", f"{signing}.key", "-pubout", "-out", f"{signing}.pub"])


def add_node(directory: Path, user: str, node: str, address: str) -> None:
    """Writes the key and certificate `user` of another node's kubelet."""
    _issue(directory, user, f"/O=system:nodes/CN=system:node:{node}", f"DNS:{node},IP:{address}")


def _issue(directory: Path, name: str, subject: str, names: str | None) -> None:
    extensions = [
        "basicConstraints=critical,CA:FALSE",
        "extendedKeyUsage=serverAuth,clientAuth",
        *([f"subjectAltName={names}"] if names else []),
    ]
    authority: list[str | Path] = ["-CA", directory / "ca.crt", "-CAkey", directory / "ca.key"]
    run([*_key_and_certificate(directory / name, subject, extensions), *authority])


def _key_and_certificate(path: Path, subject: str, extensions: list[str]) -> list[str | Path]:
    """One openssl call that makes a key and its certificate (self-signed unless -CA follows)."""
    added = [word for extension in extensions for word in ("-addext", extension)]
    request = ["openssl", "req", "-x509", "-config", "/dev/null", "-subj", subject, "-days", DAYS, *added]
    return [*request, "-newkey", "ec", *CURVE, "-nodes", "-keyout", f"{path}.key", "-out", f"{path}.crt"]
