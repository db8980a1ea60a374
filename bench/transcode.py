"""What a transcode by Narwhal costs over FFmpeg alone: the whole local run to an S3, against the same encode to disk.

Ways to the same ladder (1080p, 720p, 480p, 360p) of the 30 s clip, in turn, every other round in reverse, so that what else
the machine does falls on all of them alike; the first two, whose difference is the smallest, three times a round. One
encode is made before and does not count: the first of a machine that was idle takes up to a second more of system time,
whoever makes it. The figures are ratios of the medians:

- narwhal: `narwhal run` from an S3 and to it: fetch, probe, encode, upload, verify, publish
- raw: one FFmpeg process with the very same filters, encoders and segmenters, to disk
- separate: an FFmpeg process for each rung with its sound, one after the other, to disk, as tutorials have it: x264's preset
  as it is, without the search of ours
- separate, same argv: the same with our search, to tell what decoding once saves from what the search does
- shaka: Shaka Streamer with the same rungs, bit rates, preset and FFmpeg (bench/shaka.py), to disk, without verification

verify_share is the CPU that `narwhal verify` takes for what was published, over that of the raw encode.
first_segment_s is how long after the command the first segment of every rung is in the store; its limit is what two
segments of film take to encode.

vs_raw_ffmpeg_2min is narwhal against raw for the clip four times over: what a run costs before and after its encode is
the same for two minutes as for two hours, and a tenth of half a minute.

BENCH_ROUNDS (default 3) is how often each is run.
"""

import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from bench.clip import SECONDS, clip
from bench.shaka import Shaka
from narwhal_operator.contract.transcode import TranscodeOptions
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, S3Server, seaweed
from workers.transcode import command, ladder, probe, recipe
from workers.transcode.cpus import threads
from workers.transcode.inputfile import open_input
from workers.transcode.media import MediaInfo
from workers.transcode.plan import Plan
from workers.transcode.probing import probing

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "3"))
TIMES: Final = 4
"""How many times the clip is in the long one: two minutes."""
BUCKET: Final = "bench"
SAMPLE_SECONDS: Final = 0.5
"""Between two looks at the worker's peak; more would be work beside the encode."""
TURNS: Final = (
    *("narwhal", "raw", "separate", "raw", "narwhal", "separate, same argv", "narwhal", "raw", "shaka"),
    *("narwhal, 2 min", "raw, 2 min"),
)
"""What a round runs, one after the other."""
LIMITS: Final = {
    "vs_raw_ffmpeg": 1.03,
    "vs_raw_ffmpeg_2min": 1.03,
    "vs_separate_runs": 0.65,
    "vs_shaka_streamer": 0.9,
    "verify_share": 0.05,
    "worker_rss_mb": 120.0,
}


