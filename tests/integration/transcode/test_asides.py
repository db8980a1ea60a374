"""Subtitles and chapters through the real worker: whole, in step, and read back by FFmpeg."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import SMALL, X264, Ended, Studio, assert_plays, ffmpeg, picture

BOTH: dict[str, Any] = {"packaging": {**SMALL["packaging"], "manifests": ["HLS", "DASH"]}}
SRT = "1\n00:00:00,500 --> 00:00:01,500\n<i>Grüße</i> & more\n\n2\n00:00:01,900 --> 00:00:03,100\nover borders\n\n"
CHAPTERS = ";FFMETADATA1\n" + "".join(
    f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\ntitle={title}\n"
    for start, end, title in [(0, 1500, "Opening"), (1500, 4000, 'The "rest" & more')]
)


def make(studio: Studio, tmp_path: Path, name: str, *codecs: str, text: bytes = SRT.encode(), start: float = 0) -> None:
    """A film of 4 s with a text track of each codec, the second of them forced, and two chapters."""
    (tmp_path / "text.srt").write_bytes(text)
    (tmp_path / "chapters.txt").write_text(CHAPTERS)
    flags = [flag for number, codec in enumerate(codecs) for flag in (f"-c:s:{number}", codec)]
    flags += [flag for number, _ in enumerate(codecs) for flag in ("-map", "1")]
    about = ("-metadata:s:s:0", "language=ger", "-disposition:s:1", "forced") if len(codecs) > 1 else ()
    inputs = ("-i", tmp_path / "text.srt", "-i", tmp_path / "chapters.txt")
    film: tuple[str | Path, ...] = (*picture(seconds=4), *inputs, "-map", "0", *flags, "-map_chapters", "2", *X264)
    ffmpeg(*film, *about, "-output_ts_offset", str(start), studio.input(name))


def cues(playlist: Path) -> list[tuple[float, str]]:
    """Time and text of what FFmpeg reads of WebVTT, one file or the segments of a playlist one after the other."""
    files = sorted(playlist.parent.glob("0*.vtt")) if playlist.suffix == ".m3u8" else [playlist]
    found = []
    for file in files:
        argv = [
            "ffprobe",
            "-v",
            "error",
            "-show_entries",
            "packet=pts_time,data",
            "-show_data",
            "-of",
            "json",
            str(file),
        ]
        done = subprocess.run(argv, capture_output=True, check=True, timeout=60)
        packets = json.loads(done.stdout)["packets"]
        found += [(float(packet["pts_time"]), _text(packet["data"])) for packet in packets]
    return found


def _text(dump: str) -> str:
    words = [line.split(": ", 1)[1][:39].replace(" ", "") for line in dump.strip().splitlines()]
    return bytes.fromhex("".join(words)).decode()


def completed(studio: Studio, name: str, spec: dict[str, Any]) -> Ended:
    ended = studio.run(studio.order(name, spec={**BOTH, **spec}))
    assert ended.reason is Reason.COMPLETED, ended.message
    return ended


WANTED = [(0.5, "<i>Grüße</i> &amp; more"), (1.9, "over borders")]


def test_text_of_every_kind_becomes_segmented_webvtt(studio: Studio, tmp_path: Path) -> None:
    """SubRip, ASS and WebVTT in Matroska that starts late: on the film's clock; segments as many as the video's."""
    make(studio, tmp_path, "in.mkv", "srt", "ass", "webvtt", start=5)
    ended = completed(studio, "in.mkv", {})
    assert [note for note in ended.notes if "subtitles" in note] == []
    folders = sorted(path.name for path in (studio.version / "subtitles").iterdir() if path.is_dir())
    assert folders == ["de", "main", "main-forced"]
    for name in folders:
        assert cues(studio.version / f"subtitles/{name}.vtt") == WANTED
        found = cues(studio.version / f"subtitles/{name}/media.m3u8")
        assert [text for _, text in found] == [WANTED[0][1]] * 2 + [WANTED[1][1]] * 3
        assert len(list((studio.version / f"subtitles/{name}").glob("*.vtt"))) == len(studio.segments("high"))
    master = (studio.output / "master.m3u8").read_text()
    assert master.count("TYPE=SUBTITLES") == 3
    assert master.count("FORCED=YES") == 1
    assert_plays(studio.output / "master.m3u8", 100)
    assert_plays(studio.output / "manifest.mpd", 100)
    assert ended.result is not None
    assert ended.result.plan is not None
    assert [(track.name, track.forced) for track in ended.result.plan.subtitles] == [
        ("de", False),
        ("main-forced", True),
        ("main", False),
    ]


def test_mp4_text_and_chapters_are_kept(studio: Studio, tmp_path: Path) -> None:
    """mov_text; chapters as WebVTT for pages and as JSON for Apple's players, named by the master."""
    make(studio, tmp_path, "in.mp4", "mov_text")
    completed(studio, "in.mp4", {})
    assert [text for _, text in cues(studio.version / "subtitles/main.vtt")] == [text for _, text in WANTED]
    chapters = json.loads((studio.version / "chapters.json").read_text())
    assert [(one["start-time"], one["titles"][0]["title"]) for one in chapters] == [
        (0, "Opening"),
        (1.5, "The 'rest' & more"),
    ]
    assert [text for _, text in cues(studio.version / "chapters.vtt")] == ["Opening", "The 'rest' &amp; more"]
    assert "com.apple.hls.chapters" in (studio.output / "master.m3u8").read_text()


