"""Removing what unfinished attempts of one resource left in the store, and with its deletion what it made; nothing else."""

from narwhal_operator.contract.order import DownloadOrder
from workers.common.directory import DirectoryStore
from workers.common.files import store_errors
from workers.common.store import ObjectStore
from workers.download.claim import abort_noted
from workers.download.part_file import found_checkpoint, part_paths
from workers.download.record import left_record, read_record, record_key
from workers.download.sink import Target


def sweep(store: ObjectStore, order: DownloadOrder) -> str:
    """Removes the part file or the upload under way of this resource; in words what it was. Raises WorkError.

    Finished objects stay, also those of this resource: they are what was asked for. The record of one that was about to
    appear, and never will, goes.
    """
    place, head = order.destination, order.head
    if isinstance(store, DirectoryStore):
        found = _part(store, order)
    else:
        target = Target(place.bucket, place.key, head.uid, head.work_digest, "sweep", head.attempt)
        found = "an upload under way" if abort_noted(store, target) else ""
    record = left_record(store, place.bucket, place.key)
    if record is not None and record.uid == head.uid:
        store.delete(place.bucket, [record_key(place.key)])
    return found


def _part(store: DirectoryStore, order: DownloadOrder) -> str:
    place = order.destination
    part, checkpoint = part_paths(store, place.bucket, place.key)
    with store_errors(part):
        known = found_checkpoint(checkpoint, place.key)
        if known is None or known.uid != order.head.uid:
            return ""  # nothing, or of another resource with the same key
        checkpoint.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    return f"{known.count} bytes of a part file"


def remove(store: ObjectStore, order: DownloadOrder) -> str:
    """The same, and the object that this resource made, where it is still that very one. Raises WorkError."""
    place, unfinished = order.destination, sweep(store, order)
    found = read_record(store, place.bucket, place.key)
    if found is None or found[1].uid != order.head.uid:
        return unfinished  # nothing, or an object of another resource, or of somebody else
    # The object first: killed in between, the record is one of nothing, which counts for nothing and which the next sweep takes.
    store.delete(place.bucket, [place.key])
    store.delete(place.bucket, [record_key(place.key)])
    return " and ".join(part for part in (f"{place.bucket}/{place.key}", unfinished) if part)
