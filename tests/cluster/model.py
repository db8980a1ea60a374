"""What a test holds of a cluster, whoever made it: `Cluster`; and what it takes to make one: `Provider`."""

import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.cluster import toolchain
from tests.cluster.errors import ClusterError
from tests.cluster.shell import PATH, run

FORWARD_TIMEOUT = 20  # seconds until kubectl port-forward listens


@dataclass(frozen=True)
class Cluster:
    """A Kubernetes that answers.

    Attributes:
        kubeconfig: administrator's; its current context is the cluster.
        provider: `existing`, `kind` or `process`.
        logs_dir: where the provider keeps or will put its components' logs.
        scratch: the test session's own directory: caches of kubectl and Helm.
        loader: how image archives reach the nodes; use `load_images`.
    """

    kubeconfig: Path
    provider: str
    logs_dir: Path
    scratch: Path
    loader: Callable[[Sequence[Path]], None] = field(repr=False)

    def kubectl(self, *args: str, input: str | None = None, timeout: float = 120) -> str:  # noqa: A002 - subprocess's word for it
        """The output of kubectl.

        Args:
            args: its arguments.
            input: text for its standard input, for `-f -`.
            timeout: seconds until it is killed.

        Raises:
            ClusterError: it failed; the message ends with what it said.
        """
        return run([toolchain.binary("kubectl"), *args], stdin=input, env=self.environment(), timeout=timeout)

    def helm(self, *args: str | Path, timeout: float = 300) -> str:
        """The output of Helm; repositories and plugins of the user are not seen.

        Raises:
            ClusterError: it failed; the message ends with what it said.
        """
        return run([toolchain.binary("helm"), *args], env=self.environment(), timeout=timeout)

    def load_images(self, tars: Iterable[Path]) -> None:
        """Brings docker-archives onto the nodes, under the names they hold.

        Raises:
            ClusterError: an archive cannot be read, or this cluster takes no archives.
        """
        self.loader(list(tars))

    @contextmanager
    def port_forward(self, namespace: str, target: str, port: int) -> Iterator[int]:
        """The local port that reaches `port` of `target` (`service/NAME`, `pod/NAME`) while the block runs.

        Raises:
            ClusterError: nothing ready is behind the target.
        """
        argv = [str(toolchain.binary("kubectl")), "port-forward", "--namespace", namespace, target, f":{port}"]
        with subprocess.Popen(
            argv, env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as forwarder:
            try:
                yield _listening_port(forwarder, f"port-forward to {target}:{port} in {namespace}")
            finally:
                forwarder.kill()

    def environment(self) -> dict[str, str]:
        """The environment for clients of this cluster."""
        ours = {
            "PATH": PATH,
            "KUBECONFIG": str(self.kubeconfig),
            # Discovery is cached by the server's address, and the next cluster will have the same.
            "KUBECACHEDIR": str(self.scratch / "kube-cache"),
            **{f"HELM_{kind}_HOME": str(self.scratch / "helm" / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")},
        }
        if self.provider != "existing":
            ours["NO_PROXY"] = ours["no_proxy"] = "*"  # it is on this machine
        return {**os.environ, **ours}


class Provider(Protocol):
    """A way to have a cluster."""

    name: str

    def up(self, scratch: Path) -> Cluster:
        """A cluster that answers; `scratch` is the session's directory.

        Raises:
            ClusterError: it could not be had.
        """

    def down(self) -> None:
        """Gives it back: removes what `up` made, and nothing else."""


def _listening_port(forwarder: subprocess.Popen[bytes], what: str) -> int:
    """The port kubectl says it listens on, as in "Forwarding from 127.0.0.1:40123 -> 9000"."""
    assert forwarder.stdout is not None
    said = b""
    deadline = time.monotonic() + FORWARD_TIMEOUT
    while time.monotonic() < deadline:
        if select.select([forwarder.stdout], [], [], 0.1)[0]:
            chunk = os.read(forwarder.stdout.fileno(), 4096)
            said += chunk
            if found := re.search(rb"127\.0\.0\.1:(\d+) ->", said):
                return int(found[1])
            if not chunk:
                break
    raise ClusterError(f"{what} does not listen: {said.decode(errors='replace').strip() or 'no output'}")
