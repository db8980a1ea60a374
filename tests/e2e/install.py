"""Helm: the chart installed, upgraded and uninstalled as a user does it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.e2e.kube import Kube, Object

CHART: Final = Path(__file__).parents[2] / "charts" / "narwhal"
NAMESPACE: Final = "narwhal-system"
RELEASE: Final = "narwhal"
SECONDS: Final = 300
SWARM_HOST: Final = "swarm.media.svc"
"""Of swarm.py: a download may reach it by its name, the origin by its address."""


@dataclass(frozen=True)
class Release:
    """The release `narwhal` in the namespace `narwhal-system`."""

    kube: Kube
    values: dict[str, Any]

    def install(self, **changed: dict[str, Any]) -> None:
        """`helm upgrade --install --wait`: returns when the operator is ready. `changed` is added to its values."""
        file = self.kube.cluster.scratch / "values.json"
        added = {name: self.values.get(name, {}) | more for name, more in changed.items()}
        file.write_text(json.dumps(self.values | added))
        self._helm("upgrade", "--install", RELEASE, CHART, "--wait", "--values", file)

    def uninstall(self) -> None:
        """`helm uninstall --wait`."""
        self._helm("uninstall", RELEASE, "--wait")

    def _helm(self, *arguments: str | Path) -> None:
        self.kube.cluster.helm("--namespace", NAMESPACE, *arguments, f"--timeout={SECONDS}s", timeout=SECONDS + 30)

    def operator_pods(self) -> list[Object]:
        """The operator's pods."""
        return self.kube.all(NAMESPACE, "pods", "app.kubernetes.io/component=operator")

    def operator_log(self) -> str:
        """All that the running operator has logged."""
        return self.kube.run("logs", "--namespace", NAMESPACE, f"deployment/{RELEASE}", "--tail=-1")

    def denials(self) -> list[str]:
        """Lines of its log about rights it lacks; a namespace that is going refuses its administrator as well."""
        return [line for line in self.operator_log().splitlines() if "system:serviceaccount:" in line]

    def ready(self) -> bool:
        """Whether the operator's pod is ready, and none of it is on its way out."""
        pods = self.operator_pods()
        conditions = [item for pod in pods for item in pod["status"].get("conditions", []) if item["type"] == "Ready"]
        going = any("deletionTimestamp" in pod["metadata"] for pod in pods)
        return len(pods) == 1 and not going and any(item["status"] == "True" for item in conditions)


def values(images: dict[str, str], networks: list[str]) -> dict[str, Any]:
    """Values for a test: images that are on the nodes, short waits between attempts, an origin inside the cluster."""
    named = {
        name: dict(zip(("repository", "tag"), image.split("/")[1].split(":"), strict=True))
        for name, image in images.items()
    }
    return {
        "images": {"registry": "localhost", "pullPolicy": "Never", **named},
        "download": {"allowedNetworks": networks, "allowedHosts": [SWARM_HOST]},
        "transcode": {"rangeSeconds": 0.7},  # films of seconds are divided, where parallelism asks for it
        "operator": {"logLevel": "debug", "extraEnv": [{"name": "NARWHAL_BACKOFF_SCALE", "value": "0.1"}]},
    }
