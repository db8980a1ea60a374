"""The process cluster leaves nothing on the machine, however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import cgroups, paths, sandbox
from tests.cluster.command_line import call
from tests.cluster.layout import Layout
from tests.cluster.node import SECOND, SECOND_NODE
from tests.cluster.privilege import as_root, cluster_command
from tests.cluster.shell import run, wait_for

pytestmark = pytest.mark.cluster

DIRECTORY = Path("/tmp/narwhal-cluster-test")  # noqa: S108 - checked for its owner when it is made


@pytest.fixture(scope="module")
def place() -> Iterator[Layout]:
    """The place of a cluster of these tests' own, beside the one other tests may be using; swept afterwards."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("NARWHAL_CLUSTER_DIR", str(DIRECTORY))
        call("binaries")
        yield Layout(DIRECTORY)
        call("down")


@pytest.fixture
def other_cluster(place: Layout) -> Layout:
    """That place with nothing there, whatever the test before has left."""
    call("down")
    return place


@pytest.fixture
def other_running(place: Layout) -> Layout:
    """A cluster that runs there: the one of the test before, where that has left one."""
    call("up")
    return place


def _traces(layout: Layout) -> list[str]:
    """What is on this machine of a cluster: its directory, interface, cgroups, mounts and processes."""
    found = [str(layout.root)] if layout.root.exists() else []
    found += [str(link) for link in [Path("/sys/class/net", layout.name)] if link.exists()]
    groups = (layout.name, f"{layout.name}/{SECOND}")
    found += [
        str(path) for hierarchy in cgroups.hierarchies() for name in groups if (path := hierarchy / name).exists()
    ]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(layout.root) in line]
    found += [line for line in run(["ps", "-eo", "args"]).splitlines() if str(layout.root) in line]
    return found


def _firewall() -> list[str]:
    return [line for line in run(as_root(["iptables-save"])).splitlines() if "KUBE" in line or "CNI" in line]


def test_up_and_down_and_up_again(other_cluster: Layout) -> None:
    """A cluster answers, ends without a trace, and the next one starts at once from nothing."""
    firewall = _firewall()
    for _ in range(2):
        kubeconfig = call("up").strip()
        assert Path(kubeconfig) == other_cluster.kubeconfig
        assert call("up").strip() == kubeconfig
        assert call("status").startswith("up;")
        assert _firewall() == firewall
        call("down")
        assert _traces(other_cluster) == []
    assert _firewall() == firewall


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param("logs/sandbox.log", id="while its namespaces are made"),
        pytest.param("containerd.sock", id="while images are imported"),
        pytest.param("kubelet.json", id="while the kubelet starts"),
    ],
)
def test_a_killed_start_is_swept(other_cluster: Layout, stage: str) -> None:
    """After kill -9 of the starter at any stage, `down` finds and removes what it had made."""
    log = subprocess.DEVNULL
    with subprocess.Popen(
        cluster_command("up"), cwd=paths.REPOSITORY, stdout=log, stderr=log, start_new_session=True
    ) as starter:
        try:
            wait_for(stage, (other_cluster.root / stage).exists, timeout=120, interval=0.005)
        finally:
            os.killpg(starter.pid, signal.SIGKILL)
    assert _traces(other_cluster) != []
    call("down")
    assert _traces(other_cluster) == []


def test_a_crash_is_told_and_mended(other_running: Layout) -> None:
    """A cluster one of whose components was killed is said to be broken, and `up` replaces it."""
    state = other_running.read_state()
    assert state is not None
    kubelet = state.components["kubelet"]
    assert "kubelet" in Path(f"/proc/{kubelet.pid}/comm").read_text()
    run(as_root(["kill", "-9", str(kubelet.pid)]))
    wait_for("the kubelet's end", lambda: not sandbox.alive(kubelet.pid, kubelet.started), timeout=60)
    status = subprocess.run(
        cluster_command("status"), cwd=paths.REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (status.returncode, status.stdout[:6]) == (1, "broken")
    call("up")
    assert call("status").startswith("up;")


def test_a_second_node_comes_and_goes(other_running: Layout) -> None:
    """It is Ready and runs nothing that does not ask for it; removed, or with its cluster while it stands still, it leaves no trace."""
    routes, seen = run(["ip", "route"]), _traces(other_running)
    assert call("node", "add").strip() == SECOND_NODE
    assert run(["ip", "route"]) != routes
    call("node", "remove")
    assert run(["ip", "route"]) == routes
    assert _of_the_second(_traces(other_running)) == _of_the_second(seen) == []
    call("node", "add")
    call("node", "freeze")
    assert _of_the_second(_traces(other_running)) != []
    call("down")
    assert _traces(other_running) == []


def _of_the_second(traces: list[str]) -> list[str]:
    return [trace for trace in traces if SECOND in trace]


def test_a_cluster_started_by_hand_outlives_the_tests(other_cluster: Layout) -> None:
    """Tests that end take down only a cluster nobody else uses and nobody started by hand."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other_session:
        call("up", "--user", str(os.getpid()))
        call("up", "--user", str(other_session.pid))
        call("down", "--user", str(os.getpid()))
        assert call("status").startswith("up;")
        call("up")
        call("down", "--user", str(other_session.pid))
        assert call("status").startswith("up;")
        other_session.kill()
    call("down")
    assert _traces(other_cluster) == []
