"""What a download by Narwhal costs over the tools a person would use: `curl`, then `sha256sum`.

The same file from the same loopback origin, in turn, so that what else the machine does falls on all alike; the figures
are ratios of medians:

- narwhal: the worker with one order, to a directory, SHA-256 while streaming, checked and renamed
- curl: `curl` to the same directory, then `sha256sum`
- s3: the worker to an S3, for its memory
- killed: the worker, killed at half, and run again: bytes the origin sent over the file's size

BENCH_ROUNDS (default 3) is how often each is run, BENCH_MIB (default 1024) the size of the file.
"""

import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from narwhal_operator.contract.order import DirectoryStore, S3Store
from tests.support.downloads import make_order
from tests.support.seaweed import seaweed

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "3"))
SIZE: Final = int(os.environ.get("BENCH_MIB", "1024")) * 1024 * 1024
STEP: Final = 16 * 1024 * 1024
LIMITS: Final = {"vs_curl_sha256": 1.0, "cpu_vs_curl_sha256": 1.5, "rss_mb": 200.0, "fetched_after_kill": 1.05}


@dataclass(slots=True)
class FastOrigin:
    """An origin that costs next to nothing: sendfile, ranges, and a count of the bytes it sent."""

    path: Path
    sent: int = 0
    pause: float = 0.0
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=16))

    def start(self) -> str:
        """Starts it; the URL of the file."""
        threading.Thread(target=self._accept, daemon=True).start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/file.bin"

    def _accept(self) -> None:
        while True:
            threading.Thread(target=self._talk, args=(self._listener.accept()[0],), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(65536)
        asked = next((line for line in data.split(b"\r\n") if line.lower().startswith(b"range: bytes=")), None)
        start = int(asked.partition(b"=")[2].rstrip(b"-")) if asked else 0
        line = "206 Partial Content" if asked else "200 OK"
        spans = f"Content-Range: bytes {start}-{SIZE - 1}/{SIZE}\r\n" if asked else ""
        head = f'HTTP/1.1 {line}\r\nContent-Length: {SIZE - start}\r\nETag: "v1"\r\n{spans}Connection: close\r\n\r\n'
        try:
            sock.sendall(head.encode())
            with self.path.open("rb") as file:
                while start < SIZE:
                    count = os.sendfile(sock.fileno(), file.fileno(), start, STEP)
                    start += count
                    self.sent += count
                    time.sleep(self.pause)
        except OSError:
            return  # the client was killed: that is what one of the runs does
        finally:
            sock.close()


def timed(argv: Sequence[str | Path]) -> tuple[float, float]:
    """Runs a program; seconds of wall clock and of CPU."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "NARWHAL_LOG_LEVEL": "error"})
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def worker(work: Path, url: str, store: DirectoryStore | S3Store) -> list[str | Path]:
    """The command of a worker that fetches the file."""
    order = work / "order.json"
    order.write_text(json.dumps(make_order(url, store, key="file.bin").wire()))
    return [sys.executable, "-m", "workers.download", "--order", order]


def compare(work: Path, url: str) -> dict[str, float]:
    """Narwhal and curl with sha256sum in turn, each into an empty directory."""
    taken: dict[str, list[tuple[float, float]]] = {"narwhal": [], "curl": []}
    for number in range(ROUNDS):
        target = work / f"round-{number}"
        target.mkdir()
        taken["narwhal"].append(timed(worker(work, url, DirectoryStore(root=str(target)))))
        shutil.rmtree(target)
        target.mkdir()
        script = f"curl -sS -o {target}/file.bin {url} && sha256sum {target}/file.bin"
        taken["curl"].append(timed(["sh", "-c", script]))
        shutil.rmtree(target)
        print(
            f"round {number + 1}: " + ", ".join(f"{name} {runs[-1][0]:.2f} s" for name, runs in taken.items()),
            flush=True,
        )
    walls = {name: statistics.median(run[0] for run in runs) for name, runs in taken.items()}
    cpus = {name: statistics.median(run[1] for run in runs) for name, runs in taken.items()}
    return {
        "vs_curl_sha256": walls["narwhal"] / walls["curl"],
        "cpu_vs_curl_sha256": cpus["narwhal"] / cpus["curl"],
    }


def peak(argv: Sequence[str | Path]) -> float:
    """The largest resident memory of a program while it runs, in MB."""
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0.0
    while process.poll() is None:
        try:
            text = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        found: list[Any] = [line.split()[1] for line in text.splitlines() if line.startswith("VmHWM:")]
        most = max(most, *(int(value) / 1000 for value in found), 0.0)
        time.sleep(0.05)
    if process.wait():
        raise SystemExit(f"the worker ended with {process.returncode}")
    return most


def killed(work: Path, origin: FastOrigin, url: str) -> float:
    """Bytes sent in all over the file's size, when the worker is killed at half and run again."""
    argv = worker(work, url, DirectoryStore(root=str(work / "killed")))
    origin.sent, origin.pause = 0, 0.02
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while origin.sent < SIZE // 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return origin.sent / SIZE


def main() -> int:
    """Runs all; prints the figures and their limits, and a line of JSON."""
    for program in ("curl", "sha256sum"):
        if not shutil.which(program):
            print(f"{program} is not installed: apt-get install curl coreutils", file=sys.stderr)
            return 1
    with tempfile.TemporaryDirectory(prefix="narwhal-bench-") as directory:
        work = Path(directory)
        path = work / "file.bin"
        with path.open("wb") as file:
            for _ in range(SIZE // STEP):
                file.write(os.urandom(STEP))
        origin = FastOrigin(path)
        url = origin.start()
        figures = compare(work, url)
        figures["fetched_after_kill"] = killed(work, origin, url)
        origin.pause = 0.0
        (work / "weed").mkdir()
        with seaweed(work / "weed") as s3:
            s3.bucket("media")
            figures["rss_mb"] = peak(worker(work, url, s3.secret()))
    for name, value in figures.items():
        print(f"{name}: {value:.2f} (at most {LIMITS[name]})")
    print(json.dumps({"bench": "download", "figures": {name: round(value, 3) for name, value in figures.items()}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
