"""How many CPUs there are to use: FFmpeg's own guess is the machine's, which is wrong in a pod."""

import math
import os
from pathlib import Path
from typing import Final

CGROUP: Final = Path("/sys/fs/cgroup/cpu.max")
THREADS_PER_CPU: Final = 1.5
"""x264's own rule: a frame thread waits for the one before it part of the time."""


def threads(cpus: float | None, cgroup: Path = CGROUP) -> int:
    """Threads for FFmpeg: by the order's CPUs, else by the cgroup's quota and the affinity."""
    return max(1, min(64, math.ceil(available(cpus, cgroup) * THREADS_PER_CPU)))


def available(cpus: float | None, cgroup: Path = CGROUP) -> float:
    """CPUs: the order's, else by the cgroup's quota and the affinity."""
    return cpus or min(float(len(os.sched_getaffinity(0))), quota(cgroup))


def quota(cgroup: Path) -> float:
    """CPUs of the cgroup's quota (cgroup v2 cpu.max); infinite without one."""
    try:
        limit, period = cgroup.read_text(encoding="ascii").split()
        return int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
