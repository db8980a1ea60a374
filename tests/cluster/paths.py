"""Where things lie: the cache, which lasts, and the run directory, which does not."""

import os
from hashlib import sha256
from pathlib import Path

from tests.cluster.errors import ClusterError

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = REPOSITORY / "hack" / "cluster"

# Sockets lie in the run directory, and a socket's address has room for 107 bytes (unix(7)).
LONGEST_RUN_DIRECTORY = 60
HIDDEN_IN_SANDBOX = ("/run", "/var/run", "/var/lib", "/var/log", "/proc", "/sys", "/dev")


def cache_root() -> Path:
    """The directory of what is kept between runs: binaries, images, locks. `NARWHAL_CACHE` moves it."""
    if chosen := os.environ.get("NARWHAL_CACHE"):
        return Path(chosen).resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).resolve() / "narwhal"


def run_directory() -> Path:
    """The directory that holds all of a running process cluster. `NARWHAL_CLUSTER_DIR` moves it.

    It is one for the machine, whoever asks, and emptied by a restart of the machine, like the cluster itself.
    Two clusters at once need two directories.

    Raises:
        ClusterError: the directory chosen cannot serve.
    """
    chosen = Path(os.environ.get("NARWHAL_CLUSTER_DIR") or "/tmp/narwhal-cluster")  # noqa: S108 - checked for its owner when it is made
    if not chosen.is_absolute() or len(str(chosen)) > LONGEST_RUN_DIRECTORY:
        raise ClusterError(
            f"NARWHAL_CLUSTER_DIR={chosen}: not an absolute path of at most {LONGEST_RUN_DIRECTORY} bytes"
        )
    if chosen.parent == chosen or any(chosen.is_relative_to(hidden) for hidden in HIDDEN_IN_SANDBOX):
        raise ClusterError(
            f"NARWHAL_CLUSTER_DIR={chosen}: not below {', '.join(HIDDEN_IN_SANDBOX)}: the cluster has its own"
        )
    return chosen


def short_name(directory: Path) -> str:
    """The name of the cluster of a run directory, short enough for an interface (15 bytes)."""
    return f"nw{sha256(str(directory).encode()).hexdigest()[:8]}"
