"""Removing what unfinished attempts at torrents of one resource left in the store, and nothing else."""

from narwhal_operator.contract.order import DownloadOrder
from workers.common.store import ObjectStore
from workers.download.torrent.record import RECORD_LIMIT, parse_record
from workers.download.torrent.room import Room, home_of


def sweep(store: ObjectStore, order: DownloadOrder) -> str:
    """Removes chunks, resume data, interrupted uploads and the files of an unfinished torrent; says what it was.

    A torrent that is finished stays: its files are what was asked for, and its record says so. It goes as well where the
    order says that the output goes with the resource.
    """
    bucket, uid = order.destination.bucket, order.head.uid
    held = {info.key: info.size for info in store.list(bucket, home_of(uid))}
    files = 0
    for key in [key for key in held if key.endswith("/record.json")]:
        record = parse_record(store.read(bucket, key, 0, RECORD_LIMIT)) if held[key] else None
        if record is None:
            continue
        room = Room(store, bucket, uid, record.torrent)
        made = room.made(record)
        if len(made) == len(record.files) and not order.remove_output:
            del held[key]
            continue
        room.abort_uploads(order.destination.key, {entry.key for entry in record.files})
        ours = [key for key, item in made.items() if item.uid == uid]
        store.delete(bucket, ours)
        files += len(ours)
    store.delete(bucket, held)
    if not held and not files:
        return ""
    own = f"{len(held)} objects of Narwhal's own ({sum(held.values())} bytes)"
    return f"{own} and {files} files of a torrent"
