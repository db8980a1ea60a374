"""What the operator costs where many resources have ended and some run: memory, CPU, and how old a shown status is.

An API server, the Job controller, the scheduler, and nodes of kwok (bench/control_nodes.py), where pods run and nobody works: this
process answers for their workers when the operator asks for their progress.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from bench.control_burst import AT_ONCE, session_of
from narwhal_operator.contract.common import resource
from narwhal_operator.contract.transcode import TranscodingJobSpec
from narwhal_operator.core import labels
from narwhal_operator.core.case import work_of
from narwhal_operator.kube.client import Client, configuration
from narwhal_operator.kube.paths import collection, named
from tests.integration.operator.plane import Operator

KIND: Final = "TranscodingJob"
NAMESPACE: Final = "default"
SECONDS: Final = 300.0
SETTLE: Final = 20.0
"""Seconds a new operator has to come to rest before it is measured."""
WINDOW: Final = 60.0
"""Seconds it is measured for."""
BUSY: Final = 40.0
"""Seconds it is measured for while work runs."""
RESYNC: Final = 65.0
"""Seconds between the operator's slow looks at everything: after SETTLE, the first half of a window holds none, the second one."""
USUAL_RESYNC: Final = 600.0
"""Seconds between them as it comes."""
TICKS: Final = os.sysconf("SC_CLK_TCK")
RUNNING: Final = 200
RUNS: Final = "runs"
"""The label of what runs: beside how many that have ended."""
LOOK: Final = 0.5
"""Seconds between looks at what becomes of it."""
STARTED: Final = "2026-01-01T00:00:00Z"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Use:
    """What a process took while it was looked at."""

    rss: float  # bytes, at most
    cpu: float  # of one core


@dataclass(frozen=True, slots=True)
class Size:
    """What was seen beside so many that have ended."""

    idle: Use
    busy: Use
    kwok: float  # of one core, while it was busy
    start: float  # seconds from the first request until all that run show progress
    ages: list[float]  # seconds, sorted

    def age(self, share: float) -> float:
        """The age that this share of what is shown does not exceed."""
        return self.ages[max(0, int(share * len(self.ages)) - 1)]


@asynccontextmanager
async def asked(kubeconfig: Path) -> AsyncIterator[Client]:
    """The API server, as the administrator."""
    client = Client(await configuration(AT_ONCE, str(kubeconfig)))
    try:
        yield client
    finally:
        await client.close()


