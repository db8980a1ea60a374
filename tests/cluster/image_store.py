"""buildah with a store of its own in the cache: nothing of the user's images is seen or touched."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.shell import run, say


@dataclass(frozen=True)
class Store:
    """Where images lie while they are built.

    Attributes:
        root: kept between builds; holds the layers later builds reuse.
        scratch: of this build only; holds what is mounted.
        driver: overlay, or vfs where overlay cannot be mounted.
    """

    root: Path
    scratch: Path
    driver: str

    def buildah(self, *arguments: str | Path, timeout: float = 120) -> str:
        """The output of a buildah command on this store."""
        places: list[str | Path] = [
            "--root",
            self.root / self.driver,
            "--runroot",
            self.scratch / "run",
            "--storage-driver",
            self.driver,
        ]
        return run(["buildah", *places, *arguments], timeout=timeout)

    def has(self, tag: str) -> bool:
        """Whether the store holds an image of that name."""
        return any(tag in (image.get("names") or []) for image in json.loads(self.buildah("images", "--json") or "[]"))

    def save(self, tag: str, archive: Path) -> None:
        """Writes an image as a docker-archive, whole or not at all."""
        scratch = archive.with_name(f".{archive.name}")
        scratch.unlink(missing_ok=True)  # docker-archive refuses to write to a file that is there
        self.buildah("push", tag, f"docker-archive:{scratch}:{tag}", timeout=600)
        scratch.chmod(0o644)
        scratch.rename(archive)


def open_store(root: Path, scratch: Path) -> Store:
    """The store, by overlay where a container's file system can be mounted that way, else by vfs (slow, but everywhere)."""
    store = Store(root, scratch, "overlay")
    try:
        container = store.buildah("from", "scratch").strip()
        store.buildah("mount", container)
    except ClusterError as error:
        say(f"no overlay here, copying layers instead: {error}")
        return Store(root, scratch, "vfs")
    store.buildah("rm", "--all")  # the probe, and what a killed build left
    return store
