"""A single-node Kubernetes of plain processes: the real servers, a real kubelet and containerd, no container to hold them.

`up` may be called again at any moment, `down` after any crash: neither trusts what the other has written down beyond
what it can see to be true.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.cluster import addons, cgroups, components, images, kubeconfig, network, node, paths, pki, sandbox, toolchain
from tests.cluster.api import Api, healthy, resolves
from tests.cluster.components import Component
from tests.cluster.crew import Crew, import_images, recorded
from tests.cluster.errors import ClusterError
from tests.cluster.layout import API_PORT, NODE, Layout, Process, State
from tests.cluster.locks import locked
from tests.cluster.network import Addresses
from tests.cluster.privilege import give_to_user
from tests.cluster.shell import PATH, run, say


def up(user: int | None) -> Layout:
    """Starts the cluster, or finds it in use, and returns where its files lie.

    Args:
        user: the test process that asks; with None it is asked for by hand and stays until `down()`.

    Raises:
        ClusterError: a component did not start; the message names it, its log and the log's last lines.
    """
    layout = Layout(paths.run_directory())
    with locked(layout.name):
        state = layout.read_state()
        # One that runs but has no user left is what a killed test session left behind: nobody knows what is in it.
        if state is None or not (state.kept or _living(state)) or not is_up(state):
            state = _start_anew(layout)
        users = _living(state) if user is None else [*_living(state), recorded(user)]
        layout.write_state(replace(state, users=users, kept=state.kept or user is None))
    return layout


def _start_anew(layout: Layout) -> State:
    _remove_all(layout)
    try:
        say("starting a Kubernetes of processes")
        layout.make()
        cgroups.make(layout.name)
        if not Path("/proc/sys/net/bridge").exists():
            # Traffic between pods of one node must pass iptables, or Services fail; Debian does not load it by itself.
            run(["modprobe", "br_netfilter"])
        init = sandbox.start(layout.root)
        with locked("addresses"):  # a block is taken only once its route is there
            addresses = network.free_addresses()
            network.connect(layout.name, addresses, init, sandbox.enter(init))
        return _Starter(layout, addresses, init).start()
    except BaseException:  # also Ctrl-C: nothing may go on running, but the logs are wanted
        _stop_all(layout)
        raise


def down(user: int | None) -> bool:
    """Ends the cluster and removes all it made, also what a killed `up` or a crash has left; whether it did.

    Args:
        user: the test process that has done with it; others may go on, and one started by hand stays. None: whoever uses it.
    """
    layout = Layout(paths.run_directory())
    with locked(layout.name):
        state = layout.read_state()
        if state is not None and user is not None:
            others = [process for process in _living(state) if process.pid != user]
            if others or state.kept:
                layout.write_state(replace(state, users=others))
                return False
        _remove_all(layout)
    return True


def _living(state: State) -> list[Process]:
    return [process for process in state.users if sandbox.alive(process.pid, process.started)]


def load(archives: Iterable[Path]) -> None:
    """Imports docker-archives into the node's containerd.

    Raises:
        ClusterError: no cluster is up, or an archive cannot be read.
    """
    layout, state = running()
    import_images(node.first(layout, state.addresses).containerd_socket, list(archives))


def running() -> tuple[Layout, State]:
    """The cluster that is up.

    Raises:
        ClusterError: none is.
    """
    layout = Layout(paths.run_directory())
    state = layout.read_state()
    if state is None or not is_up(state):
        raise ClusterError("no cluster is up: make cluster-up")
    return layout, state


def is_up(state: State) -> bool:
    """Whether every process runs and the API server is ready."""
    processes = [state.init, *state.components.values()]
    if not all(sandbox.alive(process.pid, process.started) for process in processes):
        return False
    return _ready(state.addresses)


def _ready(addresses: Addresses) -> bool:
    """Whether the API server is ready, its store included. Everybody may ask, also a user who cannot read our keys."""
    return healthy(f"{server_url(addresses)}/readyz")


def server_url(addresses: Addresses) -> str:
    """The API server's URL, from the host."""
    return f"https://{addresses.node}:{API_PORT}"


def node_ready(api: Api, name: str) -> bool:
    """Whether a node is Ready."""
    found = api.get(f"/api/v1/nodes/{name}") or {}
    conditions = found.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _stop_all(layout: Layout) -> None:
    """Ends the processes and takes the cluster out of the host's network and cgroups; files stay."""
    sandbox.stop(layout.root)
    network.disconnect(layout.name)
    cgroups.remove(layout.name)


def _remove_all(layout: Layout) -> None:
    _stop_all(layout)
    layout.remove()


class _Starter:
    """One start of the components, in a sandbox that is made, to a node that runs pods and answers DNS."""

    def __init__(self, layout: Layout, addresses: Addresses, init: int) -> None:
        self.layout = layout
        self.addresses = addresses
        self.init = init
        self.node = node.first(layout, addresses)
        self.crew = Crew(init, layout.root)

    def start(self) -> State:
        """Starts everything in order; what can be done at the same time is."""
        layout, addresses = self.layout, self.addresses
        archives = images.ensure(["pause", "coredns"])
        self._prepare()
        self.crew.spawn([components.etcd(layout), node.containerd(self.node), components.apiserver(layout, addresses)])
        with ThreadPoolExecutor(max_workers=1) as beside:
            imported = beside.submit(self._import, list(archives.values()))
            self.crew.wait("kube-apiserver", "the API server to be ready", partial(_ready, addresses))
            imported.result()
        later = [
            components.controller_manager(layout),
            components.scheduler(layout),
            node.proxy(self.node),
            node.kubelet(self.node),
        ]
        self.crew.spawn(later)
        self._kubectl_apply(addons.coredns(addresses))
        self._wait_until_useful(later)
        return self._state()

    @property
    def _api(self) -> Api:
        return Api(server_url(self.addresses), self.layout.pki)

    def _prepare(self) -> None:
        layout = self.layout
        pki.make(layout.pki, self.addresses, NODE)
        server = server_url(self.addresses)
        for user in ("controller-manager", "scheduler", "proxy", "node"):
            kubeconfig.write(layout.component_kubeconfig(user), server, layout.pki, user)
        kubeconfig.write(layout.kubeconfig, server, layout.pki, "admin")
        give_to_user(layout.kubeconfig)

    def _import(self, archives: list[Path]) -> None:
        self.crew.wait("containerd", "containerd to answer", self.node.containerd_socket.exists)
        import_images(self.node.containerd_socket, archives)

    def _kubectl_apply(self, manifests: str) -> None:
        where = f"--kubeconfig={self.layout.kubeconfig}"
        environment = {"PATH": PATH, "HOME": str(self.layout.root)}
        run([toolchain.binary("kubectl"), where, "apply", "--server-side", "-f", "-"], stdin=manifests, env=environment)

    def _wait_until_useful(self, later: list[Component]) -> None:
        """Waits for what a user waits for: a Ready node, the default service account, Services, names."""
        self.crew.wait_healthy(later, self.addresses.node)
        self.crew.wait("kubelet", f"node {NODE} to be Ready", partial(node_ready, self._api, NODE))
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self.crew.wait(
            "kube-controller-manager", "the default service account", lambda: self._api.get(account) is not None
        )
        name = "kubernetes.default.svc.cluster.local"
        self.crew.wait("kube-proxy", f"{name} by DNS", lambda: resolves(self.addresses.dns, name))

    def _state(self) -> State:
        return State(str(self.addresses.block), recorded(self.init), self.crew.processes(), users=[], kept=False)
