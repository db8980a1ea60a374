"""A download from order to outcome."""

import asyncio
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

from narwhal_operator.contract.base import bytes_of, seconds_of
from narwhal_operator.contract.download import HttpSource
from narwhal_operator.contract.order import DownloadOrder
from narwhal_operator.contract.outcome import TABLE, Class, Reason, WorkError
from workers.common.context import Context, Result
from workers.common.log import log
from workers.common.store import ObjectStore
from workers.common.tls import trusting
from workers.download.checksum import wanted_digest
from workers.download.client import READ_BYTES, Client, Rules, shown
from workers.download.digest import Digests, Wanted
from workers.download.headers import read_headers
from workers.download.known import known_artifact
from workers.download.meter import Brake
from workers.download.mirrors import fetch_any
from workers.download.netguard import Policy
from workers.download.publish import publish
from workers.download.sink import Sink, Target, open_sink
from workers.download.sweep import remove, sweep
from workers.download.transfer import Demand, Transfer

REPORT_SECONDS: Final = 0.25
LEAST_READ_BYTES: Final = 4096
LANE_BYTES: Final = 256 * 1024
"""Bytes a second of a bandwidth limit that are worth a connection of their own."""


async def run(order: DownloadOrder, context: Context) -> Result:
    """Carries out the order. Raises WorkError."""
    place = order.destination
    store = await asyncio.to_thread(context.open_store, place.store)
    await asyncio.to_thread(store.check_bucket, place.bucket)
    if order.spec.source.torrent is not None:
        from workers.download.torrent.fetch import fetch  # late: no other download needs any of it

        return await fetch(order, order.spec.source.torrent, context, store)
    if order.head.task == "Sweep":
        removed = await asyncio.to_thread(remove if order.remove_output else sweep, store, order)
        return Result(message=f"Removed {removed}." if removed else "There was nothing to remove.")
    source = order.spec.source.http
    if source is None:
        raise WorkError(
            Reason.NOT_SUPPORTED,
            "The order names no source this worker fetches; use spec.source.http or spec.source.torrent.",
        )
    context.report(phase="Connecting")
    async with Client(_rules(order, source), context.metrics) as client:
        wanted = await wanted_digest(client, order.spec.checksum, source.urls, place.key)
        artifact = await known_artifact(client, store, order, wanted)
        if artifact is not None:
            return Result(message=f"{store.url(place.bucket, place.key)} is there already.", artifact=artifact)
        return await _Download(order, context, store, client, wanted).run(source)


def connections(order: DownloadOrder) -> int:
    """The most connections to a source at once: under the spec's number, the admin's, and what a limit can feed."""
    limit = order.spec.bandwidth_limit
    fed = order.spec.connections if limit is None else max(1, bytes_of(limit) // LANE_BYTES)
    return min(order.spec.connections, order.connections_per_host, fed)


def _rules(order: DownloadOrder, source: HttpSource) -> Rules:
    """What the client may do, from the order and the files it names. Raises WorkError."""
    spec = order.spec
    headers = {}
    if source.headers_from is not None:
        headers = dict(read_headers(Path(order.headers or "/nonexistent"), source.headers_from.secret_ref.name))
    authorities = None
    if source.ca_bundle_from is not None:
        authorities = _authorities(order.ca_bundle, source.ca_bundle_from.config_map_ref.name)
    limit = bytes_of(spec.bandwidth_limit) if spec.bandwidth_limit is not None else None
    lanes = connections(order)
    return Rules(
        policy=Policy.of(order.allowed_networks, order.allowed_hosts),
        headers=headers,
        authorities=authorities,
        stall_seconds=seconds_of(spec.stall_timeout),
        read_bytes=READ_BYTES if limit is None else max(LEAST_READ_BYTES, min(READ_BYTES, limit // (4 * lanes))),
        proxy=order.proxy,
        connections=lanes,
    )


def _authorities(path: str | None, name: str) -> str:
    try:
        text = Path(path or "/nonexistent").read_text(encoding="utf-8")
        trusting(text)
    except (OSError, ValueError):  # UnicodeDecodeError is a ValueError
        raise WorkError(
            Reason.CONFIG_MAP_NOT_FOUND,
            f"The ConfigMap {name} does not exist or has no PEM certificate under ca.crt; create or correct it.",
        ) from None
    return text


class _Download:
    """One order on its way: the transfer, its reports, and what is left of it however it ends."""

    def __init__(
        self, order: DownloadOrder, context: Context, store: ObjectStore, client: Client, wanted: Wanted | None
    ) -> None:
        self._order = order
        self._context = context
        self._store = store
        self._client = client
        self._wanted = wanted
        head, place = order.head, order.destination
        self._target = Target(place.bucket, place.key, head.uid, head.work_digest, uuid.uuid4().hex, head.attempt)

    async def run(self, source: HttpSource) -> Result:
        """Fetches, verifies, makes the object appear. Raises WorkError."""
        sink = await asyncio.to_thread(open_sink, self._store, self._target, Digests(self._wanted))
        transfer = self._transfer(sink)
        reports = asyncio.create_task(self._report(transfer))
        try:
            await transfer.call(sink.resume)
            url = await fetch_any(transfer, source.urls)
            self._context.report(phase="Verifying")
            artifact = await transfer.call(publish, self._store, sink)
        except BaseException as error:
            await self._leave(transfer, error)
            raise
        finally:
            reports.cancel()
            self._tell(transfer)
        return Result(message=f"{shown(url)} is {self._store.url(artifact.bucket, artifact.key)}.", artifact=artifact)

    def _transfer(self, sink: Sink) -> Transfer:
        spec = self._order.spec
        return Transfer(
            client=self._client,
            sink=sink,
            demand=Demand(
                key=self._target.key,
                max_bytes=None if spec.max_bytes is None else bytes_of(spec.max_bytes),
                proven=self._wanted is not None,
                media=spec.expect == "Media",
                connections=connections(self._order),
            ),
            brake=Brake(None if spec.bandwidth_limit is None else bytes_of(spec.bandwidth_limit)),
            metrics=self._context.metrics,
        )

    async def _report(self, transfer: Transfer) -> None:
        while True:
            self._tell(transfer)
            await asyncio.sleep(REPORT_SECONDS)

    def _tell(self, transfer: Transfer) -> None:
        transfer.meter.done = transfer.sink.have
        phase = "Downloading" if transfer.meter.connections else None
        self._context.report(phase=phase, download=transfer.meter.progress(time.monotonic()))

    async def _leave(self, transfer: Transfer, error: BaseException) -> None:
        """Keeps what the next attempt can go on from; a source that is wrong leaves nothing."""
        wrong = isinstance(error, WorkError) and TABLE[error.reason].cls is Class.TERMINAL
        with suppress(WorkError):  # what the sink's thread failed with is what ended the transfer
            await transfer.settle()
        try:
            await asyncio.to_thread(transfer.sink.remove if wrong else transfer.sink.keep)
        except WorkError as second:
            log("warning", "what was fetched could not be tidied up", reason=second.reason.value)
