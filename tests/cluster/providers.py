"""The three ways to have a cluster, and how one is chosen."""

import contextlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.cluster import command_line, paths, toolchain
from tests.cluster.errors import ClusterError
from tests.cluster.layout import Layout
from tests.cluster.model import Cluster, Provider
from tests.cluster.shell import run, say

# The node image of the kind version in hack/cluster/kind/go.mod; kubectl's wheel is within one minor version of it.
KIND_NODE_IMAGE = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
PULL_TIMEOUT = 600  # seconds


class ExistingProvider:
    """A cluster that is there: only when NARWHAL_TEST_KUBECONFIG names its file, never a default context.

    NARWHAL_TEST_IMAGE_LOADER is the command that brings an image archive onto its nodes, the archive appended:
    `k3d image import -c dev`, `minikube image load`.
    """

    name = "existing"

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig

    def up(self, scratch: Path) -> Cluster:
        """The cluster of the file, once it has answered."""
        if not self._kubeconfig.is_file():
            raise ClusterError(f"NARWHAL_TEST_KUBECONFIG={self._kubeconfig}: no such file")
        cluster = Cluster(self._kubeconfig, self.name, scratch, scratch, _load_by_command)
        cluster.kubectl("version", "--request-timeout=10s")
        return cluster

    def down(self) -> None:
        """Nothing: it was there before."""


def _load_by_command(archives: Sequence[Path]) -> None:
    loader = os.environ.get("NARWHAL_TEST_IMAGE_LOADER")
    if not loader:
        raise ClusterError(
            "an existing cluster takes images by a command only you know: "
            "set NARWHAL_TEST_IMAGE_LOADER, for instance to `minikube image load`; the archive's path is appended"
        )
    for archive in archives:
        run([*shlex.split(loader), archive], timeout=PULL_TIMEOUT)


class KindProvider:
    """Kubernetes in Docker, by pytest-kind; kind itself is built from its module, kubectl is the wheel's."""

    name = "kind"

    def __init__(self) -> None:
        # One for each worker of pytest-xdist: kind has no count of its users, and the first to end would take it down.
        self._cluster_name = f"narwhal-{os.environ.get('PYTEST_XDIST_WORKER', 'tests')}"
        self._kind: Any = None  # pytest-kind ships no types

    def up(self, scratch: Path) -> Cluster:
        """A new cluster of one node."""
        from pytest_kind import KindCluster  # it imports requests and pykube: only where it is used

        with contextlib.chdir(scratch):  # it makes a directory where it stands
            self._kind = KindCluster(
                self._cluster_name,
                kubeconfig=scratch / "kubeconfig",
                image=KIND_NODE_IMAGE,
                kind_path=toolchain.binary("kind"),
                kubectl_path=toolchain.binary("kubectl"),
            )
            try:
                self._kind.create()
            except subprocess.CalledProcessError as error:
                raise ClusterError(f"kind made no cluster: {error}; its words are above") from error
        return Cluster(scratch / "kubeconfig", self.name, scratch / "logs", scratch, self._load)

    def _load(self, archives: Sequence[Path]) -> None:
        for archive in archives:
            self._run_kind("load", "image-archive", archive)

    def down(self) -> None:
        """Deletes it, after its logs are saved to `logs_dir`."""
        if self._kind is not None:
            self._run_kind("export", "logs", self._kind.kubeconfig_path.parent / "logs")
            self._kind.delete()

    def _run_kind(self, *arguments: str | Path) -> None:
        run([toolchain.binary("kind"), *arguments, "--name", self._cluster_name], timeout=PULL_TIMEOUT)


class ProcessProvider:
    """The cluster of processes. It runs as root, in a child: the tests themselves need not.

    It is shared by all test processes of the machine and ends with the last of them, unless it was kept.
    """

    name = "process"

    def up(self, scratch: Path) -> Cluster:
        """A fresh cluster, or the one another test process or `make cluster-up` has up."""
        users = [] if keep() else ["--user", str(os.getpid())]
        kubeconfig = Path(command_line.call("up", *users).strip())
        layout = Layout(paths.run_directory())
        return Cluster(kubeconfig, self.name, layout.logs, scratch, self._load)

    def _load(self, archives: Sequence[Path]) -> None:
        command_line.call("load", *archives)

    def down(self) -> None:
        """Ends it, unless others use it or it was started by hand."""
        command_line.call("down", "--user", str(os.getpid()))


def keep() -> bool:
    """Whether the cluster stays up after the tests, for a look around."""
    return os.environ.get("NARWHAL_KEEP_CLUSTER", "") not in {"", "0"}


def choose() -> Provider:
    """The provider for this machine: the cluster named by the user, else kind where Docker can pull, else processes.

    NARWHAL_CLUSTER_PROVIDER (`kind`, `process`) decides instead.

    Raises:
        ClusterError: it names neither.
    """
    if kubeconfig := os.environ.get("NARWHAL_TEST_KUBECONFIG"):
        return ExistingProvider(Path(kubeconfig))
    wanted = os.environ.get("NARWHAL_CLUSTER_PROVIDER")
    if wanted == "process" or (not wanted and not _docker_can_pull()):
        return ProcessProvider()
    if wanted in {None, "", "kind"}:
        return KindProvider()
    raise ClusterError(f"NARWHAL_CLUSTER_PROVIDER={wanted}: there are kind and process")


def _docker_can_pull() -> bool:
    """Whether Docker answers and has or gets kind's node image."""
    if shutil.which("docker") is None:
        return False
    try:
        run(["docker", "info"], timeout=30)
    except ClusterError:
        return False  # a client without a daemon: nothing to wonder at
    try:
        run(["docker", "pull", "--quiet", KIND_NODE_IMAGE], timeout=PULL_TIMEOUT)
    except ClusterError as error:
        say(f"Docker answers but cannot pull; using the process cluster: {error}")
        return False
    return True
