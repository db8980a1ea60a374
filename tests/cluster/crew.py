"""The components of one sandbox while they start: waiting for one ends at once when any of them has ended."""

import subprocess
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from tests.cluster import sandbox
from tests.cluster.api import healthy
from tests.cluster.components import Component
from tests.cluster.errors import ClusterError
from tests.cluster.layout import Process
from tests.cluster.shell import run, tail, wait_for

START_TIMEOUT = 90  # seconds for any one step; the whole takes about six on two free cores


class Crew:
    """What was started in a sandbox; `root` is its directory, logs are in `root`/logs."""

    def __init__(self, init: int, root: Path) -> None:
        self._init = init
        self._root = root
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def spawn(self, components: Iterable[Component]) -> None:
        """Starts components."""
        for component in components:
            log = self._root / "logs" / f"{component.name}.log"
            argv = [*sandbox.enter(self._init), *component.argv]
            self._running[component.name] = sandbox.spawn(argv, log, sandbox.environment(self._root))

    def wait_healthy(self, components: Iterable[Component], address: str) -> None:
        """Waits until each that has a health page is well. `address`: of the node they are on."""
        for component in components:
            if component.health:
                url = component.health.format(node=address)
                self.wait(component.name, f"{component.name} to be well", partial(healthy, url))

    def wait(self, name: str, what: str, check: Callable[[], bool]) -> None:
        """Waits for `check`; ends at once when any component has ended, with that one's last words.

        Raises:
            ClusterError: it took too long (the message has the last words of the component `name`), or one ended.
        """

        def checked() -> bool:
            for other, process in self._running.items():
                if process.poll() is not None:
                    raise ClusterError(f"{other} ended with {process.returncode}; {self._last_words(other)}")
            return check()

        try:
            wait_for(f"waiting for {what}", checked, START_TIMEOUT)
        except ClusterError as error:
            if name in self._running and self._running[name].poll() is None:
                raise ClusterError(f"{error}; {self._last_words(name)}") from error
            raise

    def _last_words(self, name: str) -> str:
        log = self._root / "logs" / f"{name}.log"
        return f"its log is {log}, which ends with:\n{tail(log.read_text(errors='replace'))}"

    def processes(self) -> dict[str, Process]:
        """Each component's own process."""
        # Ours is nsenter, which waits; the component itself is its child.
        return {name: recorded(sandbox.child(process.pid)) for name, process in self._running.items()}


def recorded(pid: int | None) -> Process:
    """A process that runs, with what tells it from a later one of the same number.

    Raises:
        ClusterError: it has ended.
    """
    started = sandbox.start_time(pid) if pid is not None else None
    if pid is None or started is None:
        raise ClusterError(f"process {pid} ended while the cluster came up; see the logs")
    return Process(pid, started)


def import_images(socket: Path, archives: Sequence[Path]) -> None:
    """Imports docker-archives into the containerd that listens there."""
    for archive in archives:
        run(["ctr", "--address", str(socket), "--namespace", "k8s.io", "images", "import", archive], timeout=600)
