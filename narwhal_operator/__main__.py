"""`python -m narwhal_operator`: wiring, nothing else. Killed at any moment and started again, it goes on."""

import asyncio
import contextlib
import gc
import sys
from datetime import UTC, datetime

import kopf
import structlog
import uvloop

from narwhal_operator import handlers, health, logs, metrics
from narwhal_operator.admission import Admission
from narwhal_operator.core.lease import Terms
from narwhal_operator.ears import Ears
from narwhal_operator.hints import Hints
from narwhal_operator.kube.client import Api, Client, configuration
from narwhal_operator.kube.lease import LeadLostError, Lease
from narwhal_operator.kube.observe import Memory
from narwhal_operator.lead import Lead, until_one_ends
from narwhal_operator.progress import Progress
from narwhal_operator.queue import WorkQueue, work
from narwhal_operator.reconcile import Reconciler
from narwhal_operator.resync import Resync
from narwhal_operator.settings import Settings
from narwhal_operator.told import Told


async def run(settings: Settings) -> None:
    """Run until told to stop; raises what ended it otherwise."""
    client = Client(await configuration(settings.concurrency * 2))
    queue, hints = WorkQueue(), Hints()
    metrics.QUEUE_DEPTH.set_function(lambda: len(queue))
    ears = Ears(settings.watch_patience)
    admission = Admission(settings.limits(), queue)
    resync = Resync(client, queue, hints, settings.namespaces, settings.resync_period, admission, ears)
    lead = Lead()

    def ready() -> bool:
        return lead.waiting or resync.ready.is_set()

    try:
        async with health.serve(
            settings.listen_host, settings.listen_port, ready, lambda: queue.longest, lambda: ears.trouble
        ):
            await lead.work(_lease(settings, client), lambda: _work(settings, client, admission, hints, resync))
    finally:
        await client.close()


def _lease(settings: Settings, api: Api) -> Lease | None:
    if not settings.lease_namespace:
        return None
    terms = Terms(settings.identity, settings.lease_duration)
    return Lease(api, settings.lease_namespace, settings.lease_name, terms, lambda: datetime.now(UTC))


async def _work(settings: Settings, api: Api, admission: Admission, hints: Hints, resync: Resync) -> None:
    """All that an operator does, until one part of it ends."""
    queue = resync.queue
    await resync.first()
    progress, told = Progress(queue, settings.progress_port), Told()
    memory = Memory(hints.jobs, progress.report, progress.reports, told.take)
    reconciler = Reconciler(api, queue, settings.policy(), memory, lambda: datetime.now(UTC), admission, progress.seen)
    tasks = [
        *(asyncio.create_task(work(queue, reconciler.handle)) for _ in range(settings.concurrency)),
        asyncio.create_task(progress.run()),
        asyncio.create_task(resync.run()),
        asyncio.create_task(_deliver(settings, hints, resync, told)),
    ]
    await until_one_ends(tasks)


async def _deliver(settings: Settings, hints: Hints, resync: Resync, told: Told) -> None:
    """kopf, until it is told to stop by SIGTERM or SIGINT, which it handles."""
    registry, of_kopf = kopf.OperatorRegistry(), kopf.OperatorSettings()
    handlers.register(registry, hints, resync.queue, resync.ears, told)
    handlers.configure(of_kopf)
    where = {"namespaces": settings.namespaces} if settings.namespaces else {"clusterwide": True}
    await kopf.operator(registry=registry, settings=of_kopf, **where)


def main() -> int:
    """The exit code: 0 when told to stop, 1 when something of it broke; Kubernetes starts it again."""
    settings = Settings()
    logs.configure(settings.log_level, settings.log_format)
    # Requests leave few cycles and imports leave many objects that stay: with the defaults a tenth of a burst is collection.
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(run(settings))
    except LeadLostError as error:
        structlog.get_logger().error("the lead is lost; this process ends and waits again as another", error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
