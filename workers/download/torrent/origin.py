"""What the spec's source says, before the swarm is asked: a magnet link or a .torrent file, parsed and judged."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from narwhal_operator.contract.download import TorrentSource
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.store import ObjectStore
from workers.download.client import Client, read_small, shown
from workers.download.retry import insist
from workers.download.rules import status_error
from workers.download.torrent.addresses import Places
from workers.download.torrent.library import lt
from workers.download.torrent.names import Slot, TorrentFile, judged_files

TORRENT_LIMIT: Final = 10_000_000
"""Bytes of a .torrent file, and of the metadata a magnet link's peers send: what libtorrent takes, 500,000 pieces."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A torrent as the source names it. `name` is its info hash, hex: of version 1 where it has one."""

    name: str
    places: Places
    magnet: str | None = None
    torrent: bytes | None = None

    def params(self) -> "lt.add_torrent_params":
        """New parameters to add it with; libtorrent changes what it is given."""
        if self.torrent is not None:
            return lt.load_torrent_buffer(self.torrent)
        return lt.parse_magnet_uri(self.magnet or "")

    def is_named(self, hashes: "lt.info_hash_t") -> bool:
        """Whether these are this torrent's hashes: a link may name one of version 1 and 2 by either."""
        return self.name in {str(hashes.v1), str(hashes.v2)}


async def open_origin(client: Client, source: TorrentSource) -> Origin:
    """The torrent of a link or a URL, whose .torrent file is fetched. Raises WorkError(TorrentInvalid | Source*)."""
    if source.magnet is not None:
        return of_magnet(source.magnet)
    url = source.url or ""
    return of_torrent(await insist(partial(_fetched, client, url)), shown(url))


def of_object(store: ObjectStore, bucket: str, key: str) -> Origin:
    """The torrent of a .torrent file in a store. Raises WorkError(InputNotFound | TorrentInvalid | Store*)."""
    where = store.url(bucket, key)
    store.check_bucket(bucket)
    found = store.head(bucket, key)
    if found is None:
        raise WorkError(
            Reason.INPUT_NOT_FOUND,
            f"{where} (spec.source.torrent.object) does not exist; upload the .torrent file, or correct the key.",
        )
    if not 0 < found.size <= TORRENT_LIMIT:
        raise WorkError(
            Reason.TORRENT_INVALID, f"{where} has {found.size} bytes; a .torrent file has 1 to {TORRENT_LIMIT}."
        )
    return of_torrent(store.read(bucket, key, 0, found.size), where)


def of_magnet(link: str) -> Origin:
    """The torrent of a magnet link (BEP 9). Raises WorkError(TorrentInvalid)."""
    try:
        params = lt.parse_magnet_uri(link)
    except RuntimeError as error:
        raise WorkError(
            Reason.TORRENT_INVALID, f"spec.source.torrent.magnet is malformed ({error}); copy it anew."
        ) from None
    return Origin(info_name(params.info_hashes), _places(params), magnet=link)


def of_torrent(data: bytes, where: str) -> Origin:
    """The torrent of a .torrent file (BEP 3, BEP 52). Raises WorkError(TorrentInvalid)."""
    try:
        params = lt.load_torrent_buffer(data)
    except RuntimeError as error:
        raise WorkError(Reason.TORRENT_INVALID, f"{where} is no .torrent file ({error}); name another.") from None
    return Origin(info_name(params.info_hashes), _places(params), torrent=data)


def info_name(hashes: "lt.info_hash_t") -> str:
    """The info hash in hex: that of version 1 where there is one, so that a magnet link and its file agree."""
    return str(hashes.v1 if hashes.has_v1() else hashes.v2)


def files_of(info: "lt.torrent_info") -> tuple[TorrentFile, ...]:
    """The files of a torrent, its names judged. Raises WorkError(TorrentUnsafe | TorrentInvalid | NotSupported)."""
    layout = info.layout()
    slots = [
        Slot(
            index,
            layout.file_offset(index),
            layout.file_size(index),
            pad=bool(layout.file_flags(index) & lt.file_storage.flag_pad_file),
        )
        for index in range(info.num_files())
    ]
    if info.ssl_cert():
        raise WorkError(Reason.NOT_SUPPORTED, "The torrent wants certificates of its peers; use one without.")
    try:
        raw: Any = lt.bdecode(info.info_section())
    except RuntimeError as error:
        raise WorkError(Reason.TORRENT_INVALID, f"The torrent's list of files cannot be read ({error}).") from None
    return judged_files(raw, slots)


def _places(params: "lt.add_torrent_params") -> Places:
    tiers = [*params.tracker_tiers, *([0] * len(params.trackers))]
    return Places(
        trackers=tuple(dict.fromkeys(zip(tiers, params.trackers, strict=False))),
        web_seeds=tuple(dict.fromkeys(params.url_seeds)),
        peers=tuple(params.peers),
    )


async def _fetched(client: Client, url: str) -> bytes:
    async with client.request(url) as answer:
        if answer.status != 200:
            raise status_error(answer.where, answer.status, answer.headers)
        return await read_small(answer, TORRENT_LIMIT)
