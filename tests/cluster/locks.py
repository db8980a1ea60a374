"""One at a time, across processes: advisory locks that end with their holder, even when it is killed."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster import paths
from tests.cluster.privilege import give_to_user
from tests.cluster.shell import say


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Holds the lock `name` of the cache; says so when it has to wait for another holder."""
    directory = paths.cache_root() / "locks"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    with path.open("a") as handle:
        give_to_user(path)  # else a lock once held as root could not be held by its user again
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that holds {name}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
