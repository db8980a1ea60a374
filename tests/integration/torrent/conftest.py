"""What the torrent tests share: a tracker, content, and each sort of store."""

import asyncio
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest

from narwhal_operator.contract.order import DirectoryStore, DownloadOrder, S3Store
from narwhal_operator.contract.report import WorkerReport
from tests.support.downloads import make_order
from tests.support.origin import Origin
from tests.support.seaweed import S3Server
from tests.support.swarm import Torrent, Tracker
from workers.common.context import Context, Result
from workers.common.store import ObjectStore, open_store
from workers.download.run import run


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    """A tracker without peers."""
    with Tracker() as server:
        yield server


@dataclass(frozen=True, slots=True)
class Place:
    """A store and an empty bucket in it."""

    store: DirectoryStore | S3Store
    bucket: str

    def open(self) -> ObjectStore:
        """The store itself."""
        return open_store(self.store)

    def order(self, source: dict[str, Any], *, key: str = "films/x", **more: Any) -> DownloadOrder:
        """An order to fetch a torrent into the bucket; stalls end soon."""
        torrent = {"stallTimeout": "20s", **source}
        return make_order([], self.store, bucket=self.bucket, key=key, source={"torrent": torrent}, **more)

    def objects(self) -> dict[str, bytes]:
        """All objects that a reader of the bucket sees, Narwhal's own corner left out."""
        store = self.open()
        keys = [item.key for item in store.list(self.bucket, "") if not item.key.startswith(".narwhal/")]
        return {key: store.read(self.bucket, key) for key in keys}

    def own(self) -> list[str]:
        """Names of what Narwhal keeps of torrents in the bucket, without the prefix of its resource."""
        keys = [item.key for item in self.open().list(self.bucket, ".narwhal/torrents/")]
        return sorted(key.split("/", 4)[4] for key in keys)


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


def content(seed: int, size: int) -> bytes:
    """Bytes that do not compress, the same in each run."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - the same bytes in each run


async def watched(order: DownloadOrder, scratch: Path) -> tuple[Result, list[WorkerReport]]:
    """The result of an order in this process, and each report that differed from the one before."""
    context = Context(scratch, WorkerReport(kind="DownloadJob", uid=order.head.uid, attempt=1, phase="Starting"))
    reports = [context.current]
    work = asyncio.create_task(run(order, context))
    while not work.done():
        await asyncio.wait({work}, timeout=0.02)
        if reports[-1] != context.current:
            reports.append(context.current)
    return work.result(), reports[1:]


@contextmanager
def joined(torrent: Torrent) -> Iterator[Callable[..., str]]:
    """Serves the .torrent file: given trackers, with these in place of its own."""
    with Origin() as origin:

        def url(*trackers: str) -> str:
            data = torrent.data
            if trackers:
                whole: Any = lt.bdecode(data)
                data = lt.bencode({**whole, b"announce-list": [[tracker.encode()] for tracker in trackers]})
            return origin.serve("/a.torrent", lambda exchange: exchange.respond("200 OK", data))

        yield url
