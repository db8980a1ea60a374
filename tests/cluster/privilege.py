"""Becoming root for the parts that must be: namespaces, mounts, images. The rest runs as the user."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import paths
from tests.cluster.errors import ClusterError

# What sudo would drop and the root half needs to find the user's own cache, cluster and mirrors.
CARRIED = (
    "NARWHAL_CACHE",
    "NARWHAL_CLUSTER_DIR",
    "NARWHAL_DEBIAN_MIRROR",
    "PIP_CONFIG_FILE",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "PIP_CERT",
    "PATH",
)


def is_root() -> bool:
    """Whether this process may do everything."""
    return os.geteuid() == 0


def as_root(argv: Sequence[str | Path]) -> list[str]:
    """The command that runs `argv` as root: itself, or through sudo with the environment it needs.

    Raises:
        ClusterError: neither root nor sudo.
    """
    words = [str(word) for word in argv]
    if is_root():
        return words
    sudo = shutil.which("sudo")
    if sudo is None:
        raise ClusterError(
            "the process cluster and the images need root (namespaces, mounts), and there is no sudo here"
        )
    carried = {name: os.environ[name] for name in CARRIED if name in os.environ}
    carried["NARWHAL_CACHE"] = str(paths.cache_root())
    return [sudo, "--", "env", *(f"{name}={value}" for name, value in carried.items()), *words]


def cluster_command(*arguments: str | Path) -> list[str]:
    """The command line of this package's own entry point, run from the repository by this same Python."""
    return [sys.executable, "-m", "tests.cluster", *(str(argument) for argument in arguments)]


def give_to_user(path: Path) -> None:
    """Hands a file made by root through sudo to the user who asked for it."""
    if is_root() and "SUDO_UID" in os.environ:
        os.chown(path, int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", "-1")))
