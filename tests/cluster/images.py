"""The images of the project and of its test cluster, built without a registry and cached by what goes into them.

Runs as root (namespaces, device nodes) in a mount namespace of its own, so that no mount is left behind. Each image
ends as a docker-archive in the cache; a second call with nothing changed only looks at file digests.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.cluster import image_base, image_host, paths, toolchain
from tests.cluster.errors import ClusterError
from tests.cluster.image_context import context_files
from tests.cluster.image_store import Store, open_store
from tests.cluster.locks import locked
from tests.cluster.shell import run, say

BASE = "base"
PROJECT = ("operator", "download", "torrent", "transcode")  # targets of the Dockerfile
BINARIES = ("pause", "coredns", "minio")  # one static program each, nothing else
NAMES = (BASE, *BINARIES, *PROJECT)
USER = "65532:65532"
BUILD_TIMEOUT = 3600  # seconds for one target
KEPT_ARCHIVES = 3  # of each image
STORE_LIMIT = 10_000  # MiB of layers; each build leaves some, and buildah never removes any by itself


def tag(name: str) -> str:
    """The name an image has in manifests."""
    return f"localhost/narwhal-base:{image_base.RELEASE}" if name == BASE else f"localhost/narwhal-{name}:dev"


def ensure(names: Iterable[str]) -> dict[str, Path]:
    """The archives of the images asked for, built where missing.

    Raises:
        ClusterError: an unknown image, or a build that failed.
    """
    wanted = list(names)
    if unknown := [name for name in wanted if name not in NAMES]:
        raise ClusterError(f"no such image: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    archives = {name: _archive(name) for name in wanted}
    if not all(archive.exists() for archive in archives.values()):
        with locked("images"):
            _build_missing(archives)
    return archives


def _directory() -> Path:
    return paths.cache_root() / "images"


def _archive(name: str) -> Path:
    return _directory() / f"{name}-{_digest(name)}.tar"


def _digest(name: str) -> str:
    """Twelve digits that change when what goes into the image does."""
    state = hashlib.sha256(tag(name).encode())
    if name == BASE:
        state.update(image_base.RECIPE.encode())
    elif name in BINARIES:
        state.update(str(toolchain.binary(name).relative_to(paths.cache_root())).encode())
    else:
        state.update(_digest(BASE).encode())
        for path in context_files(paths.REPOSITORY):
            facts = f"{path.relative_to(paths.REPOSITORY)}\0{path.stat().st_mode & 0o111}\0{path.stat().st_size}\0"
            state.update(facts.encode() + path.read_bytes())
    return state.hexdigest()[:12]


def _build_missing(archives: dict[str, Path]) -> None:
    _directory().mkdir(parents=True, exist_ok=True)
    _sweep()
    with tempfile.TemporaryDirectory(prefix=".build-", dir=_directory()) as scratch:
        store = open_store(_directory() / "store", Path(scratch))
        volumes = image_host.volumes(Path(scratch))
        for name, archive in archives.items():
            if not archive.exists():
                _build(store, name, volumes)
                store.save(tag(name), archive)
                _forget_older(name)


def _sweep() -> None:
    """Removes what killed builds have left, and all layers once there are too many; we hold the lock."""
    for leaving in _directory().glob(".build-*"):
        shutil.rmtree(leaving)
    store = _directory() / "store"
    if store.exists() and int(run(["du", "-s", "--block-size=1M", store]).split()[0]) > STORE_LIMIT:
        say(f"the image layers in {store} have grown beyond {STORE_LIMIT} MiB: building from the start")
        shutil.rmtree(store)


def _build(store: Store, name: str, volumes: list[str]) -> None:
    if name == BASE:
        image_base.build(store, tag(BASE), store.scratch, volumes)
    elif name in BINARIES:
        _build_binary(store, name)
    else:
        _build_target(store, name, volumes)


def _build_binary(store: Store, name: str) -> None:
    say(f"building the image {name}")
    container = store.buildah("from", "scratch").strip()
    store.buildah("copy", "--chmod", "0755", container, toolchain.binary(name), f"/{name}")
    store.buildah("config", "--user", USER, "--entrypoint", f'["/{name}"]', container)
    store.buildah("commit", "--rm", container, tag(name))


def _build_target(store: Store, name: str, volumes: list[str]) -> None:
    _ensure_base(store, volumes)
    say(f"building the image {name}")
    try:
        store.buildah(*_build_arguments(name, volumes), paths.REPOSITORY, timeout=BUILD_TIMEOUT)
    except ClusterError as error:
        raise ClusterError(f"target {name} of the Dockerfile does not build:\n{error}") from error


def _build_arguments(name: str, volumes: list[str]) -> list[str]:
    return [
        "build",
        *("--isolation", "chroot", "--network", "host", "--pull-never", "--layers"),
        *("--build-arg", f"BASE_IMAGE={tag(BASE)}"),
        *("--target", name, "--tag", tag(name)),
        *volumes,
    ]


def _ensure_base(store: Store, volumes: list[str]) -> None:
    """Brings the right base image into the store: from its archive, or built."""
    archive = _archive(BASE)
    current = store.root / store.driver / "narwhal-base"  # the archive the store's base image came from
    if store.has(tag(BASE)) and current.exists() and current.read_text() == archive.name:
        return
    if archive.exists():
        store.buildah("pull", f"docker-archive:{archive}", timeout=600)
    else:
        _build(store, BASE, volumes)
        store.save(tag(BASE), archive)
        _forget_older(BASE)
    current.write_text(archive.name)


def _forget_older(name: str) -> None:
    """Keeps the last few archives of an image: the cache is bounded, and one just handed to another process stays."""
    archives = sorted(_directory().glob(f"{name}-*.tar"), key=lambda archive: archive.stat().st_mtime)
    for archive in archives[:-KEPT_ARCHIVES]:
        archive.unlink()
