"""Whether the object is there already: then nothing is fetched."""

import asyncio
from dataclasses import replace

from narwhal_operator.contract.download import Artifact
from narwhal_operator.contract.naming import digest_of
from narwhal_operator.contract.order import DownloadOrder
from narwhal_operator.contract.outcome import WorkError
from workers.common.log import log
from workers.common.store import ObjectStore
from workers.download.client import Client
from workers.download.digest import Wanted
from workers.download.probe import media_facts
from workers.download.record import Record, read_record, write_record
from workers.download.sweep import sweep


async def known_artifact(
    client: Client, store: ObjectStore, order: DownloadOrder, wanted: Wanted | None
) -> Artifact | None:
    """The artifact if the object in the store is what the order asks for. Raises WorkError of the store.

    It is when an earlier attempt at this very work made it (its pod was lost before it could tell), when its digest
    is the one the spec wants, or when the source says that it has not changed since.
    """
    place = order.destination
    found = await asyncio.to_thread(read_record, store, place.bucket, place.key)
    if found is None:
        return None
    record = found[1]
    own = (record.uid, record.work) == (order.head.uid, order.head.work_digest) and order.head.attempt > 1
    if own or _same_digest(record, wanted) or (wanted is None and await _unchanged(client, order, record)):
        await asyncio.to_thread(sweep, store, order)  # a process killed right after the object appeared left its note
        if record.uid != order.head.uid:  # who asked for it last, it goes with
            taken = replace(record, uid=order.head.uid, work=order.head.work_digest)
            await asyncio.to_thread(write_record, store, place, taken)
        return Artifact(
            bucket=place.bucket,
            key=place.key,
            size=record.size,
            sha256=record.digests["sha256"],
            content_type=record.content_type,
            media=await asyncio.to_thread(media_facts, store, place.bucket, place.key, record.size),
        )
    return None


def _same_digest(record: Record, wanted: Wanted | None) -> bool:
    return wanted is not None and record.digests.get(wanted.algorithm) == wanted.value


async def _unchanged(client: Client, order: DownloadOrder, record: Record) -> bool:
    """Whether the source answers 304 to the strong ETag the object was fetched with (RFC 9110 section 13.1.2)."""
    source = order.spec.source.http
    etag = record.source.etag
    url = next((url for url in source.urls if digest_of(url, 64) == record.source.url), None) if source else None
    if url is None or etag is None:
        return False
    try:
        async with client.request(url, {"If-None-Match": etag}, method="HEAD") as answer:
            return answer.status == 304
    except WorkError as error:
        log("info", "the source does not say whether it changed", reason=error.reason.value)
        return False
