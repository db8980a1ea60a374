"""The files of a running process cluster, each named once."""

import json
import os
import shutil
import stat
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.network import Addresses
from tests.cluster.paths import short_name

NODE = "narwhal-node"
API_PORT = 6443


@dataclass(frozen=True)
class Process:
    """A process started by us: its number on the host and when it began, so that a reused number is noticed."""

    pid: int
    started: int


@dataclass(frozen=True)
class State:
    """What `up` writes down for the commands that come after it."""

    block: str
    init: Process
    components: dict[str, Process]
    users: list[Process]  # test processes that use it: the last one's end is its end
    kept: bool  # asked for by hand, or by NARWHAL_KEEP_CLUSTER: tests do not take it down

    @property
    def addresses(self) -> Addresses:
        """The cluster's addresses."""
        return Addresses(IPv4Network(self.block))


@dataclass(frozen=True)
class Layout:
    """Paths below the run directory."""

    root: Path

    @property
    def name(self) -> str:
        """The name of the cluster's interface and cgroup on the host."""
        return short_name(self.root)

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.root / "pki"

    @property
    def logs(self) -> Path:
        """One log for each component."""
        return self.root / "logs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "kubeconfig"

    def component_kubeconfig(self, component: str) -> Path:
        """The kubeconfig a component reads."""
        return self.root / f"{component}.kubeconfig"

    def make(self) -> None:
        """Makes the directory, ours alone to write; /tmp is everybody's, so what is there already is not trusted.

        Raises:
            ClusterError: something that is not our directory is in its place.
        """
        try:
            self.root.mkdir(mode=0o755, parents=True)
        except FileExistsError:
            self._check_owner()
        self.logs.mkdir(exist_ok=True)

    def _check_owner(self) -> None:
        found = self.root.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise ClusterError(f"{self.root} is there and not a directory of ours alone: look what it is and remove it")

    def remove(self) -> None:
        """Removes the directory and all in it."""
        if self.root.is_dir() and not self.root.is_symlink():
            self._check_owner()
            shutil.rmtree(self.root)

    def write_state(self, state: State) -> None:
        """Writes the state under another name first: it is whole or not there."""
        scratch = self.root / ".state.json"
        scratch.write_text(json.dumps(asdict(state), indent=1))
        scratch.rename(self.root / "state.json")

    def read_state(self) -> State | None:
        """The state `up` wrote, or None: never begun, killed before it was written, or another version's."""
        try:
            found = json.loads((self.root / "state.json").read_text())
            components = {name: Process(**process) for name, process in found["components"].items()}
            users = [Process(**process) for process in found["users"]]
            return State(found["block"], Process(**found["init"]), components, users, found["kept"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None  # what that version started is found by its control group, as after a crash