@dataclass(slots=True)
class Bench:
    """The clip, the server and a directory to work in."""

    film: Path
    plan: Plan
    s3: S3Server
    work: Path
    key: str = "clip.mp4"
    rss: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    encoded: list[float] = field(default_factory=list)
    """CPU seconds of the raw encodes."""
    runs: int = 0

    def narwhal(self) -> None:
        """The whole local run, to a prefix of its own."""
        self.runs += 1
        manifest = self.work / "job.json"
        manifest.write_text(json.dumps(job(self.key, f"{self.film.stem}-{self.runs}")))
        narwhal = Path(sys.executable).with_name("narwhal")
        address = self.s3.endpoint.removeprefix("http://")
        argv: list[str | Path] = [
            narwhal,
            "run",
            "-f",
            manifest,
            "--store",
            f"s3://{address}?tls=false&region=us-east-1",
            "-o",
            "json",
        ]
        credentials = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        began = datetime.now(UTC)
        with (self.work / "narwhal.log").open("wb") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log, env={**os.environ, **credentials})
            peak, worker = 0.0, None
            while process.poll() is None:
                worker = worker or worker_of(process.pid)
                peak = max(peak, resident(worker))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(SAMPLE_SECONDS)
        if process.returncode:
            raise SystemExit((self.work / "narwhal.log").read_text()[-3000:])
        self.rss.append(peak)
        self.first.append((self.first_segments(f"{self.film.stem}-{self.runs}") - began).total_seconds())

    def first_segments(self, prefix: str) -> datetime:
        """When the first segment of the last rung that had one was stored."""
        found = self.s3.client.list_objects(BUCKET, f"{prefix}/", recursive=True)
        names = tuple(f"/{rung.name}/00000.m4s" for rung in self.plan.rungs)
        stored: list[datetime] = [
            item.last_modified for item in found if item.last_modified and str(item.object_name).endswith(names)
        ]
        return max(stored)

    def verify(self) -> float:
        """CPU seconds of verifying what the last run published, from a directory."""
        folder = self.work / "package"
        prefix = f"{self.film.stem}-{self.runs}/"
        for item in self.s3.client.list_objects(BUCKET, prefix, recursive=True):
            self.s3.client.fget_object(BUCKET, str(item.object_name), str(folder / str(item.object_name)))
        narwhal = Path(sys.executable).with_name("narwhal")
        return cpu([narwhal, "verify", folder / prefix], self.work / "verify.log")

    def shaka_streamer(self, shaka: Shaka) -> None:
        """Shaka Streamer, as far as it can be made to do the same."""
        shaka.run(self.film, self.plan.rungs, float(self.plan.timeline.segment_duration))

    def raw(self) -> None:
        """One FFmpeg process for all rungs and the sound."""
        self.encoded.append(self.ffmpeg(self.plan))

    def separate(self) -> None:
        """A process for each rung."""
        for rung in self.plan.rungs:
            self.ffmpeg(replace(self.plan, rungs=(rung,)), without=command.SEARCH)

    def separate_same_argv(self) -> None:
        """A process for each rung, its encoder as ours."""
        for rung in self.plan.rungs:
            self.ffmpeg(replace(self.plan, rungs=(rung,)))

    def ffmpeg(self, plan: Plan, without: Sequence[str] = ()) -> float:
        """CPU seconds of the argument lists of the worker, video and sound in one process, its progress to nowhere."""
        folder = self.work / "raw"
        shutil.rmtree(folder, ignore_errors=True)
        for name in (*(rung.name for rung in plan.rungs), *(track.name for track in plan.audio)):
            (folder / name).mkdir(parents=True)
        given = command.Job(command.Source(str(self.film)), str(folder), 1, threads(None))
        argv = command.encode_video(plan, command.Range(0, plan.timeline.segments), given)
        audio = command.encode_audio(plan, plan.audio, given)
        argv[argv.index("-filter_complex") + 1] += f";{audio[audio.index('-filter_complex') + 1]}"
        argv += audio[audio.index("[a0]") - 1 :]
        argv = [word for word in argv if word not in without]
        return cpu(argv, self.work / "raw.log")


def cpu(argv: Sequence[str | Path], log: Path) -> float:
    """CPU seconds of a program and its children; exits with its words when it fails."""
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(log.read_text()[-3000:])
    return used.ru_utime + used.ru_stime


def job(key: str, prefix: str) -> dict[str, object]:
    """The manifest of one run."""
    spec = {
        "input": {"s3": {"bucket": BUCKET, "key": key}},
        "output": {"bucket": BUCKET, "prefix": prefix},
        "ladder": {"preset": "h264-standard"},
    }
    return {"apiVersion": "narwhal.dev/v1alpha1", "kind": "TranscodingJob", "metadata": {"name": prefix}, "spec": spec}


def worker_of(parent: int) -> int | None:
    """The transcode worker below a process; None while there is none."""
    for directory in Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError, ValueError):  # it has ended, or is no process
            pid = int(directory.name)
            words = (directory / "cmdline").read_bytes()
            if b"workers.transcode" in words and b"guard.py" not in words and below(pid, parent):
                return pid
    return None


def resident(pid: int | None) -> float:
    """Peak resident memory so far of a process, in MB (10^6 bytes)."""
    with contextlib.suppress(OSError):  # it has ended, or there is none
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def below(pid: int, ancestor: int) -> bool:
    """Whether a process descends from another."""
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        if pid == ancestor:
            return True
    return False