async def at_once(work: list[Coroutine[Any, Any, None]]) -> None:
    """All of it, AT_ONCE at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(item: Coroutine[Any, Any, None]) -> None:
        async with gate:
            await item

    await asyncio.gather(*(one(item) for item in work))


def spec_of(number: int) -> Json:
    """What a user wrote."""
    return {
        "input": {"s3": {"bucket": "media", "key": f"sources/{number}.mp4"}},
        "output": {"bucket": "media", "prefix": f"vod/{number}"},
    }


async def add_finished(client: Client, numbers: range) -> None:
    """TranscodingJobs that are Complete. No operator may run meanwhile: it would start them."""

    async def add(number: int) -> None:
        name, spec = f"ended-{number}", spec_of(number)
        made = await client.create(collection(KIND, NAMESPACE), resource(KIND, name, NAMESPACE, spec))
        body = {**resource(KIND, name, NAMESPACE, spec), "status": ended(spec)}
        body["metadata"] |= {"resourceVersion": made["metadata"]["resourceVersion"]}
        await client.replace(f"{named(KIND, NAMESPACE, name)}/status", body)

    await at_once([add(number) for number in numbers])


def ended(spec: Json) -> Json:
    """The status of a title of four rungs that is published."""
    digest = work_of(TranscodingJobSpec.from_wire(spec))
    words = {"Complete": ("True", "Published"), "Failed": ("False", "Published"), "Ready": ("True", "Published")}
    conditions = [
        {"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": STARTED}
        for kind, (status, reason) in words.items()
    ]
    rungs = [
        {"name": name, "width": height * 16 // 9, "height": height, "codec": "h264", "codecString": "avc1.640028"}
        | {"maxBitrate": height * 4000, "frameRate": "24/1", "crf": 21, "bandwidth": height * 3900}
        for name, height in (("1080p", 1080), ("720p", 720), ("480p", 480), ("360p", 360))
    ]
    return {
        "observedGeneration": 1,
        "phase": "Complete",
        "conditions": conditions,
        "workDigest": digest,
        "startedAt": STARTED,
        "finishedAt": STARTED,
        "plan": {"width": 1920, "height": 1080, "frameRate": "24/1", "durationSeconds": 30.0, "frames": 720}
        | {"videoCodec": "h264", "segments": 8, "segmentSeconds": 4.0, "rungs": rungs, "notes": ["a note"] * 4},
        "progress": {"percent": 100, "segmentsDone": 40, "segmentsTotal": 40},
    }


@dataclass(slots=True)
class Workers:
    """Titles that run, on nodes where nobody works: answers for each of their pods, at its address, on one port."""

    client: Client
    label: str
    count: int
    port: int
    _orders: dict[str, Json] = field(default_factory=dict)  # head of the order, by address
    shown: dict[str, int] = field(
        default_factory=dict
    )  # resource -> the moment its status shows, in milliseconds of the monotonic clock

    async def start(self) -> float:
        """As many TranscodingJobs; the seconds until the status of each shows what its worker says."""
        began = time.monotonic()
        await at_once([self._apply(f"{self.label}-{number}", spec_of(number)) for number in range(self.count)])
        while len(self._orders) < self.count or len(self.shown) < self.count:
            if time.monotonic() - began > SECONDS:
                raise SystemExit(f"{len(self._orders)} of {self.count} run, {len(self.shown)} show progress")
            await self._meet()
            await asyncio.sleep(LOOK)
        return time.monotonic() - began

    async def _apply(self, name: str, spec: Json) -> None:
        body = resource(KIND, name, NAMESPACE, spec)
        body["metadata"]["labels"] = {RUNS: self.label}
        await self.client.create(collection(KIND, NAMESPACE), body)

    async def _meet(self) -> None:
        """Learn whose pods are where."""
        if len(self._orders) < self.count:
            for pod in (await self.client.get(collection("Pod", NAMESPACE)))["items"]:
                address = pod["status"].get("podIP")
                if address and "deletionTimestamp" not in pod["metadata"]:
                    self._orders[address] = json.loads(pod["metadata"]["annotations"][labels.ORDER])["head"]

    async def remove(self) -> None:
        """Takes them away; returns when no pod is left. No operator may run meanwhile: it would sweep their places in the store."""
        await at_once([self._forget(named(KIND, NAMESPACE, f"{self.label}-{number}")) for number in range(self.count)])
        began = time.monotonic()
        while pods := (await self.client.get(collection("Pod", NAMESPACE), {"limit": "1"}))["items"]:
            if time.monotonic() - began > SECONDS:
                raise SystemExit(f"pod {pods[0]['metadata']['name']} does not go")
            await asyncio.sleep(LOOK)

    async def _forget(self, path: str) -> None:
        await self.client.patch(path, {"metadata": {"finalizers": None}})
        await self.client.delete(path, {"propagationPolicy": "Background"})

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """`GET /progress` of every worker: how many segments are done is the moment it is asked."""
        app = web.Application()
        app.router.add_get("/progress", self._progress)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", self.port).start()  # noqa: S104 - every address of the loopback
        try:
            yield
        finally:
            await runner.cleanup()

    async def _progress(self, request: web.Request) -> web.Response:
        address, _ = request.get_extra_info("sockname")
        head = self._orders.get(address)
        if head is None:
            raise web.HTTPServiceUnavailable  # it is asked before we have met its pod
        progress = {"percent": 50, "segmentsDone": milliseconds(), "segmentsTotal": 10**12, "speed": 1.9}
        report = {"kind": KIND, "uid": head["uid"], "attempt": head["attempt"], "phase": "Encoding"}
        return web.json_response(report | {"transcode": progress})

    async def watch(self, kubeconfig: Path) -> None:
        """Notes what the status of each shows, as it changes."""
        session, host = await session_of(kubeconfig)
        query = f"watch=1&timeoutSeconds=3600&labelSelector={RUNS}%3D{self.label}"
        async with session:
            while True:  # the API server ends the watch of one who reads too slowly; the next tells of all again
                async with session.get(f"{host}{collection(KIND, NAMESPACE)}?{query}") as answer:
                    async for line in answer.content:
                        changed = json.loads(line)["object"]
                        moment = changed.get("status", {}).get("progress", {}).get("segmentsDone", 0)
                        if moment:
                            self.shown[changed["metadata"]["name"]] = moment

    async def ages(self, seconds: float) -> list[float]:
        """How old what each status shows is, in seconds, seen ten times a second for as long."""
        found: list[float] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found += [(milliseconds() - moment) / 1000 for moment in self.shown.values()]
            await asyncio.sleep(0.1)
        return sorted(found)


def milliseconds() -> int:
    """The monotonic clock."""
    return int(time.monotonic() * 1000)


async def use(pid: int, seconds: float) -> Use:
    """What a process takes in the next seconds."""
    began, cpu = time.monotonic(), cpu_of(pid)
    peak = 0.0
    while time.monotonic() - began < seconds:
        peak = max(peak, rss_of(pid))
        await asyncio.sleep(0.5)
    return Use(peak, (cpu_of(pid) - cpu) / (time.monotonic() - began))


def cpu_of(pid: int) -> float:
    """CPU seconds a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_of(pid: int) -> float:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_of(pid: int) -> float:
    """Resident bytes of a process, at most since its start."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


async def grown(kubeconfig: Path, operator: Operator, kwok: int, port: int, sizes: tuple[int, ...]) -> list[Size]:
    """What the operator takes beside so many resources that have ended: at rest, and while RUNNING more run. It is stopped in the end."""
    found: list[Size] = []
    there = 0
    operator.stop()
    async with asked(kubeconfig) as client:
        for size in sizes:
            await add_finished(client, range(there, size))
            there = size
            operator.start()  # in this thread: it ends with the thread that started it
            await asyncio.sleep(SETTLE)
            idle = await at_rest(operator.pid)
            print(f"{size} ended: at most {idle.rss / 1e6:.0f} MB, {idle.cpu:.2%} of a core", flush=True)
            workers = Workers(client, f"of-{size}", RUNNING, port)
            found.append(await busy(kubeconfig, workers, (operator.pid, kwok), idle))
            operator.stop()
            await workers.remove()
    return found


async def at_rest(pid: int) -> Use:
    """What it takes with the slow look as often as it comes: seen half a window without one, and half with one."""
    without = await use(pid, WINDOW / 2)
    look = (await use(pid, WINDOW / 2)).cpu - without.cpu
    return Use(peak_of(pid), without.cpu + max(0.0, look) * WINDOW / 2 / USUAL_RESYNC)


async def busy(kubeconfig: Path, workers: Workers, pids: tuple[int, int], idle: Use) -> Size:
    """How old the statuses of the running ones are, and what operator and kwok take for them."""
    operator, kwok = pids
    async with workers.answering():
        watch = asyncio.create_task(workers.watch(kubeconfig))
        took = await workers.start()
        await asyncio.sleep(SETTLE / 2)
        ages, ours, theirs = await asyncio.gather(workers.ages(BUSY), use(operator, BUSY), use(kwok, BUSY))
        watch.cancel()
    size = Size(idle, replace(ours, rss=peak_of(operator)), theirs.cpu, took, ages)
    print(f"{workers.count} running: {took:.1f} s until all show progress, its age p50 {size.age(0.5):.1f} s,", end=" ")
    print(f"p99 {size.age(0.99):.1f} s; at most {size.busy.rss / 1e6:.0f} MB, {ours.cpu:.1%} of a core", end=" ")
    print(f"(kwok {theirs.cpu:.1%})", flush=True)
    return size
