"""What one rung more costs of a title that is published, against the whole encoded anew: worker processes, over an S3.

The film is the clip twice (60 s of 1080p), the ladder the standard one. Two runs of the same four rungs, one after the other:

- anew: all four rungs and the sound, into an output that is empty
- more: the same, where three rungs and the sound are published already: 1080p and 480p lie around the new 720p

wall_more and cpu_more are more ÷ anew, from the start of the process to its end; share is the part of the ladder's pixels that
the new rung has: with a decode, a scale and a gate around it, no encode can cost less. BENCH_CLIPS is how often the clip is in the film.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bench.clip import clip
from narwhal_operator.contract.order import ObjectLocation, OrderHead, TranscodeOrder
from narwhal_operator.contract.transcode import TranscodingJobSpec
from tests.support.seaweed import S3Server, seaweed

BUCKET: Final = "bench"
CLIPS: Final = int(os.environ.get("BENCH_CLIPS", "2"))
HEIGHTS: Final = (1080, 720, 480, 360)
NEW: Final = 720


def film(work: Path) -> Path:
    """The clip so many times, its packets as they are."""
    path = work / "film.mp4"
    argv = ["ffmpeg", "-v", "error", "-stream_loop", str(CLIPS - 1), "-i", str(clip()), "-c", "copy", str(path)]
    subprocess.run(argv, check=True)
    return path


def order(s3: S3Server, prefix: str, heights: tuple[int, ...], attempt: int) -> TranscodeOrder:
    """Those rungs of the film."""
    store = s3.secret()
    rungs = [{"name": f"{height}p", "height": height} for height in heights]
    spec: dict[str, Any] = {
        "input": {"s3": {"bucket": BUCKET, "key": "film.mp4"}},
        "output": {"bucket": BUCKET, "prefix": prefix},
        "ladder": {"renditions": rungs},
    }
    return TranscodeOrder(
        head=OrderHead(uid=prefix, namespace="bench", name="film", attempt=attempt, work_digest="w"),
        spec=TranscodingJobSpec.model_validate(spec),
        input=ObjectLocation(store=store, bucket=BUCKET, key="film.mp4"),
        output_store=store,
    )


def run(given: TranscodeOrder, work: Path) -> tuple[float, float]:
    """A worker process; seconds by the clock and of CPU."""
    file, message = work / "order.json", work / "termination"
    file.write_text(given.to_json())
    argv = [sys.executable, "-m", "workers.transcode", "--order", str(file), "--termination-log", str(message)]
    before, started = _cpu(), time.monotonic()
    with (work / "log").open("wb") as log:
        subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
    wall = time.monotonic() - started
    ended = json.loads(message.read_text())
    if ended["reason"] != "Completed":
        raise SystemExit(f"{given.spec.output.prefix}: {ended['reason']}: {ended['message']}")
    return wall, _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Runs them and prints the figures."""
    with tempfile.TemporaryDirectory(prefix="narwhal-bench-") as directory:
        work = Path(directory)
        (work / "s3").mkdir()
        with seaweed(work / "s3") as s3:
            s3.bucket(BUCKET)
            s3.client.fput_object(BUCKET, "film.mp4", str(film(work)))
            run(order(s3, "more", tuple(height for height in HEIGHTS if height != NEW), 1), work)
            anew = run(order(s3, "anew", HEIGHTS, 1), work)
            more = run(order(s3, "more", HEIGHTS, 2), work)
    for name, (wall, cpu) in (("anew", anew), ("more", more)):
        print(f"{name}: {wall:.1f} s by the clock, {cpu:.1f} s of CPU", flush=True)
    figures = {
        "wall_more": round(more[0] / anew[0], 3),
        "cpu_more": round(more[1] / anew[1], 3),
        "share": round(NEW**2 / sum(height**2 for height in HEIGHTS), 3),
    }
    print(json.dumps({"bench": "delta", "figures": figures}))


if __name__ == "__main__":
    main()
