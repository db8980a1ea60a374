"""Nodes without machines beside an API server: the real scheduler, and kwok, which says that what is placed on them runs.

A pod is placed, is Running at once, at an address of PODS, and stays so until it is deleted: nobody works in it.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.cluster import toolchain
from tests.cluster.shell import run
from tests.support.processes import program

COUNT: Final = 10
PODS: Final = "127.1.0.1/16"
"""Addresses of pods: of this machine's loopback, so that somebody can answer for them."""
STAGES: Final = ("pod-ready.yaml", "pod-delete.yaml")
"""kwok's own, but for its pod-complete, with which each pod of a Job would end at once."""
ROOM: Final = {"cpu": "1k", "memory": "1Ti", "ephemeral-storage": "10Ti", "pods": "1k"}
TAINT: Final = "node.kubernetes.io/not-ready:NoSchedule"


@contextmanager
def nodes(scratch: Path) -> Iterator[subprocess.Popen[bytes]]:
    """COUNT nodes on the API server of `scratch`/kubeconfig, ready; the process of kwok.

    Raises:
        ClusterError: they did not become ready.
    """
    config = scratch / "kubeconfig"
    kubectl = [str(toolchain.binary("kubectl")), f"--kubeconfig={config}"]
    with program(_kwok(config), scratch / "kwok.log") as kwok, program(_scheduler(config), scratch / "scheduler.log"):
        items = [_node(f"no-machine-{number}") for number in range(COUNT)]
        run([*kubectl, "create", "-f", "-"], stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        run([*kubectl, "wait", "--for=condition=Ready", "--timeout=60s", "node", "--all"])
        # The API server taints a new node; the controller that takes it away again does not run here.
        run([*kubectl, "taint", "node", "--all", f"{TAINT}-"])
        yield kwok


def _kwok(config: Path) -> list[str]:
    stages = [f"--config={toolchain.manifests('kwok') / name}" for name in STAGES]
    rest = ["--manage-all-nodes", "--node-ip=127.0.0.1", f"--cidr={PODS}"]
    return [str(toolchain.binary("kwok")), f"--kubeconfig={config}", *rest, *stages]


def _scheduler(config: Path) -> list[str]:
    logins = [f"--{name}={config}" for name in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")]
    rest = ["--leader-elect=false", "--secure-port=0", "--kube-api-qps=200", "--kube-api-burst=400"]
    return [str(toolchain.binary("kube-scheduler")), *logins, *rest]


def _node(name: str) -> dict[str, Any]:
    status = {"allocatable": ROOM, "capacity": ROOM}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status}
