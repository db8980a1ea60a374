"""What a download by Narwhal costs over the tools a person would use: `aria2c`, or `curl` and then `sha256sum`.

The same file from the same loopback origin, in turn, so that what else the machine does falls on all alike; the figures
are ratios of medians. Narwhal is the worker with one order: it hashes while it streams, checks, and makes the object appear.

- vs_aria2c_throttled: an origin that gives each connection 2 MiB/s, a file of 128 and one of 256 MiB to a directory, over
  `aria2c -x8 -s8`, which gives no connection less than 20 MiB; and each of the two alone: for the larger it uses all eight,
  and our start-up of 0.4 s is the difference
- vs_curl_sha256, cpu_vs_curl_sha256: one connection, to a directory, over `curl`, then `sha256sum`: time and CPU
- vs_aria2c_then_upload: to SeaweedFS, over `aria2c -x8` to disk and the upload of the file with the same S3 client. The
  origin gives 1 Gbit/s over 8 connections: what is compared is doing two things at once with one after the other. From an
  open loopback both are bound by SeaweedFS, which takes 10 s of CPU for a GiB: on two cores both ways take 9 to 13 s, and
  ours is no faster there
- rss_mb: the most memory of the worker while it does that
- fetched_after_kill: bytes that origin sent over the file's size, when the worker is killed at half and run again: the
  worse of a directory and SeaweedFS

BENCH_ROUNDS (default 3) is how often each is run, BENCH_MIB (default 1024) the size of the file.
"""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.origin import Origin
from narwhal_operator.contract.order import DirectoryStore, S3Store
from tests.support.downloads import make_order
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, S3Server, seaweed

