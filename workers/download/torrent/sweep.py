"""Removing what unfinished attempts at torrents of one resource left in the store, and nothing else."""

from narwhal_operator.contract.order import DownloadOrder
from workers.common.store import ObjectStore
from workers.download.torrent.record import RECORD_LIMIT, Record, parse_record
from workers.download.torrent.room import Room, home_of


def sweep(store: ObjectStore, order: DownloadOrder) -> str:
    """Removes chunks, resume data, interrupted uploads and the files of an unfinished torrent; says what it was.

    A torrent that is finished stays: its files are what was asked for, and its record says so.
    """
    bucket, uid = order.destination.bucket, order.head.uid
    home = home_of(uid)
    held = {info.key: info.size for info in store.list(bucket, home)}
    gone: list[str] = []
    files = 0
    for key in [key for key in held if key.endswith("/record.json")]:
        record = parse_record(store.read(bucket, key, 0, RECORD_LIMIT))
        if record is not None and record.complete:
            del held[key]
        elif record is not None and record.uid == uid:
            files += _sweep_files(store, bucket, record)
    gone = list(held)
    store.delete(bucket, gone)
    if not gone and not files:
        return ""
    return (
        f"{len(gone)} objects of Narwhal's own ({sum(held.values())} bytes) and {files} files of an unfinished torrent"
    )


def _sweep_files(store: ObjectStore, bucket: str, record: Record) -> int:
    """Removes the objects of a record that are still those that were made, and uploads to the others; how many."""
    Room(store, bucket, record.uid, record.torrent).abort_uploads(record.keys)
    ours = [item.key for item in record.made if item.is_still(store.head(bucket, item.key))]
    store.delete(bucket, ours)
    return len(ours)
