"""The look into a file: what is found in real ones, and that no file can do harm with it."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from narwhal_operator.contract.download import MediaFacts
from narwhal_operator.contract.outcome import Reason, WorkError
from tests.integration.download.conftest import Place
from tests.support.downloads import fetch, make_order
from tests.support.origin import File, Origin
from workers.download import probe
from workers.download.probe import BLOCK, BYTES

CLIP = Path(__file__).parents[2] / "data" / "big-buck-bunny.mp4"
FACTS = MediaFacts(
    container="mp4",
    duration_seconds=5.312,
    streams=["video h264 1280x720 25 fps", "audio aac 48000 Hz 6 ch"],
)
INPUTS = [
    *("-f", "lavfi", "-i", "testsrc2=size=64x36:rate=24:duration=1"),
    *("-f", "lavfi", "-i", "sine=frequency=440:duration=1:sample_rate=48000"),
]


def facts(content: bytes) -> MediaFacts | None:
    """What is found in a content."""
    return probe.facts(len(content), lambda start, count: content[start : start + count])


@pytest.mark.parametrize(
    ("name", "argv", "container", "streams"),
    [
        (
            "a.mkv",
            ["-c:v", "libx264", "-c:a", "libmp3lame", "-metadata:s:a:0", "language=ger"],
            "matroska",
            ["video h264 64x36 24 fps", "audio mp3 48000 Hz 1 ch de"],
        ),
        (
            "a.ts",
            ["-c:v", "mpeg2video", "-c:a", "mp2"],
            "mpegts",
            ["video mpeg2video 64x36 24 fps", "audio mp2 48000 Hz 1 ch"],
        ),
        ("a.mov", ["-c:v", "libx264", "-c:a", "ac3"], "mov", ["video h264 64x36 24 fps", "audio ac3 48000 Hz 1 ch"]),
        ("a.flac", ["-vn"], "flac", ["audio flac 48000 Hz 1 ch"]),
    ],
)
def test_real_files(name: str, argv: list[str], container: str, streams: list[str], tmp_path: Path) -> None:
    """Of the usual containers, as FFmpeg makes them."""
    subprocess.run(["ffmpeg", "-v", "error", *INPUTS, *argv, tmp_path / name], check=True, timeout=60)
    found = facts((tmp_path / name).read_bytes())
    assert found is not None
    assert (found.container, found.streams) == (container, streams)
    assert found.duration_seconds == pytest.approx(1.0, abs=0.2)


async def test_an_artifact_says_what_it_is(origin: Origin, place: Place, tmp_path: Path) -> None:
    """In either store; and again when the object is found to be there already."""
    url = origin.serve("/f", File(CLIP.read_bytes()))
    order = make_order(url, place.store, bucket=place.bucket, key="clip.mp4")
    first = await fetch(order, tmp_path)
    second = await fetch(order, tmp_path)
    assert second.message.endswith("is there already.")
    for ended in (first, second):
        assert ended.artifact is not None
        assert ended.artifact.media == FACTS


def hostile() -> dict[str, bytes]:
    """Files that are broken, or that want more than to be looked at."""
    clip = CLIP.read_bytes()
    noise = random.Random(4).randbytes(200_000)  # noqa: S311 - the same bytes in each run
    cut = bytearray(clip)
    for index in range(40, 3000, 7):
        cut[index] ^= 0xFF
    box = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"
    nested = b"".join((2**31 - 8 * depth).to_bytes(4, "big") + b"moov" for depth in range(5000))
    return {
        "noise in MPEG audio": b"\xff\xfb\x90\x64" + noise,
        "noise in AVI": b"RIFF" + noise,
        "noise in a program stream": b"\x00\x00\x01\xba" + noise,
        "packets of noise": b"".join(b"\x47" + noise[at : at + 187] for at in range(0, 187_000, 187)),
        "only a head": clip[:5000],
        "damaged": bytes(cut),
        "a million boxes": box + b"\x00\x00\x00\x08free" * 1_000_000,
        "boxes in boxes": box + nested,
        "a size of exbibytes": box + b"\x00\x00\x00\x01moov" + b"\x7f" * 8 + noise,
        "noise in Matroska": b"\x1a\x45\xdf\xa3" + noise,
        "noise in Ogg": b"OggS" + noise,
    }


@pytest.mark.parametrize("name", hostile())
def test_a_hostile_file_costs_its_facts_and_nothing_else(name: str) -> None:
    """No error, within the time, and the process is gone."""
    started = time.monotonic()
    found = facts(hostile()[name])
    assert found is None or found.container
    assert time.monotonic() - started < probe.SECONDS + 2


@pytest.mark.parametrize(
    "head",
    [
        b"#EXTM3U\n#EXTINF:2,\n/etc/passwd\n",
        b"<MPD><BaseURL>http://127.0.0.1/</BaseURL></MPD>",
        b"PK\x03\x04",
        b"",
        b"%PDF-1.7",
    ],
)
def test_what_does_not_begin_like_media_is_shown_to_no_parser(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Playlists and manifests, which name other files, among them."""
    started: list[int] = []
    monkeypatch.setattr(probe, "_start", started.append)
    assert facts(head + b"\n" * 1000) is None
    assert started == []


def test_the_process_can_open_nothing() -> None:
    """Neither a file nor a socket nor a pipe, and it has no environment to look for secrets in."""
    script = (
        "import os, runpy, socket\n"
        "found = runpy.run_path({path!r})\n"
        "found['confine']()\n"
        "for attempt in (lambda: os.open('/etc/passwd', 0), socket.socket, os.pipe):\n"
        "    try:\n        attempt()\n"
        "    except OSError as error:\n        print(error.errno)\n"
        "try:\n    bytearray(2 << 30)\nexcept MemoryError:\n    print('memory')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script.format(path=str(probe.SCRIPT))],
        env={},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == ["24", "24", "24", "memory"]  # EMFILE


def test_no_more_is_read_than_allowed() -> None:
    """A file that leads the parser all over the place is read up to a bound, in blocks."""
    asked: list[tuple[int, int]] = []
    size = 1 << 40
    box = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"

    def read(start: int, count: int) -> bytes:
        asked.append((start, count))
        content = box if start == 0 else b""
        return content + (b"\x00\x10\x00\x00free" * (count // 8))[: count - len(content)]

    assert probe.facts(size, read) is None
    assert asked
    assert sum(count for _, count in asked) <= BYTES + BLOCK


def test_a_store_that_hangs_or_fails_costs_the_facts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time there are no facts; an error of the store is none of the download."""
    monkeypatch.setattr(probe, "SECONDS", 0.3)
    reads, writes = os.pipe()

    def hang(start: int, count: int) -> bytes:
        return os.read(reads, count)

    def fail(start: int, count: int) -> bytes:
        raise WorkError(Reason.STORE_UNREACHABLE, f"bytes {start} to {start + count}")

    try:
        for read in (hang, fail):
            started = time.monotonic()
            assert probe.facts(10_000, read) is None
            assert time.monotonic() - started < 2
    finally:
        os.close(writes)
        os.close(reads)


def test_without_the_library_there_are_no_facts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that ends at once, or cannot be started, is no error."""
    monkeypatch.setattr(probe, "SCRIPT", tmp_path / "none.py")
    assert facts(CLIP.read_bytes()) is None
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert facts(CLIP.read_bytes()) is None
