"""Whether the kernel kills for want of memory in this container: the counter of its memory cgroup.

Where the kernel kills one process of a container and not all of it (cgroup v1, singleProcessOOMKill), the worker lives on and
Kubernetes says nothing: only this counter tells a kill for memory from any other.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

COUNTERS: Final = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))
"""Of cgroup v2 and of v1, as a container sees its own (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst)."""
_KEY: Final = "oom_kill"


def oom_kills(counters: Sequence[Path] = COUNTERS) -> int | None:
    """Processes the kernel has killed for want of memory; None where no counter can be read, as outside a container."""
    for path in counters:
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        for line in lines:
            name, _, value = line.partition(" ")
            if name == _KEY and value.strip().isdigit():
                return int(value)
    return None
