"""What the transcode tests stand on: generated media, orders, runs of the worker, and a player's view of what came out."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from narwhal_operator.contract.order import DirectoryStore, ObjectLocation, OrderHead, S3Store, TranscodeOrder
from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.report import WorkerReport
from narwhal_operator.contract.transcode import TranscodingJobSpec
from workers.common.context import Context, Result
from workers.common.store import ObjectStore
from workers.transcode.run import run

ROOT: Final = Path(__file__).parents[3]
CLIP: Final = ROOT / "tests/data/big-buck-bunny.mp4"
BUCKET: Final = "media"
X264: Final = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
AAC: Final = ("-c:a", "aac", "-shortest")
SMALL: Final[dict[str, Any]] = {
    "ladder": {"renditions": [{"name": "high", "height": 90}, {"name": "low", "height": 48}]},
    "packaging": {"segmentDuration": "1s"},
}


def ffmpeg(*arguments: str | Path) -> None:
    """Makes a file; what FFmpeg says when it cannot is the test's error."""
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def picture(size: str = "160x90", rate: str = "25", seconds: float = 3.2) -> tuple[str, ...]:
    """FFmpeg's input of a moving test picture."""
    return ("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}")


def tone(seconds: float = 3.2, layout: str = "stereo") -> tuple[str, ...]:
    """FFmpeg's input of a tone."""
    return ("-f", "lavfi", "-i", f"sine=r=48000:d={seconds},aformat=channel_layouts={layout}")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    reason: Reason
    message: str
    result: Result | None
    report: WorkerReport

    @property
    def notes(self) -> list[str]:
        """The plan's notes."""
        return self.report.plan.notes if self.report.plan else []


@dataclass(slots=True)
class Studio:
    """A directory store with inputs, and runs of the worker on it."""

    base: Path

    @property
    def root(self) -> Path:
        """The store's root."""
        return self.base / "store"

    @property
    def store(self) -> DirectoryStore:
        """The store of the orders."""
        return DirectoryStore(root=str(self.root))

    def input(self, name: str = "in.mp4") -> Path:
        """Where an input goes."""
        path = self.root / BUCKET / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def order(self, key: str = "in.mp4", *, spec: dict[str, Any] | None = None, **changed: Any) -> TranscodeOrder:
        """An order for that input into the prefix `out`."""
        store: DirectoryStore | S3Store = changed.pop("store", self.store)
        head = {"uid": "u-1", "namespace": "default", "name": "title", "attempt": 1, "work_digest": "w", "task": "Run"}
        given = {name: changed.pop(name) for name in list(changed) if name in head}
        locations = {"input": {"s3": {"bucket": BUCKET, "key": key}}, "output": {"bucket": BUCKET, "prefix": "out"}}
        return TranscodeOrder(
            head=OrderHead.model_validate({**head, **given}),
            spec=TranscodingJobSpec.model_validate({**locations, **SMALL, **(spec or {})}),
            input=ObjectLocation(store=store, bucket=BUCKET, key=key),
            output_store=store,
            **changed,
        )

    def run(self, order: TranscodeOrder, store: ObjectStore | None = None, index: int | None = None) -> Ended:
        """Runs the worker in this process; `store` stands in for the order's own, `index` is that of a part."""
        scratch = self.base / ("scratch" if index is None else f"scratch-{index}")
        scratch.mkdir(exist_ok=True)
        first = WorkerReport(kind="TranscodingJob", uid=order.head.uid, attempt=order.head.attempt, phase="Starting")
        context = Context(scratch, first, index)
        if store is not None:
            context._stores[order.output_store] = store
        try:
            result = asyncio.run(run(order, context))
        except WorkError as error:
            return Ended(error.reason, error.message, None, context.current)
        return Ended(Reason.COMPLETED, result.message, result, context.current)

    def start(self, order: TranscodeOrder, *under: str) -> subprocess.Popen[bytes]:
        """Starts the worker as a process of its own, as a pod or `narwhal run` does; under a program, if one is named."""
        file = self.base / "order.json"
        file.write_text(order.model_dump_json(by_alias=True, exclude_none=True))
        argv = [
            *under,
            sys.executable,
            "-m",
            "workers.transcode",
            "--order",
            str(file),
            "--scratch",
            str(self.base / "scratch"),
        ]
        argv += ["--termination-log", str(self.base / "termination")]
        with (self.base / "worker.log").open("wb") as log:
            return subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def termination(self) -> dict[str, Any]:
        """The termination message of the worker that was started last."""
        found = json.loads((self.base / "termination").read_text())
        assert isinstance(found, dict)
        return found

    def programs(self) -> list[str]:
        """Programs that work in this studio's scratch directory."""
        return [line for line in _commands() if str(self.base / "scratch") in line and "ffmpeg" in line]

    @property
    def output(self) -> Path:
        """What was written below the prefix."""
        return self.root / BUCKET / "out"

    @property
    def version(self) -> Path:
        """The one version of the output."""
        (found,) = (self.output / "v").iterdir()
        return found

    def segments(self, rung: str) -> list[Path]:
        """The stored segments of a rendition."""
        return sorted(self.version.glob(f"{rung}/*.m4s"))


def _commands() -> list[str]:
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal() and int(directory.name) != os.getpid():
            with suppress(OSError):  # it has ended
                found.append((directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def frame_times(playlist: Path) -> list[int]:
    """Times of all video frames a player shows, in ticks of the stream; a decoding error is the test's error."""
    argv = ["ffmpeg", "-v", "error", "-xerror", "-err_detect", "explode", "-i", str(playlist), "-map", "0:v:0"]
    done = subprocess.run([*argv, "-f", "framemd5", "-"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line.split(",") for line in done.stdout.splitlines() if line and not line.startswith("#")]
    return [int(line[2]) for line in lines]


def assert_plays(playlist: Path, frames: int) -> None:
    """A player shows exactly so many frames, evenly apart, from 0 on."""
    times = frame_times(playlist)
    assert len(times) == frames
    assert times == list(range(frames)), "frames are not evenly apart"


def sound(playlist: Path) -> list[int]:
    """Samples of the first channel, at 48 kHz."""
    argv = ["ffmpeg", "-v", "error", "-xerror", "-i", str(playlist), "-map", "0:a:0", "-ac", "1", "-f", "s16le", "-"]
    done = subprocess.run(argv, capture_output=True, timeout=120, check=True)
    return list(memoryview(done.stdout).cast("h"))


def brightness(playlist: Path) -> list[int]:
    """The mean brightness of each frame."""
    argv = ["ffmpeg", "-v", "error", "-i", str(playlist), "-map", "0:v:0", "-vf", "scale=1:1:flags=area"]
    done = subprocess.run(
        [*argv, "-f", "rawvideo", "-pix_fmt", "gray", "-"], capture_output=True, timeout=120, check=True
    )
    return list(done.stdout)


def args(*parts: Sequence[str] | str | Path) -> list[str | Path]:
    """Arguments, flat."""
    flat: list[str | Path] = []
    for part in parts:
        flat += [part] if isinstance(part, str | Path) else list(part)
    return flat