def timed(run: Callable[[], None]) -> float:
    """Wall-clock seconds of a run."""
    began = time.monotonic()
    run()
    return time.monotonic() - began


def planned(film: Path) -> Plan:
    """The worker's own plan for the clip."""
    return ladder.plan(asyncio.run(examined(film)), TranscodeOptions())


async def examined(film: Path) -> MediaInfo:
    """What the worker finds the clip to be."""
    given = open_input(film, film.name)
    with given.file:
        async with probing(given) as running:
            return await probe.examine(running)


def lengthened(film: Path, work: Path) -> Path:
    """The film TIMES over, as it is encoded."""
    parts, long = work / "parts.txt", work / "long.mp4"
    parts.write_text(f"file 'file:{film}'\n" * TIMES)
    cpu(["ffmpeg", "-v", "error", "-f", "concat", "-safe", "0", "-i", parts, "-c", "copy", long], work / "concat.log")
    return long


def main() -> None:
    """Runs the rounds and prints the figures."""
    film = clip()
    with tempfile.TemporaryDirectory(prefix="narwhal-bench-") as directory:
        work = Path(directory)
        (work / "s3").mkdir()
        long = lengthened(film, work)
        with seaweed(work / "s3") as s3:
            s3.bucket(BUCKET)
            for key, path in (("clip.mp4", film), ("long.mp4", long)):
                s3.client.fput_object(BUCKET, key, str(path))
            shaka = Shaka(work / "shaka", recipe.PRESET)
            shaka.prepare()
            short, lasting = Bench(film, planned(film), s3, work), Bench(long, planned(long), s3, work, "long.mp4")
            ways = {
                "narwhal": short.narwhal,
                "raw": short.raw,
                "separate": short.separate,
                "separate, same argv": short.separate_same_argv,
                "shaka": lambda: short.shaka_streamer(shaka),
                "narwhal, 2 min": lasting.narwhal,
                "raw, 2 min": lasting.raw,
            }
            short.raw()  # the first of an idle machine: not counted
            short.encoded.clear()
            report(short, taken(ways))


def taken(ways: Mapping[str, Callable[[], None]]) -> dict[str, float]:
    """The median of the times of each way, in turn and in reverse turn; a line a round."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS):
        told: list[str] = []
        for name in TURNS[:: -1 if number % 2 else 1]:
            times[name].append(timed(ways[name]))
            told.append(f"{name} {times[name][-1]:.2f} s")
        print(f"round {number + 1} of {ROUNDS}: {', '.join(told)}", flush=True)
    return {name: statistics.median(each) for name, each in times.items()}


def report(bench: Bench, median: Mapping[str, float]) -> None:
    """A line a figure, the figures as JSON last."""
    figures = {
        "vs_raw_ffmpeg": round(median["narwhal"] / median["raw"], 3),
        "vs_raw_ffmpeg_2min": round(median["narwhal, 2 min"] / median["raw, 2 min"], 3),
        "vs_separate_runs": round(median["narwhal"] / median["separate"], 3),
        "vs_separate_same_argv": round(median["narwhal"] / median["separate, same argv"], 3),
        "vs_shaka_streamer": round(median["narwhal"] / median["shaka"], 3),
        "verify_share": round(bench.verify() / statistics.median(bench.encoded), 3),
        "worker_rss_mb": round(max(bench.rss), 1),
        "first_segment_s": round(statistics.median(bench.first), 1),
    }
    limits = LIMITS | {"first_segment_s": 2 * float(bench.plan.timeline.segment_duration) * median["narwhal"] / SECONDS}
    print(f"median of {SECONDS} s of film: " + ", ".join(f"{name} {each:.2f} s" for name, each in median.items()))
    for name, value in figures.items():
        print(f"{name}: {value}" + (f" (at most {limits[name]:.2f})" if name in limits else ""))
    print(json.dumps({"bench": "transcode", "figures": figures}))


if __name__ == "__main__":
    main()
