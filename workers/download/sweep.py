"""Removing what unfinished attempts of one resource left in the store, and nothing else."""

from narwhal_operator.contract.order import DownloadOrder
from workers.common.directory import DirectoryStore
from workers.common.files import store_errors
from workers.common.store import ObjectStore
from workers.download.claim import abort_noted
from workers.download.part_file import found_checkpoint, part_paths
from workers.download.sink import Target


def sweep(store: ObjectStore, order: DownloadOrder) -> str:
    """Removes the part file or the upload under way of this resource; in words what it was. Raises WorkError.

    Finished objects stay, also those of this resource: they are what was asked for.
    """
    place, uid = order.destination, order.head.uid
    if isinstance(store, DirectoryStore):
        part, checkpoint = part_paths(store, place.bucket, place.key)
        with store_errors(part):
            known = found_checkpoint(checkpoint, place.key)
            if known is None or known.uid != uid:
                return ""  # nothing, or of another resource with the same key
            checkpoint.unlink(missing_ok=True)
            part.unlink(missing_ok=True)
        return f"{known.count} bytes of a part file"
    target = Target(place.bucket, place.key, uid, order.head.work_digest, "sweep", order.head.attempt)
    return "an upload under way" if abort_noted(store, target) else ""
