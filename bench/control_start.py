"""From the request that creates a job to the start of its FFmpeg: Narwhal's, and a bare Job's."""

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from narwhal_operator.kube.client import Client, configuration
from narwhal_operator.kube.paths import collection, named
from narwhal_operator.render.security import container_security, pod_security
from tests.cluster import images
from tests.e2e.manifests import transcode
from tests.e2e.world import World

NAMESPACE: Final = "bench"
SECONDS: Final = 60.0
POLL: Final = 0.02
TICKS: Final = os.sysconf("SC_CLK_TCK")
PROC: Final = Path("/proc")


async def start_over_bare_job(world: World, clip: Path, rounds: int) -> float:
    """Seconds by which Narwhal's FFmpeg starts later than a bare Job's: the difference of the medians."""
    world.namespace(NAMESPACE)
    world.bucket(NAMESPACE).upload("clip.mp4", clip)
    client = Client(await configuration(4, str(world.kube.cluster.kubeconfig)))
    narwhal: list[tuple[float, float]] = []
    bare: list[tuple[float, float]] = []
    try:
        for number in range(rounds + 1):  # the first of each warms the page cache and does not count
            bare.append(await started(client, *bare_job(number)))
            narwhal.append(await started(client, *narwhal_job(number)))
            print(f"round {number}: bare {bare[-1][0]:.2f} s, narwhal {narwhal[-1][0]:.2f} s", end="")
            print(f" (its worker began at {narwhal[-1][1]:.2f} s)", flush=True)
    finally:
        await client.close()
    return statistics.median(at for at, _ in narwhal[1:]) - statistics.median(at for at, _ in bare[1:])


def narwhal_job(number: int) -> tuple[str, str, dict[str, Any]]:
    """A TranscodingJob of the clip: kind, name, body."""
    name = f"film-{number}"
    return "TranscodingJob", name, transcode(NAMESPACE, name, "clip.mp4")


def bare_job(number: int) -> tuple[str, str, dict[str, Any]]:
    """A Job whose pod is FFmpeg itself, in the image and under the security of a worker."""
    name = f"bare-{number}"
    argv = ["ffmpeg", "-progress", "/dev/null", "-f", "lavfi", "-re", "-i", "testsrc", "-t", "5", "-f", "null", "-"]
    container = {
        "name": "ffmpeg",
        "image": images.tag("transcode"),
        "imagePullPolicy": "Never",
        "command": argv,
        "securityContext": container_security(),
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": pod_security(),
        "containers": [container],
    }
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    return "Job", name, {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


async def started(client: Client, kind: str, name: str, body: dict[str, Any]) -> tuple[float, float]:
    """Seconds from the request to the start of the FFmpeg that comes of it, and to that of its worker (0: it has none).

    What was made is then removed.
    """
    before = processes(encodes).keys() | processes(works).keys()
    asked = time.clock_gettime(time.CLOCK_BOOTTIME)
    await client.create(collection(kind, NAMESPACE), body)
    deadline = asked + SECONDS
    while True:
        new = {pid: at for pid, at in processes(encodes).items() if pid not in before}
        if new:
            break
        if time.clock_gettime(time.CLOCK_BOOTTIME) > deadline:
            raise SystemExit(f"no FFmpeg of {kind} {name} within {SECONDS:.0f} s: is the cluster on this machine?")
        await asyncio.sleep(POLL)
    workers = [at for pid, at in processes(works).items() if pid not in before]
    await client.delete(named(kind, NAMESPACE, name), {"propagationPolicy": "Background"})
    await gone(next(iter(new)))
    return min(new.values()) - asked, min(workers, default=asked) - asked


def encodes(words: list[bytes]) -> bool:
    """Whether this is the command of an FFmpeg that encodes, not of a probe."""
    return words[0].endswith(b"ffmpeg") and b"-progress" in words


def works(words: list[bytes]) -> bool:
    """Whether this is the command of a transcode worker."""
    return b"workers.transcode" in words


def processes(wanted: Callable[[list[bytes]], bool]) -> dict[int, float]:
    """Processes of this machine with such a command: pid and start, in seconds since boot (proc(5), field 22)."""
    found = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if wanted(words):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                found[int(entry.name)] = int(fields[19]) / TICKS
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
    return found


async def gone(pid: int) -> None:
    """Waits for the end of a process, so that it does not take CPU from the next round."""
    while (PROC / str(pid)).exists():  # noqa: ASYNC110 - the kernel tells no event loop of a process that is not its child
        await asyncio.sleep(POLL)
