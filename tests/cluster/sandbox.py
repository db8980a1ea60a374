"""A node's own mount, network and process namespaces, and their end.

Everything the cluster starts lives in there. When the first process of the sandbox is killed, by us or by
anybody, the kernel ends all others, and mounts, interfaces and iptables rules go with their namespaces: there is
no list of things to undo that a killed starter could have left unwritten. The host's firewall, forwarding and
kernel settings are never touched.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cluster.errors import ClusterError
from tests.cluster.shell import PATH, run, tail, wait_for

# In the environment of every process we start: how they are known again after a crash, without trusting a number
# in a file that may by now be another's.
MARK = "NARWHAL_SANDBOX"

# The kernel settings a kubelet insists on. They are the machine's, not a namespace's: the kubelet is shown files
# with the values it wants, and refuses (protectKernelDefaults) rather than writes should one be missing here.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def environment(directory: Path) -> dict[str, str]:
    """The environment of the sandbox's processes: no proxies, no credentials, the mark."""
    return {"PATH": PATH, "HOME": str(directory), MARK: str(directory)}


def start(directory: Path) -> int:
    """Makes the namespaces and what is mounted in them; returns the first process's number on the host.

    Args:
        directory: the run directory.

    Raises:
        ClusterError: this machine lets nobody make namespaces, or a mount failed.
    """
    log = directory / "logs" / "sandbox.log"
    # The init only has to stay: with SIGCHLD ignored the kernel reaps what is orphaned to it.
    init = ["sh", "-c", 'trap "" CHLD; exec sleep infinity']
    namespaces = ["--mount", "--mount-proc", "--propagation", "private", "--net", "--pid", "--fork", "--kill-child"]
    outer = spawn(["unshare", *namespaces, "--", *init], log, environment(directory))

    def init_pid() -> int | None:
        if outer.poll() is not None:
            raise ClusterError(f"unshare ended with {outer.returncode}; it needs root:\n{tail(log.read_text())}")
        pid = child(outer.pid)
        return pid if pid is not None and _command(pid) == "sleep" else None

    pid = wait_for("the sandbox's first process", init_pid, timeout=10, interval=0.01)
    run([*enter(pid), "sh", "-ec", _mounts(directory)])
    return pid


def _mounts(directory: Path) -> str:
    """The shell commands that give the sandbox its own writable places, in its mount namespace only."""
    for place in ("var-lib", "var-lib-work", "var-log", "settings"):
        (directory / place).mkdir()
    shown = []
    for setting, value in KERNEL_SETTINGS.items():
        source = directory / "settings" / setting.replace("/", "-")
        source.write_text(f"{value}\n")
        shown.append(f"mount --bind {source} /proc/sys/{setting}")
    return "\n".join(
        [
            # Sockets, locks and network namespaces of containerd, its shims, runc and iptables; no systemd in sight.
            "mount -t tmpfs -o mode=755 tmpfs /run",
            "mkdir -m 1777 /run/lock",
            # libcni keeps results in /var/lib/cni, the kubelet links logs in /var/log: neither can be told otherwise.
            # An overlay, because the caller's home, and so the binaries, may lie in /var/lib.
            f"mount -t overlay overlay -o lowerdir=/var/lib,upperdir={directory}/var-lib,workdir={directory}/var-lib-work /var/lib",
            f"mount --bind {directory}/var-log /var/log",
            *shown,
            "mount --make-rshared /",  # as on a node: mounts of one container may reach another that asks for it
        ]
    )


def enter(pid: int) -> list[str]:
    """The prefix that runs a command in the sandbox.

    Not `ip netns exec`: that remounts /sys, which hides the cgroups, and the kubelet stops.
    """
    return ["nsenter", "--target", str(pid), "--mount", "--net", "--pid", "--"]


def spawn(argv: Sequence[str], log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts a program that outlives us, its output in `log`.

    Raises:
        ClusterError: there is no such program.
    """
    with log.open("ab") as output:
        try:
            streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            return subprocess.Popen(argv, **streams, env=dict(env), cwd="/", start_new_session=True)
        except FileNotFoundError as error:
            raise ClusterError(f"{argv[0]} is not installed: run hack/setup-machine cluster") from error


def stop(directory: Path, timeout: float = 30) -> None:
    """Kills every process of the sandbox and waits until the last is gone.

    Raises:
        ClusterError: one did not end in time.
    """
    seen: dict[int, int | None] = {}

    def gone() -> bool:
        for pid in marked(directory):
            seen.setdefault(pid, start_time(pid))
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it ended by itself, which is what we want
        # A dying process loses its environment, and with it the mark, well before its files and mounts: the first
        # process of the sandbox, which the kernel lets end last, is waited for by number.
        return not any(started is not None and alive(pid, started) for pid, started in seen.items())

    wait_for(f"the end of the processes of {directory}", gone, timeout, interval=0.02)


def marked(directory: Path) -> list[int]:
    """The processes that carry the mark of a sandbox in that directory, or below it; zombies carry nothing any more."""
    mark = f"{MARK}={directory}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue  # it ended meanwhile, or belongs to a kernel that shows nobody its environment
            if any(variable == mark or variable.startswith(mark + b"/") for variable in variables):
                found.append(int(entry.name))
    return found


def alive(pid: int, started: int) -> bool:
    """Whether the process `pid` is still the one that began at `started`."""
    return start_time(pid) == started


def start_time(pid: int) -> int | None:
    """When a process began, in clock ticks since the machine's start (proc(5), field 22); None without one."""
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] != "Z" else None


def state(pid: int) -> str | None:
    """What a process does (proc(5), field 3): R runs, S and D wait, T is stopped, Z has ended; None without one."""
    fields = _stat(pid)
    return fields[0] if fields else None


def child(pid: int) -> int | None:
    """The first child of a process; None without one."""
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return next((number for number in numbers if (fields := _stat(number)) and int(fields[1]) == pid), None)


def _command(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (state) on; the second may itself hold spaces and parentheses."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
