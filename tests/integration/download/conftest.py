"""What the download tests share: an origin, a store of each sort, no long pauses between tries."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from narwhal_operator.contract.order import DirectoryStore, S3Store
from tests.support.origin import Origin
from tests.support.seaweed import S3Server
from workers.common.store import ObjectStore, open_store
from workers.download import engine, fetch, ramp, retry, spans


@pytest.fixture
def origin() -> Iterator[Origin]:
    """An HTTP origin without routes."""
    with Origin() as server:
        yield server


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.01)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """All connections at once, however fast the first is, and chunks of which a small file has many."""
    monkeypatch.setattr(engine, "FIRST_TICK_SECONDS", 0.0)
    monkeypatch.setattr(engine, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(ramp, "GROWTH", 64)
    monkeypatch.setattr(ramp, "BUSY", 1000.0)
    monkeypatch.setattr(fetch, "FIRST_BYTES", 128 * 1024)
    monkeypatch.setattr(spans, "CHUNK_LEAST", 64 * 1024)
    monkeypatch.setattr(spans, "CHUNK_MOST", 64 * 1024)
    for module in (spans, engine):
        monkeypatch.setattr(module, "LEAST_BYTES", 16 * 1024)


@dataclass(frozen=True, slots=True)
class Place:
    """A store and an empty bucket in it."""

    store: DirectoryStore | S3Store
    bucket: str

    def open(self) -> ObjectStore:
        """The store itself."""
        return open_store(self.store)

    def objects(self) -> dict[str, bytes]:
        """All objects that a reader of the bucket sees, Narwhal's own corner left out."""
        store = self.open()
        keys = [item.key for item in store.list(self.bucket, "") if not item.key.startswith(".narwhal/")]
        return {key: store.read(self.bucket, key) for key in keys}

    def leftovers(self) -> list[str]:
        """Uploads and part files under way."""
        store = self.open()
        found = [item.upload_id for item in store.list_uploads(self.bucket, "")]
        if isinstance(self.store, DirectoryStore):
            corner = Path(self.store.root) / self.bucket / ".narwhal"
            found += [str(path) for name in ("partial", "tmp", "uploads") for path in (corner / name).glob("**/*")]
        else:
            found += [item.key for item in store.list(self.bucket, ".narwhal/uploads/")]
        return found


@pytest.fixture
def directory(tmp_path: Path) -> Place:
    """A directory store."""
    return Place(DirectoryStore(root=str(tmp_path / "store")), "media")


@pytest.fixture(params=["directory", "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each sort of store."""
    if request.param == "directory":
        found: Place = request.getfixturevalue("directory")
        return found
    server: S3Server = request.getfixturevalue("s3")
    return Place(server.secret(), server.bucket(f"b-{uuid.uuid4().hex[:12]}"))
