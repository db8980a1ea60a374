"""A title by several pods in a real cluster: they share the work, and one that is killed costs its own part's last seconds."""

from contextlib import suppress
from typing import Final

import pytest

from tests.cluster.errors import ClusterError
from tests.e2e.kube import Object, finished
from tests.e2e.manifests import SMALL, transcode
from tests.e2e.store import Bucket
from tests.e2e.waits import until
from tests.e2e.world import END_SECONDS, World

pytestmark = pytest.mark.cluster

NS: Final = "parallel"
FRAMES: Final = 2000
SEGMENTS: Final = 12
"""Segments stored when a pod is killed: of 40 for each of two rungs and the sound."""

STARVE: Final = """
import os, signal, time
from pathlib import Path

def encoders(pages):
    for path in Path("/proc").glob("[0-9]*"):
        try:
            encodes = (path / "comm").read_text() == "ffmpeg\\n" and b"libx264" in (path / "cmdline").read_bytes()
            if encodes and int((path / "statm").read_text().split()[1]) >= pages:
                yield int(path.name)
        except OSError:
            continue

first, eaters, until = set(), [], time.monotonic() + 20
while not first and time.monotonic() < until:
    time.sleep(0.02)
    first = set(encoders(10_000))  # 40 MB: the largest, or the worker is
for pid in first:
    os.kill(pid, signal.SIGSTOP)  # so that it does not end before it is killed
while first and first <= set(encoders(1)) and len(eaters) < 40:
    pid = os.fork()
    if not pid:
        held = b"x" * 2**24
        time.sleep(60)
        os._exit(0)
    eaters.append(pid)
    time.sleep(0.05)
for pid in eaters:
    os.kill(pid, signal.SIGKILL)
for pid in first & set(encoders(1)):
    os.kill(pid, signal.SIGCONT)
"""
"""Takes memory in many small processes until the kernel kills the largest, FFmpeg or the worker, and no more."""


def test_a_pod_that_is_killed_costs_its_own_part_only(world: World) -> None:
    """Parts in an indexed Job; one pod of them dies without a word; one attempt, no retry, every frame, nothing made twice."""
    world.namespace(NS)
    bucket = Bucket(world.store, NS).make()
    bucket.upload("long.mp4", world.files.long)
    world.kube.apply(transcode(NS, "film", "long.mp4", parallelism=3))
    until(lambda: len(bucket.segments("vod/film/")) >= SEGMENTS, END_SECONDS, f"{SEGMENTS} segments are stored")
    owner = world.kube.get(NS, "tcj", "film")
    victim = until(lambda: next(iter(parts(world, owner)), None), END_SECONDS, "a part is being made")
    world.kube.kill(NS, victim["metadata"]["name"])
    before = bucket.segments("vod/film/")
    status = world.until(NS, "tcj", "film", "Complete")
    after = bucket.segments("vod/film/")
    assert [key for key, made in before.items() if "/audio/" not in key and after.get(key) != made] == []
    (attempt,) = status["attempts"]
    assert attempt["stage"] == "Finish"
    assert attempt["ranges"] >= 4
    assert status.get("failures", 0) == 0
    assert len(world.kube.jobs_of(owner)) == 3
    ladder = bucket.fetch_ladder("vod/film", world.scratch / "parallel")
    assert ladder.frames() == [FRAMES, FRAMES]


def test_a_part_without_enough_memory_gets_more_and_the_others_lose_nothing(world: World) -> None:
    """The kernel kills the encoder of one part: the attempt ends, the next has half as much again, and what is stored stays."""
    world.namespace(NS)
    bucket = Bucket(world.store, NS).make()
    bucket.upload("long.mp4", world.files.long)
    # With little CPU: however long it takes to get into a pod, the title is not made before.
    limits = {"resources": SMALL | {"limits": {"cpu": "400m", "memory": "400Mi"}}}
    world.kube.apply(transcode(NS, "starved", "long.mp4", parallelism=3, template=limits))
    owner = world.kube.get(NS, "tcj", "starved")
    until(lambda: len(bucket.segments("vod/starved/")) >= SEGMENTS // 2, END_SECONDS, "segments are stored")
    until(lambda: starved(world, owner), END_SECONDS, "a part is killed for want of memory")
    before = bucket.segments("vod/starved/")
    status = world.until(NS, "tcj", "starved", "Complete")
    after = bucket.segments("vod/starved/")
    assert [key for key, made in before.items() if "/audio/" not in key and after.get(key) != made] == []
    first, *_, last = status["attempts"]
    assert (first["reason"], first["memory"], last["reason"]) == ("OutOfMemory", "400Mi", "Completed")
    assert status["attempts"][1]["memory"] == "600Mi"
    assert bucket.fetch_ladder("vod/starved", world.scratch / "starved").frames() == [FRAMES, FRAMES]


def starved(world: World, owner: Object) -> bool:
    """Whether an attempt has ended for want of memory; if not, a part is made to want it."""
    status = world.kube.status(NS, "tcj", owner["metadata"]["name"])
    if any(attempt.get("reason") == "OutOfMemory" for attempt in status["attempts"]):
        return True
    assert not finished(status), "too fast to be starved"
    for part in parts(world, owner)[:1]:
        with suppress(ClusterError):  # the part has ended; or all of the container is killed, this process with it
            world.kube.run("exec", "--namespace", NS, part["metadata"]["name"], "--", "python3", "-c", STARVE)
    return False


def parts(world: World, owner: Object) -> list[Object]:
    """The pods that make a part of the video now."""
    mark = "batch.kubernetes.io/job-completion-index"
    pods = [pod for pod in world.kube.pods_of(owner) if pod["metadata"]["labels"].get(mark, "0") != "0"]
    return [pod for pod in pods if pod["status"].get("phase") == "Running"]
