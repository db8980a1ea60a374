"""The end of a download: the record, then the object, then what can be told of it."""

from narwhal_operator.contract.download import Artifact
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.store import ObjectStore
from workers.download.probe import media_facts
from workers.download.record import Record, write_record
from workers.download.sink import Sink


def publish(store: ObjectStore, sink: Sink) -> Artifact:
    """Writes the record, then makes the object appear: a kill between leaves a record of nothing, which is none.

    The record names the transfer that the object will carry: of a resumed upload the one that started it.
    """
    source, target = sink.source, sink.target
    if source is None:
        raise WorkError(Reason.INTERNAL_ERROR, "A download ended without a source; please report it.")
    digests, size = sink.digests.values(), sink.have
    record = Record(target.transfer, target.uid, target.work, size, digests, sink.content_type, source)
    sink.seal()
    write_record(store, target, record)
    sink.finish()
    return Artifact(
        bucket=target.bucket,
        key=target.key,
        size=size,
        sha256=digests["sha256"],
        content_type=sink.content_type,
        media=media_facts(store, target.bucket, target.key, size),
    )
