"""The cgroup that holds all pods, on both cgroup versions.

With a root group of its own the kubelet touches no other's, and what is left of a killed cluster is known by its place.
"""

import os
import signal
from functools import partial
from pathlib import Path

from tests.cluster.shell import wait_for

# What a kubelet wants of cgroup v2 (`--cgroups-per-qos`); the ones a kernel lacks are left out.
V2_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")

# With cgroup v1 processes outside any group weigh 1024 each, threads too, and a new group with all that is in it no more than one
# of them: beside a test run of twenty threads the pods of the whole cluster would have a tenth of a CPU. They weigh as four:
# the threads of one encoder. With v2 the test run is in a group of its own, and groups weigh the same.
V1_CPU_SHARES = 4 * 1024


def hierarchies() -> list[Path]:
    """The mount points of all hierarchies: each controller's of version 1, the one of version 2, or, hybrid, both."""
    mounts = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [Path(place.split()[4]) for place, source in mounts if source.split()[0] in {"cgroup", "cgroup2"}]


def make(name: str) -> None:
    """Makes the group `name` (a path: in a group that is there) in every hierarchy, fit to hold children."""
    for hierarchy in hierarchies():
        group = hierarchy / name
        if (hierarchy / "cgroup.controllers").exists():
            # (In hybrid mode it has no controllers to enable, but runc puts its processes there, too.)
            # Only ever added: systemd has most of them on already, and another may count on them by the time we end.
            _enable_controllers(group.parent)
            group.mkdir(exist_ok=True)
            _enable_controllers(group)
        else:
            group.mkdir(exist_ok=True)
            for value in ("cpuset.cpus", "cpuset.mems"):  # empty in a new v1 group, which then can run nothing
                if (group.parent / value).exists():
                    (group / value).write_text((group.parent / value).read_text())
            if (group / "cpu.shares").exists() and group.parent == hierarchy:
                (group / "cpu.shares").write_text(str(V1_CPU_SHARES))


def _enable_controllers(group: Path) -> None:
    available = (group / "cgroup.controllers").read_text().split()
    enabled = (group / "cgroup.subtree_control").read_text().split()
    for controller in V2_CONTROLLERS:
        if controller in available and controller not in enabled:
            (group / "cgroup.subtree_control").write_text(f"+{controller}")


def processes(name: str) -> set[int]:
    """The processes in the group `name` and below, in whatever hierarchy."""
    found: set[int] = set()
    for hierarchy in hierarchies():
        for directory, _, _ in os.walk(hierarchy / name):  # which a group that is removed meanwhile does not stop
            try:
                found.update(int(pid) for pid in Path(directory, "cgroup.procs").read_text().split())
            except OSError:
                continue  # removed meanwhile: nothing runs there
    return found


def remove(name: str, timeout: float = 20) -> None:
    """Kills what still runs in the group and removes it with all its children; without one it does nothing.

    Raises:
        ClusterError: a process there did not end in time.
    """
    for hierarchy in hierarchies():
        group = hierarchy / name
        wait_for(f"cgroup {group} empty and removed", partial(_swept, group), timeout)


def _swept(group: Path) -> bool:
    """One attempt: kill what is in the tree, remove its directories from the leaves up."""
    if not group.is_dir():
        return True
    for directory, _, _ in os.walk(group, topdown=False):
        try:
            for pid in Path(directory, "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
            Path(directory).rmdir()
        except OSError:
            continue  # a process still ending keeps its group busy: the caller asks again until the deadline
    return not group.is_dir()