def test_text_that_is_no_utf_8_is_read_and_said(studio: Studio, tmp_path: Path) -> None:
    """Latin text in Matroska, against its rules, as players show it; the guess stands in the notes."""
    make(studio, tmp_path, "in.mkv", "copy", text=SRT.encode("cp1252"))
    ended = completed(studio, "in.mkv", {})
    assert cues(studio.version / "subtitles/main.vtt") == WANTED
    assert ended.result is not None
    assert ended.result.plan is not None
    assert "subtitles main: no UTF-8; read as CP1252" in ended.result.plan.notes


def test_none_leaves_text_out(studio: Studio, tmp_path: Path) -> None:
    """And says so."""
    make(studio, tmp_path, "in.mkv", "srt")
    ended = completed(studio, "in.mkv", {"subtitles": {"mode": "None"}})
    assert "subtitles: 1 tracks are left out, as spec.subtitles.mode says" in ended.notes
    assert not (studio.version / "subtitles").exists()
    assert "SUBTITLES" not in (studio.output / "master.m3u8").read_text()


ALL: dict[str, Any] = {
    "audio": {"loudness": {"target": -20}},
    "thumbnails": {"interval": "1s", "width": 64},
    "packaging": BOTH["packaging"],
}
GONE = [
    pytest.param(["loudness.json", "audio/*/00002.m4s"], id="before-the-sound-was-measured"),
    pytest.param(["audio/*/*.m4s", "chapters.json", "subtitles/*/media.m3u8"], id="before-the-sound-was-encoded"),
    pytest.param(
        ["subtitles.json", "subtitles/*/00001.vtt", "thumbnails.json", "thumbnails/*.jpg", "poster.jpg"],
        id="in-the-middle-of-text-and-pictures",
    ),
]


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """A film with sound, text and chapters, packaged with all that goes with it."""
    path = tmp_path_factory.mktemp("packaged")
    studio = Studio(path)
    make(studio, path, "plain.mkv", "srt")
    beep = ("-f", "lavfi", "-i", "sine=r=48000:d=4")
    ffmpeg(
        "-i",
        studio.input("plain.mkv"),
        *beep,
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
        "-c:a",
        "flac",
        studio.input("in.mkv"),
    )
    completed(studio, "in.mkv", ALL)
    return studio


@pytest.mark.parametrize("gone", GONE)
def test_a_run_that_was_killed_ends_the_same_when_it_is_repeated(packaged: Studio, gone: list[str]) -> None:
    """What a kill leaves out is made again, to the byte; what is there is not made twice in another way."""
    before = {
        path: path.read_bytes() for path in packaged.output.rglob("*") if path.is_file() and path.name != "outcome.json"
    }
    missing = [path for pattern in [*gone, "outcome.json"] for path in packaged.version.glob(pattern)]
    assert len(missing) >= 2
    for path in set(missing):
        path.unlink()
    completed(packaged, "in.mkv", ALL)
    after = {
        path: path.read_bytes() for path in packaged.output.rglob("*") if path.is_file() and path.name != "outcome.json"
    }
    assert [path.name for path in before if after.get(path) != before[path]] == []
    assert after.keys() == before.keys()
