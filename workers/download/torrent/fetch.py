"""The way in: a torrent source from order to outcome, and the sweep of what unfinished attempts left."""

import asyncio
from collections.abc import Sequence
from threading import Event

from narwhal_operator.contract.base import seconds_of
from narwhal_operator.contract.download import Artifact, DownloadProgress, TorrentSource
from narwhal_operator.contract.order import DownloadOrder
from workers.common.context import Context, Result
from workers.common.store import ObjectStore
from workers.download.checksum import wanted_digest
from workers.download.client import Client, Rules
from workers.download.netguard import Policy
from workers.download.probe import media_facts
from workers.download.torrent.addresses import Places, judged_places
from workers.download.torrent.engine import Engine, Job
from workers.download.torrent.keep import open_keep
from workers.download.torrent.library import require
from workers.download.torrent.origin import Origin, of_object, open_origin
from workers.download.torrent.record import Made, artifact_of, choice_of
from workers.download.torrent.room import Room
from workers.download.torrent.sweep import sweep

HTTP_STALL_SECONDS = 60.0
"""Longest silence of the server that a .torrent or checksum file comes from."""


async def fetch(order: DownloadOrder, source: TorrentSource, context: Context, store: ObjectStore) -> Result:
    """Carries out a download order whose source is a torrent; the bucket was checked. Raises WorkError."""
    if order.head.task == "Sweep":
        removed = await asyncio.to_thread(sweep, store, order)
        return Result(message=f"Removed {removed}." if removed else "There was nothing to remove.")
    require()
    context.report(phase="Connecting")
    policy = Policy.of(order.allowed_networks, order.allowed_hosts)
    stall_seconds = min(HTTP_STALL_SECONDS, seconds_of(source.stall_timeout))
    rules = Rules(policy=policy, stall_seconds=stall_seconds, proxy=order.proxy)
    async with Client(rules) as client:
        wanted = await wanted_digest(client, order.spec.checksum, (), order.destination.key)
        file = order.torrent_file
        if file is None:
            origin = await open_origin(client, source)
        else:
            kept = await asyncio.to_thread(context.open_store, file.store)
            origin = await asyncio.to_thread(of_object, kept, file.bucket, file.key)
    room = Room(store, order.destination.bucket, order.head.uid, origin.name)
    known = await asyncio.to_thread(_known, room, order, origin)
    if known is not None:
        return Result(
            message="All objects of the torrent are there already.", artifact=await _looked_into(store, known)
        )
    places = await judged_places(origin.places, policy, discovery=order.peer_discovery and order.proxy is None)

    def tell(phase: str, progress: DownloadProgress | None) -> None:
        context.report(phase=phase, download=progress)

    keep = await asyncio.to_thread(open_keep, store, room, context.scratch, order.scratch_bytes)
    stop = Event()
    job = Job(order, source, origin, places, policy, keep, wanted, tell, stop, context.metrics)
    made = await _run(job)
    artifact = await _looked_into(store, artifact_of(order.destination.bucket, made))
    return Result(message=_message(made, order, places), artifact=artifact)


async def _looked_into(store: ObjectStore, artifact: Artifact) -> Artifact:
    """The artifact with what its main object is."""
    media = await asyncio.to_thread(media_facts, store, artifact.bucket, artifact.key, artifact.size)
    return artifact.model_copy(update={"media": media})


async def _run(job: Job) -> tuple[Made, ...]:
    """The engine in its thread. When cancelled, gives it the time to keep what has arrived (the harness bounds it)."""
    work = asyncio.ensure_future(asyncio.to_thread(lambda: Engine(job).run()))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        job.stop.set()
        await asyncio.wait({work})
        if work.exception() is None:
            return work.result()  # it was seeding only, or at its end: all is done
        raise


def _known(room: Room, order: DownloadOrder, origin: Origin) -> Artifact | None:
    """The artifact if every object is there as it was made: an info hash names its content for ever."""
    record = room.record()
    if record is None or (record.torrent, record.choice) != (origin.name, choice_of(order)):
        return None
    made = room.made(record)
    if len(made) < len(record.files):
        return None
    return artifact_of(room.bucket, [made[entry.key] for entry in record.files])


def _message(made: Sequence[Made], order: DownloadOrder, places: Places) -> str:
    what = f"{len(made)} files of the torrent are" if len(made) > 1 else "The file of the torrent is"
    refused = f" Places that were refused: {len(places.refused)}; {places.refused[0].message}" if places.refused else ""
    return f"{what} in {order.destination.bucket}.{refused}"