MIB: Final = 1024 * 1024
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "3"))
SIZE: Final = int(os.environ.get("BENCH_MIB", "1024")) * MIB
SLOW_SIZES: Final = (min(SIZE, 128 * MIB), min(SIZE, 256 * MIB))
SLOW_RATE: Final = 2 * MIB
CONNECTIONS: Final = 8
LINE_RATE: Final = 10**9 / 8 / CONNECTIONS
"""Bytes per second of a connection, so that all together make 1 Gbit/s."""
LIMITS: Final = {
    "vs_aria2c_throttled": 1.0,
    "vs_curl_sha256": 1.0,
    "cpu_vs_curl_sha256": 1.5,
    "vs_aria2c_then_upload": 0.75,
    "rss_mb": 200.0,
    "fetched_after_kill": 1.05,
}
UPLOAD: Final = (
    "import sys; from minio import Minio; endpoint, access, secret, bucket, path = sys.argv[1:];"
    "client = Minio(endpoint, access, secret, secure=False, region='us-east-1');"
    "client.fput_object(bucket, 'theirs.bin', path)"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of wall clock and of CPU, and megabytes of memory, of a program and its children."""

    wall: float
    cpu: float
    rss: float


def timed(argv: Sequence[str | Path]) -> Cost:
    """Runs a program."""
    started = time.monotonic()
    environment = {**os.environ, "NARWHAL_LOG_LEVEL": "error"}
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{argv[0]} ended with {process.returncode}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)


def worker(work: Path, url: str, store: DirectoryStore | S3Store, **spec: Any) -> list[str | Path]:
    """The command of a worker that fetches the file."""
    order = work / "order.json"
    order.write_text(json.dumps(make_order(url, store, key="file.bin", **spec).wire()))
    return [sys.executable, "-m", "workers.download", "--order", order]


def aria2c(url: str, target: Path) -> list[str | Path]:
    """The command of aria2c as a person types it."""
    return ["aria2c", f"-x{CONNECTIONS}", f"-s{CONNECTIONS}", "-q", "--no-conf", "-d", target, "-o", "file.bin", url]


def in_turn(
    work: Path, name: str, rounds: int, runs: Mapping[str, Callable[[Path], list[Cost]]]
) -> dict[str, tuple[float, float, float]]:
    """Each of the runs in turn, each time in an empty directory: medians of time and CPU, the most of memory."""
    taken: dict[str, list[Cost]] = {key: [] for key in runs}
    for number in range(rounds):
        for key, run in runs.items():
            target = work / "target"
            target.mkdir()
            costs = run(target)
            taken[key].append(
                Cost(sum(cost.wall for cost in costs), sum(cost.cpu for cost in costs), max(cost.rss for cost in costs))
            )
            shutil.rmtree(target)
        told = ", ".join(f"{key} {costs[-1].wall:.2f} s" for key, costs in taken.items())
        print(f"{name}, round {number + 1}: {told}", flush=True)
    return {
        key: (
            statistics.median(cost.wall for cost in costs),
            statistics.median(cost.cpu for cost in costs),
            max(cost.rss for cost in costs),
        )
        for key, costs in taken.items()
    }


def throttled(work: Path, path: Path) -> dict[str, float]:
    """An origin that is slow for each connection."""
    found: dict[str, float] = {}
    walls = {"narwhal": 0.0, "aria2c": 0.0}
    for size in SLOW_SIZES:
        url = Origin(path, size, SLOW_RATE).start()
        ways: dict[str, Callable[[Path], list[Cost]]] = {
            "narwhal": lambda target, url=url: [timed(worker(work, url, DirectoryStore(root=str(target))))],  # type: ignore[misc]  # bound early
            "aria2c": lambda target, url=url: [timed(aria2c(url, target))],  # type: ignore[misc]  # as above
        }
        # One round: the origin's pace decides, rounds do not differ.
        costs = in_turn(work, f"throttled, {size // MIB} MiB", 1, ways)
        walls = {name: wall + costs[name][0] for name, wall in walls.items()}
        found[f"vs_aria2c_throttled_{size // MIB}mib"] = costs["narwhal"][0] / costs["aria2c"][0]
    return {"vs_aria2c_throttled": walls["narwhal"] / walls["aria2c"], **found}


def open_loopback(work: Path, url: str) -> dict[str, float]:
    """One connection, as fast as it goes."""
    found = in_turn(
        work,
        "one connection",
        ROUNDS,
        {
            "narwhal": lambda target: [timed(worker(work, url, DirectoryStore(root=str(target)), connections=1))],
            "curl": lambda target: [
                timed(["curl", "-sS", "-o", target / "file.bin", url]),
                timed(["sha256sum", target / "file.bin"]),
            ],
        },
    )
    ours, theirs = found["narwhal"], found["curl"]
    return {"vs_curl_sha256": ours[0] / theirs[0], "cpu_vs_curl_sha256": ours[1] / theirs[1]}


def to_s3(work: Path, url: str, s3: S3Server) -> dict[str, float]:
    """To a bucket, straight or by way of a disk."""
    endpoint = s3.endpoint.removeprefix("http://")

    def theirs(target: Path) -> list[Cost]:
        fetched = timed(aria2c(url, target))
        argv: list[str | Path] = [
            sys.executable,
            "-c",
            UPLOAD,
            endpoint,
            ACCESS_KEY,
            SECRET_KEY,
            "media",
            target / "file.bin",
        ]
        uploaded = timed(argv)
        s3.client.remove_object("media", "theirs.bin")
        return [fetched, uploaded]

    def ours(target: Path) -> list[Cost]:
        found = timed(worker(target, url, s3.secret()))
        s3.client.remove_object("media", "file.bin")
        return [found]

    found = in_turn(work, "to S3", min(ROUNDS, 2), {"narwhal": ours, "aria2c and upload": theirs})
    return {
        "vs_aria2c_then_upload": found["narwhal"][0] / found["aria2c and upload"][0],
        "rss_mb": found["narwhal"][2],
    }


def killed(work: Path, origin: Origin, url: str, store: DirectoryStore | S3Store) -> float:
    """Bytes sent in all over the file's size, when the worker is killed at half and run again."""
    argv = worker(work, url, store)
    origin.sent = 0
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while origin.sent < SIZE // 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    half = origin.sent
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(f"killed after {half / SIZE:.3f} of {store.type}, {origin.sent / SIZE:.3f} in all", flush=True)
    return origin.sent / SIZE


def main() -> int:
    """Runs all; prints the figures and their limits, and a line of JSON."""
    missing = [program for program in ("curl", "sha256sum", "aria2c") if not shutil.which(program)]
    if missing:
        print(f"not installed: {', '.join(missing)}; run hack/setup-machine bench", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="narwhal-bench-") as directory:
        work = Path(directory)
        path = work / "file.bin"
        with path.open("wb") as file:
            for _ in range(SIZE // (16 * MIB)):
                file.write(os.urandom(16 * MIB))
        figures = throttled(work, path) | open_loopback(work, Origin(path, SIZE).start())
        line = Origin(path, SIZE, LINE_RATE)
        url = line.start()
        (work / "weed").mkdir()
        with seaweed(work / "weed") as s3:
            s3.bucket("media")
            figures |= to_s3(work, url, s3)
            stores = (DirectoryStore(root=str(work / "killed")), s3.secret())
            figures["fetched_after_kill"] = max(killed(work, line, url, store) for store in stores)
    for name, value in figures.items():
        print(f"{name}: {value:.2f}" + (f" (at most {LIMITS[name]})" if name in LIMITS else ""))
    print(json.dumps({"bench": "download", "figures": {name: round(value, 3) for name, value in figures.items()}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
