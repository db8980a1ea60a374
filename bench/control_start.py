"""From the request that creates a job to the start of its FFmpeg: Narwhal's, and a bare Job's."""

import asyncio
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.starts import Starts
from narwhal_operator.kube.client import Client, configuration
from narwhal_operator.kube.errors import NotFound
from narwhal_operator.kube.paths import collection, named
from narwhal_operator.render.security import container_security, pod_security
from tests.cluster import images
from tests.e2e.manifests import transcode
from tests.e2e.world import World

NAMESPACE: Final = "bench"
SECONDS: Final = 60.0
POLL: Final = 0.25
"""Seconds from one look at all processes to the next. Starts are told by the kernel, and to look often takes CPU from what is measured."""
LEAVING: Final = 1.5
"""Seconds in which a node takes down the network and the volumes of a pod that has ended."""
PROC: Final = Path("/proc")


async def start_over_bare_job(world: World, clip: Path, rounds: int) -> tuple[float, float]:
    """Seconds by which Narwhal's FFmpeg starts later than a bare Job's: the difference of the medians.

    Of a Job as anybody writes it, whose pod has a token of its service account mounted as every pod has unless it says
    otherwise; and of one that says so and mounts nothing: a kubelet looks at volumes every 0.3 s.
    """
    world.namespace(NAMESPACE)
    world.bucket(NAMESPACE).upload("clip.mp4", clip)
    client = Client(await configuration(4, str(world.kube.cluster.kubeconfig)))
    starts = Starts()
    narwhal: list[tuple[float, float]] = []
    bare: list[float] = []
    empty: list[float] = []
    try:
        for number in range(rounds + 1):  # the first of each warms the page cache and does not count
            bare.append((await started(client, starts, *bare_job(f"bare-{number}")))[0])
            empty.append((await started(client, starts, *bare_job(f"empty-{number}", mounts=False)))[0])
            narwhal.append(await started(client, starts, *narwhal_job(number)))
            print(f"round {number}: bare {bare[-1]:.2f} s, without volumes {empty[-1]:.2f} s, ", end="")
            print(f"narwhal {narwhal[-1][0]:.2f} s (its worker began at {narwhal[-1][1]:.2f} s)", flush=True)
    finally:
        starts.close()
        await client.close()
    ours = statistics.median(at for at, _ in narwhal[1:])
    return ours - statistics.median(bare[1:]), ours - statistics.median(empty[1:])


def narwhal_job(number: int) -> tuple[str, str, dict[str, Any]]:
    """A TranscodingJob of the clip: kind, name, body."""
    name = f"film-{number}"
    return "TranscodingJob", name, transcode(NAMESPACE, name, "clip.mp4")


def bare_job(name: str, *, mounts: bool = True) -> tuple[str, str, dict[str, Any]]:
    """A Job whose pod is FFmpeg itself, in the image and under the security of a worker, with the usual token or no volume."""
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
        "securityContext": pod_security(),
        "containers": [container],
        **({} if mounts else {"automountServiceAccountToken": False}),
    }
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    return "Job", name, {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


async def started(client: Client, starts: Starts, kind: str, name: str, body: dict[str, Any]) -> tuple[float, float]:
    """Seconds from the request to the start of the FFmpeg that comes of it, and to that of its worker (0: it has none).

    What was made is then removed, and waited for.
    """
    before = set(processes(encodes))
    asked = time.monotonic()
    await client.create(collection(kind, NAMESPACE), body)
    deadline = asked + SECONDS
    while True:
        seen = processes(encodes) - before
        new = await of_job(client, name, seen) if seen else set()
        if new:
            break
        before |= seen  # of another cluster on this machine, or of a worker that is being stopped
        if time.monotonic() > deadline:
            raise SystemExit(f"no FFmpeg of {kind} {name} within {SECONDS:.0f} s: is the cluster on this machine?")
        await asyncio.sleep(POLL)
    workers = await of_job(client, name, processes(works))
    at = starts.at()
    await client.delete(named(kind, NAMESPACE, name), {"propagationPolicy": "Background"})
    await quiet(client, kind, name)
    return min(at[pid] for pid in new) - asked, min((at[pid] for pid in workers), default=asked) - asked


async def of_job(client: Client, name: str, found: set[int]) -> set[int]:
    """Those processes that run in pods of this name, by their cgroup, which has the pod's uid in its name."""
    pods = [pod["metadata"] for pod in (await client.get(collection("Pod", NAMESPACE)))["items"]]
    uids = {pod["uid"] for pod in pods if pod["name"].startswith(f"{name}-")}
    return {pid for pid in found if any(uid in cgroup_of(pid) for uid in uids)}


def cgroup_of(pid: int) -> str:
    """The cgroups of a process (cgroups(7)); none of one that has ended. The systemd driver writes uids with underscores."""
    try:
        return (PROC / str(pid) / "cgroup").read_text().replace("_", "-")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def encodes(words: list[bytes]) -> bool:
    """Whether this is the command of an FFmpeg that encodes, not of a probe."""
    return words[0].endswith(b"ffmpeg") and b"-progress" in words


def works(words: list[bytes]) -> bool:
    """Whether this is the command of a transcode worker."""
    return b"workers.transcode" in words


def processes(wanted: Callable[[list[bytes]], bool]) -> set[int]:
    """Pids of this machine's processes with such a command."""
    found = set()
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if wanted((entry / "cmdline").read_bytes().split(b"\0")):
                found.add(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
    return found


async def quiet(client: Client, kind: str, name: str) -> None:
    """Waits until a resource and every pod of the namespace have ended, a sweep's too: they would take CPU from the next start."""
    deadline = time.monotonic() + SECONDS
    while await exists(client, kind, name) or await busy(client):
        if time.monotonic() > deadline:
            raise SystemExit(f"{kind} {name} is not gone within {SECONDS:.0f} s")
        await asyncio.sleep(POLL)
    await asyncio.sleep(LEAVING)


async def exists(client: Client, kind: str, name: str) -> bool:
    """Whether a resource is there, be it as one that is being deleted."""
    try:
        await client.get(named(kind, NAMESPACE, name))
    except NotFound:
        return False
    return True


async def busy(client: Client) -> bool:
    """Whether a pod runs, will run or is being deleted."""
    pods = (await client.get(collection("Pod", NAMESPACE)))["items"]
    return any(
        "deletionTimestamp" in pod["metadata"] or pod["status"].get("phase") not in {"Succeeded", "Failed"}
        for pod in pods
    )
