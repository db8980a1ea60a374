"""What the operator costs where many resources have ended and some run: memory, CPU, and how old a shown status is.

An API server and the Job controller; the kubelet is this process: it says that pods run, and answers as their workers.
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
RESYNC: Final = 90.0
"""Seconds between the operator's slow looks at everything: after SETTLE and one window without it, the next holds one."""
USUAL_RESYNC: Final = 600.0
"""Seconds between them as it comes."""
TICKS: Final = os.sysconf("SC_CLK_TCK")
RUNS: Final = "runs"
"""The label of what runs."""
STARTED: Final = "2026-01-01T00:00:00Z"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Use:
    """What a process took while it was looked at."""

    rss: float  # bytes, at most
    cpu: float  # of one core


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
class Kubelet:
    """Says that pods run, and answers for their workers: each at a loopback address of its own, on one port."""

    client: Client
    count: int
    port: int
    _orders: dict[str, Json] = field(default_factory=dict)  # head of the order, by address
    shown: dict[str, int] = field(
        default_factory=dict
    )  # resource -> the moment its status shows, in milliseconds of the monotonic clock

    async def start(self) -> None:
        """As many running TranscodingJobs."""
        names = [f"runs-{number}" for number in range(self.count)]
        await at_once(
            [self._apply(name, spec_of(number)) for number, name in enumerate(names)],
        )
        async with asyncio.timeout(SECONDS):
            while len(self._orders) < self.count:
                pods = await self.client.get(collection("Pod", NAMESPACE))
                new = [pod for pod in pods["items"] if not pod.get("status", {}).get("podIP")]
                await at_once([self._run(pod) for pod in new])
                await asyncio.sleep(0.2)

    async def _apply(self, name: str, spec: Json) -> None:
        body = resource(KIND, name, NAMESPACE, spec)
        body["metadata"]["labels"] = {RUNS: ""}
        await self.client.create(collection(KIND, NAMESPACE), body)

    async def _run(self, pod: Json) -> None:
        address = f"127.1.{len(self._orders) // 250}.{len(self._orders) % 250 + 1}"
        self._orders[address] = json.loads(pod["metadata"]["annotations"][labels.ORDER])["head"]
        state = {"running": {"startedAt": STARTED}}
        container = {"name": "worker", "image": "x", "imageID": "", "ready": True, "restartCount": 0, "state": state}
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "containerStatuses": [container]}
        path = f"{named('Pod', NAMESPACE, pod['metadata']['name'])}/status"
        await self.client.patch(path, {"status": status})

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """`GET /progress` of every worker: how many segments are done is the moment it is asked."""
        app = web.Application()
        app.router.add_get("/progress", self._progress)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", self.port).start()  # noqa: S104 - every address of the loopback
        try:
            yield
        finally:
            await runner.cleanup()

    async def _progress(self, request: web.Request) -> web.Response:
        address, _ = request.get_extra_info("sockname")
        head = self._orders[address]
        progress = {"percent": 50, "segmentsDone": milliseconds(), "segmentsTotal": 10**12, "speed": 1.9}
        report = {"kind": KIND, "uid": head["uid"], "attempt": head["attempt"], "phase": "Encoding"}
        return web.json_response(report | {"transcode": progress})

    async def watch(self, kubeconfig: Path) -> None:
        """Notes what the status of each shows, as it changes."""
        session, host = await session_of(kubeconfig)
        query = f"watch=1&timeoutSeconds=3600&labelSelector={RUNS}"
        async with session, session.get(f"{host}{collection(KIND, NAMESPACE)}?{query}") as answer:
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


async def idle(kubeconfig: Path, operator: Operator, sizes: tuple[int, ...]) -> dict[int, Use]:
    """What the operator takes beside so many resources that have ended."""
    found: dict[int, Use] = {}
    there = 0
    async with asked(kubeconfig) as client:
        for size in sizes:
            operator.stop()
            await add_finished(client, range(there, size))
            there = size
            operator.start()  # in this thread: it ends with the thread that started it
            await asyncio.sleep(SETTLE)
            found[size] = await at_rest(operator.pid)
            print(f"{size} ended: at most {found[size].rss / 1e6:.0f} MB, {found[size].cpu:.2%} of a core", flush=True)
    return found


async def at_rest(pid: int) -> Use:
    """What it takes with the slow look as often as it comes: seen without one, and then with one."""
    without = await use(pid, WINDOW)
    look = (await use(pid, WINDOW)).cpu - without.cpu
    return Use(peak_of(pid), without.cpu + max(0.0, look) * WINDOW / USUAL_RESYNC)


async def busy(kubeconfig: Path, operator: Operator, port: int, count: int) -> tuple[list[float], Use]:
    """How old the statuses of so many running ones are, in seconds, sorted; and what the operator takes for them."""
    async with asked(kubeconfig) as client:
        kubelet = Kubelet(client, count, port)
        async with kubelet.answering():
            watch = asyncio.create_task(kubelet.watch(kubeconfig))
            await kubelet.start()
            await asyncio.sleep(SETTLE)
            if len(kubelet.shown) != count:
                raise SystemExit(f"{len(kubelet.shown)} of {count} show progress")
            ages, used = await asyncio.gather(kubelet.ages(WINDOW), use(operator.pid, WINDOW))
            watch.cancel()
    return ages, replace(used, rss=peak_of(operator.pid))
