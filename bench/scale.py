"""What a transcode by several pods wins and costs, against one pod: worker processes of one CPU each, over an S3.

Three runs of the same film (the clip ten times, 300 s of 1080p, the standard ladder), one after the other. The film is
as long as that for what it measures: seven processes start instead of one, 5 to 10 s of CPU, which is nothing in the ranges
that Narwhal makes by itself, of 170 s of work and more; here they are a third shorter.

- one: the whole in one process on one CPU
- parts: Plan, then four parts of the video and the sound in two processes at a time, each on a CPU of its own, then Finish
- killed: the same, but one part is killed (SIGKILL) when 70 percent of all segments are stored, and made again

speedup_two_pods is one ÷ parts by the clock, from the start of the first process to the end of the last; the stages that
only one process works on are in it, as the starts of processes are. cpu_four_ranges is the CPU of parts ÷ one, cpu_after_kill
that of killed ÷ parts. BENCH_CLIPS is how often the clip is in the film. A pod's own start is not in it: no Kubernetes takes part.
"""

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.clip import clip
from bench.transcode import planned
from narwhal_operator.contract.order import ObjectLocation, OrderHead, TranscodeOrder
from narwhal_operator.contract.transcode import TranscodingJobSpec
from tests.support.seaweed import S3Server, seaweed
from workers.transcode.parallel.share import seconds
from workers.transcode.rendition import title

BUCKET: Final = "bench"
CPUS: Final = (0, 1)
PARTS: Final = 4
CLIPS: Final = int(os.environ.get("BENCH_CLIPS", "10"))
KILL_AT: Final = 0.7
POLL: Final = 0.2
SUBREAPER: Final = 36
"""PR_SET_CHILD_SUBREAPER: what a killed worker leaves becomes our child, and its CPU is counted."""
LIMITS: Final = {"speedup_two_pods": 1.85, "cpu_four_ranges": 1.05, "cpu_after_kill": 1.08}


@dataclass(slots=True)
class Pod:
    """A worker process on one CPU."""

    process: "subprocess.Popen[bytes]"
    cpu: int
    index: int


@dataclass(slots=True)
class Bench:
    """The server, the film in it, and a directory to work in."""

    s3: S3Server
    work: Path
    range_seconds: float
    """By the worker's own estimate that which makes so many parts and no more."""
    segments: int = 0
    """Stored segments of the first run."""
    _number: int = 0

    def order(self, prefix: str, task: str, parallelism: int) -> TranscodeOrder:
        """The order of one stage."""
        store = self.s3.secret()
        spec = {
            "input": {"s3": {"bucket": BUCKET, "key": "film.mp4"}},
            "output": {"bucket": BUCKET, "prefix": prefix},
            "parallelism": parallelism,
        }
        head = {"uid": prefix, "namespace": "bench", "name": prefix, "attempt": 1, "work_digest": "w", "task": task}
        return TranscodeOrder(
            head=OrderHead.model_validate(head),
            spec=TranscodingJobSpec.model_validate(spec),
            input=ObjectLocation(store=store, bucket=BUCKET, key="film.mp4"),
            output_store=store,
            cpus=1,
            range_seconds=self.range_seconds,
        )

    def start(self, order: TranscodeOrder, cpu: int, index: int = -1) -> Pod:
        """A worker on one CPU."""
        self._number += 1
        base = self.work / str(self._number)
        file = base.with_suffix(".json")
        file.write_text(order.to_json())
        argv = ["taskset", "-c", str(cpu), sys.executable, "-m", "workers.transcode", "--order", str(file)]
        argv += ["--termination-log", str(base.with_suffix(".end")), "--scratch", str(base)]
        argv += ["--index", str(index)] if index >= 0 else []
        with base.with_suffix(".log").open("wb") as log:
            return Pod(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log), cpu, index)

    def alone(self, order: TranscodeOrder) -> dict[str, Any]:
        """Runs a stage of one process; its outcome."""
        pod = self.start(order, CPUS[0])
        if pod.process.wait():
            raise SystemExit((self.work / f"{self._number}.log").read_text()[-3000:])
        found: dict[str, Any] = json.loads((self.work / f"{self._number}.end").read_text())
        return found

    def one(self) -> None:
        """All in one process."""
        self.alone(self.order("one", "Run", 1))
        self.segments = self.stored("one")

    def parts(self, prefix: str, kill_at: float | None = None) -> None:
        """All stages, two processes at a time."""
        count = self.alone(self.order(prefix, "Plan", len(CPUS)))["ranges"]
        if count != PARTS + 1:
            raise SystemExit(f"the film was divided into {count - 1} parts, not {PARTS}")
        order, waiting, running = self.order(prefix, "Range", len(CPUS)), list(range(count)), list[Pod]()
        while waiting or running:
            for cpu in sorted(set(CPUS) - {pod.cpu for pod in running})[: len(waiting)]:
                running.append(self.start(order, cpu, waiting.pop(0)))
            time.sleep(POLL)
            if kill_at is not None and self.stored(prefix) >= kill_at * self.segments:
                kill_at = None
                victim = max(running, key=lambda pod: pod.index)
                victim.process.kill()
                waiting.insert(0, victim.index)
            for pod in [pod for pod in running if pod.process.poll() is not None]:
                running.remove(pod)
                if pod.process.returncode and pod.index not in waiting:
                    raise SystemExit(f"part {pod.index} ended with {pod.process.returncode}; see {self.work}")
        self.alone(self.order(prefix, "Finish", len(CPUS)))

    def stored(self, prefix: str) -> int:
        """Segments in the store."""
        found = self.s3.client.list_objects(BUCKET, f"{prefix}/v/", recursive=True)
        return sum(str(one.object_name).endswith(".m4s") for one in found)


