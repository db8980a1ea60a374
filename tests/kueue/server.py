"""Kueue's controller manager as a process beside an API server: its chart's roles, CRDs, webhooks and settings.

Nothing of the chart is left out but the Deployment, which this process stands for, and the API for looks into queues (visibility). The
API server reaches the webhooks by the chart's own Service and certificates: it is an ExternalName here, for there is no network of pods.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from tests.cluster import toolchain
from tests.cluster.api import healthy
from tests.cluster.shell import run
from tests.contract.apiserver import Apiserver
from tests.support.processes import free_ports, program, until

Json = dict[str, Any]
NAMESPACE: Final = "kueue-system"
ACCOUNT: Final = "kueue-controller-manager"
CERTIFICATES: Final = "kueue-webhook-server-cert"
WEBHOOKS: Final = "kueue-webhook-service"
SECONDS: Final = 300.0
"""Kueue starts in about five; this is for a machine that does much else."""


@contextmanager
def kueue(api: Apiserver, directory: Path) -> Iterator[None]:
    """Kueue, ready."""
    webhooks, health = free_ports(2)
    rendered = run([toolchain.binary("helm"), "template", "kueue", toolchain.manifests("kueue"), "-n", NAMESPACE])
    documents = [found for found in yaml.safe_load_all(rendered) if found]
    api.tell("create", "namespace", NAMESPACE)
    applied = [reached(found, webhooks) for found in documents if found["kind"] not in {"Deployment", "APIService"}]
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": applied})
    api.tell("apply", "--server-side", "-f", "-", stdin=manifest)
    api.tell("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    certificates = directory / "webhook-certificates"
    certificates.mkdir(mode=0o700)
    (settings,) = [found for found in documents if found["kind"] == "ConfigMap"]
    config = directory / "kueue.json"
    given = yaml.safe_load(settings["data"]["controller_manager_config.yaml"])
    config.write_text(json.dumps(given | ours(webhooks, health, certificates)))
    argv = [str(toolchain.binary("kueue")), f"--config={config}", "--feature-gates=VisibilityOnDemand=false"]
    environment = {"KUBECONFIG": str(log_in(api, directory)), "HOME": str(directory)}
    with program(argv, directory / "kueue.log", environment) as process:
        until(lambda: mounted(api, certificates), SECONDS, "Kueue makes its certificates")

        def ready() -> bool:
            assert process.poll() is None, f"Kueue ended: {(directory / 'kueue.log').read_text()[-2000:]}"
            return healthy(f"http://127.0.0.1:{health}/readyz")

        until(ready, SECONDS, "Kueue is ready")
        yield


def ours(webhooks: int, health: int, certificates: Path) -> Json:
    """Settings that differ from the chart's: ports, a directory, one replica, and no kinds that are not installed."""
    return {
        "health": {"healthProbeBindAddress": f"127.0.0.1:{health}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": "127.0.0.1", "port": webhooks, "certDir": str(certificates)},
        "leaderElection": {"leaderElect": False},
        "integrations": {"frameworks": ["batch/job"]},
    }


def reached(document: Json, port: int) -> Json:
    """A manifest of the chart by which the API server finds the webhooks on this machine."""
    if document["kind"] == "Service" and document["metadata"]["name"] == WEBHOOKS:
        return document | {"spec": {"type": "ExternalName", "externalName": "localhost"}}
    if document["kind"] == "CustomResourceDefinition":
        clients = [document["spec"].get("conversion", {}).get("webhook", {})]
    else:
        clients = document.get("webhooks", [])
    for client in clients:
        if client:
            client["clientConfig"]["service"]["port"] = port
    return document


def log_in(api: Apiserver, directory: Path) -> Path:
    """The kubeconfig of the chart's service account, which has the chart's roles and no others."""
    token = api.tell("create", "token", ACCOUNT, f"--namespace={NAMESPACE}", "--duration=24h").strip()
    config = json.loads(api.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = directory / "kueue.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path


def mounted(api: Apiserver, directory: Path) -> bool:
    """What a kubelet does for the Deployment: the certificates Kueue makes for itself, from its Secret into its directory."""
    path = f"{api.server}/api/v1/namespaces/{NAMESPACE}/secrets/{CERTIFICATES}"
    found: dict[str, str] = api.pool.request("GET", path).json().get("data") or {}
    if "tls.key" not in found or "tls.crt" not in found:
        return False
    for name, value in found.items():
        (directory / name).touch(mode=0o600)
        (directory / name).write_bytes(base64.b64decode(value))
    return True
