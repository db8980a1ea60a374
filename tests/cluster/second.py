"""A second real node: a kubelet and a containerd of their own, in namespaces of their own, behind the first.

What can happen to a node can happen to it: it is drained, it falls silent (`freeze`: everything on it stands still, as a
machine that hangs or is cut off), it comes back (`thaw`), it is lost for good (`remove`). All it has lies in the cluster's own
directory, cgroup and network namespaces: it ends with the cluster, however that ends.
"""

import os
import shutil
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.cluster import cgroups, images, kubeconfig, network, node, pki, process, sandbox, toolchain
from tests.cluster.api import Api
from tests.cluster.crew import Crew, import_images
from tests.cluster.layout import Layout, State
from tests.cluster.locks import locked
from tests.cluster.node import SECOND, Node
from tests.cluster.shell import PATH, run, say, wait_for

STILL_SECONDS = 30  # until everything on it stands still


def add(archives: Sequence[Path]) -> str:
    """Starts it, in place of one that is there; returns its name once it is Ready and has these images.

    Raises:
        ClusterError: no cluster is up, or a component did not start.
    """
    layout, state = process.running()
    with locked(layout.name):
        made = node.second(layout, state.addresses)
        _take_away(made, state)
        say("starting a second node")
        try:
            _start(made, state, archives)
        except BaseException:  # also Ctrl-C: nothing may go on running
            _stop(made, state)
            raise
    return made.name


def remove() -> None:
    """Ends it as by a power cut, and removes it from the cluster; without one it does nothing.

    Raises:
        ClusterError: no cluster is up.
    """
    layout, state = process.running()
    with locked(layout.name):
        _take_away(node.second(layout, state.addresses), state)


def freeze() -> None:
    """Everything on it stands still: nothing says so, nothing ends; connections stay open and silent."""
    _signal(signal.SIGSTOP, "T", "the second node to stand still")


def thaw() -> None:
    """Everything on it goes on where it was."""
    _signal(signal.SIGCONT, "RSD", "the second node to go on")


def _signal(number: signal.Signals, states: str, what: str) -> None:
    layout, state = process.running()
    found = node.second(layout, state.addresses)

    def done() -> bool:
        # Asked again until nothing is left to ask: what is told later may have been started meanwhile by what was not yet.
        others = [pid for pid in _processes(found) if sandbox.state(pid) not in {*states, "Z", "X", None}]
        for pid in others:
            _tell(pid, number)
        return not others

    wait_for(what, done, STILL_SECONDS, interval=0.05)


def _tell(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has ended meanwhile


def _processes(found: Node) -> set[int]:
    return {*sandbox.marked(found.root), *cgroups.processes(found.cgroup)}


def _start(made: Node, state: State, archives: Sequence[Path]) -> None:
    layout, addresses = made.layout, made.addresses
    made.logs.mkdir(parents=True)
    pki.add_node(layout.pki, made.user, made.name, made.address)
    server = process.server_url(addresses)
    kubeconfig.write(layout.component_kubeconfig(made.user), server, layout.pki, made.user)
    cgroups.make(made.cgroup)
    init = sandbox.start(made.root)
    network.join(SECOND, addresses, state.init.pid, init)
    crew = Crew(init, made.root)
    crew.spawn([node.containerd(made)])
    crew.wait("containerd", "containerd to answer", made.containerd_socket.exists)
    import_images(made.containerd_socket, [*images.ensure(["pause"]).values(), *archives])
    later = [node.proxy(made), node.kubelet(made)]
    crew.spawn(later)
    crew.wait_healthy(later, made.address)
    api = Api(server, layout.pki)
    crew.wait("kubelet", f"node {made.name} to be Ready", partial(process.node_ready, api, made.name))


def _take_away(found: Node, state: State) -> None:
    _stop(found, state)
    _forget(found.layout, found.name)


def _stop(found: Node, state: State) -> None:
    """Ends all of it, and removes what it had on this machine."""
    sandbox.stop(found.root)
    network.part(SECOND, found.addresses, state.init.pid)
    cgroups.remove(found.cgroup)
    if found.root.exists():
        shutil.rmtree(found.root)


def _forget(layout: Layout, name: str) -> None:
    """Removes the Node object: its pods are then garbage to the cluster."""
    kubectl, where = toolchain.binary("kubectl"), f"--kubeconfig={layout.kubeconfig}"
    environment = {"PATH": PATH, "HOME": str(layout.root)}
    run([kubectl, where, "delete", "node", name, "--ignore-not-found", "--timeout=60s"], env=environment)