def measured(run: Any, *args: Any) -> tuple[float, float]:
    """Seconds of the clock and of CPU that a run and all it started took, what it left behind included."""
    before, began = used(), time.monotonic()
    run(*args)
    wall = time.monotonic() - began
    with contextlib.suppress(ChildProcessError):  # no more children
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    return wall, used() - before


def used() -> float:
    """CPU seconds of all children that have ended."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def film(work: Path) -> Path:
    """The clip, again and again."""
    path = work / "film.mp4"
    argv = [
        "ffmpeg",
        "-v",
        "error",
        "-nostdin",
        "-stream_loop",
        str(CLIPS - 1),
        "-i",
        str(clip()),
        "-c",
        "copy",
        str(path),
    ]
    subprocess.run(argv, check=True)
    return path


def main() -> None:
    """Runs the three and prints the figures."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory(prefix="narwhal-bench-") as directory:
        work = Path(directory)
        (work / "s3").mkdir()
        with seaweed(work / "s3") as s3:
            s3.bucket(BUCKET)
            path = film(work)
            s3.client.fput_object(BUCKET, "film.mp4", str(path))
            plan = planned(path)
            report(Bench(s3, work, seconds(title(plan), range(plan.timeline.segments), 1) / (PARTS + 0.3)))


def report(bench: Bench) -> None:
    """A line a run, a line a figure, the figures as JSON last."""
    runs = {"one": measured(bench.one)}
    runs["parts"] = measured(bench.parts, "parts")
    runs["killed"] = measured(bench.parts, "killed", KILL_AT)
    for name, (wall, cpu) in runs.items():
        print(f"{name}: {wall:.1f} s by the clock, {cpu:.1f} s of CPU", flush=True)
    figures = {
        "speedup_two_pods": round(runs["one"][0] / runs["parts"][0], 3),
        "cpu_four_ranges": round(runs["parts"][1] / runs["one"][1], 3),
        "cpu_after_kill": round(runs["killed"][1] / runs["parts"][1], 3),
    }
    for name, value in figures.items():
        print(f"{name}: {value} ({'at least' if name == 'speedup_two_pods' else 'at most'} {LIMITS[name]})")
    print(json.dumps({"bench": "scale", "figures": figures}))


if __name__ == "__main__":
    main()
