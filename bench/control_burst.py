"""A burst of suspended DownloadJobs, and when each has its Job."""

import asyncio
import json
import re
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from narwhal_operator.contract.common import resource
from narwhal_operator.kube.client import Client, configuration
from narwhal_operator.kube.paths import collection

AT_ONCE: Final = 32
"""Requests under way at once: what keeps a small API server busy."""
SECONDS: Final = 300.0
NAMES_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True)
class Burst:
    """What was seen. Seconds, bytes."""

    posted: float  # until the last resource was taken
    took: float  # until the last Job was told of
    waits: list[float]  # of each resource: from its request to the event of its Job
    rss: float  # of the operator, at most
    cpu: float  # of the operator


async def burst(kubeconfig: Path, count: int, metrics: str) -> Burst:
    """Creates `count` resources in a namespace of their own; removes them in the end."""
    client = Client(await configuration(AT_ONCE, str(kubeconfig)))
    namespace = f"burst-{int(time.time())}"
    try:
        await client.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        _, cpu_before = await operator_uses(metrics)
        asked: dict[str, float] = {}
        began = time.monotonic()
        async with asyncio.timeout(SECONDS):
            watch = asyncio.create_task(jobs(kubeconfig, namespace, count))
            await asyncio.gather(*(post(client, namespace, asked, range(n, count, AT_ONCE)) for n in range(AT_ONCE)))
            posted = time.monotonic() - began
            made = await watch
        rss, cpu = await operator_uses(metrics)
        waits = [made[name] - since for name, since in asked.items()]
        return Burst(posted, max(made.values()) - began, waits, rss, cpu - cpu_before)
    finally:
        await client.delete(f"/api/v1/namespaces/{namespace}", {})
        await client.close()


async def post(client: Client, namespace: str, asked: dict[str, float], numbers: range) -> None:
    """Creates the resources of these numbers, one after the other."""
    for number in numbers:
        name = f"d{number}"
        spec = {
            "source": {"http": {"urls": [f"https://origin.example/{number}.mp4"]}},
            "destination": {"bucket": "media", "key": f"sources/{number}.mp4"},
            "suspend": True,
        }
        asked[name] = time.monotonic()
        await client.create(collection("DownloadJob", namespace), resource("DownloadJob", name, namespace, spec))


async def jobs(kubeconfig: Path, namespace: str, count: int) -> dict[str, float]:
    """When a watch told of the Job of each resource; ends when all have one."""
    made: dict[str, float] = {}
    session, host = await session_of(kubeconfig)
    url = f"{host}{collection('Job', namespace)}?watch=1"
    async with session:
        while (
            len(made) < count
        ):  # the API server ends the watch of one who reads too slowly; the next tells of all again
            async with session.get(url, headers={"Accept": NAMES_ONLY}) as answer:
                await told(answer.content, made, count)
    return made


async def session_of(kubeconfig: Path) -> tuple[aiohttp.ClientSession, str]:
    """A session for a watch, as the administrator, and the API server's URL."""
    login = await configuration(1, str(kubeconfig))
    context = ssl.create_default_context(cafile=login.ssl_ca_cert)
    context.load_cert_chain(str(login.cert_file), login.key_file)  # the administrator's, as every test cluster has them
    connector, timeout = aiohttp.TCPConnector(ssl=context), aiohttp.ClientTimeout(None)
    return aiohttp.ClientSession(connector=connector, read_bufsize=2**21, timeout=timeout), str(login.host)


async def told(lines: aiohttp.StreamReader, made: dict[str, float], count: int) -> None:
    """Notes when a Job was first told of, until all are or the watch ends."""
    async for line in lines:
        event: dict[str, Any] = json.loads(line)
        if event["type"] == "ADDED":
            made.setdefault(event["object"]["metadata"]["ownerReferences"][0]["name"], time.monotonic())
        if len(made) == count:
            return


async def operator_uses(metrics: str) -> tuple[float, float]:
    """Resident bytes and CPU seconds of the operator."""
    async with aiohttp.ClientSession() as session, session.get(metrics) as answer:
        text = await answer.text()
    values = dict(re.findall(r"^(process_\w+) (\S+)$", text, re.MULTILINE))
    return float(values["process_resident_memory_bytes"]), float(values["process_cpu_seconds_total"])
