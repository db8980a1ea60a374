"""Keys and certificates of a cluster, by openssl: one authority, a certificate for each component."""

from pathlib import Path

from tests.cluster.network import Addresses
from tests.cluster.shell import run

DAYS = "365"  # longer than any test cluster lives


def make(directory: Path, addresses: Addresses, node: str) -> None:
    """Writes ca, apiserver, admin, controller-manager, scheduler, proxy, node (.crt and .key) and service-account (.key and .pub).

    The subjects are the ones RBAC's bootstrap roles and the Node authorizer know.
    """
    directory.mkdir(mode=0o700)
    run(_key_and_certificate(directory / "ca", "/CN=narwhal-test-ca", ["basicConstraints=critical,CA:TRUE"]))
    service_names = "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
    serving = f"{service_names},DNS:localhost,IP:127.0.0.1,IP:{addresses.node},IP:{addresses.api_service}"
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
        extensions = [
            "basicConstraints=critical,CA:FALSE",
            "extendedKeyUsage=serverAuth,clientAuth",
            *([f"subjectAltName={names[name]}"] if name in names else []),
        ]
        run([*_key_and_certificate(directory / name, subject, extensions), "-CA", directory / "ca.crt", "-CAkey", directory / "ca.key"])
    run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", directory / "service-account.key"])
    run(["openssl", "pkey", "-in", directory / "service-account.key", "-pubout", "-out", directory / "service-account.pub"])


def _key_and_certificate(path: Path, subject: str, extensions: list[str]) -> list[str | Path]:
    """One openssl call that makes a key and its certificate (self-signed unless -CA follows)."""
    added = [word for extension in extensions for word in ("-addext", extension)]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{path}.key"]
    return ["openssl", "req", "-x509", "-config", "/dev/null", *key, "-subj", subject, "-days", DAYS, *added, "-out", f"{path}.crt"]
