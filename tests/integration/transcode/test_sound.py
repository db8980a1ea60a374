"""Input without video: a ladder of bit rates of the sound, verified and published like any other."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import X264, Ended, Studio, ffmpeg, picture, sound, tone

BOTH: dict[str, Any] = {"packaging": {"segmentDuration": "1s", "manifests": ["HLS", "DASH"]}}
FORMATS = [
    ("in.mp3", ("-c:a", "libmp3lame", "-ar", "44100")),
    ("in.m4a", ("-c:a", "aac")),
    ("in.flac", ("-c:a", "flac")),
    ("in.ogg", ("-c:a", "libopus")),
    ("in.wav", ("-c:a", "pcm_s16le", "-ar", "22050", "-ac", "1")),
    ("in.aac", ("-c:a", "aac")),
]


def lines(path: Path, tag: str) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.startswith(tag)]


@pytest.mark.parametrize(("name", "codec"), [pytest.param(*case, id=case[0]) for case in FORMATS])
def test_sound_alone_becomes_a_ladder(studio: Studio, name: str, codec: tuple[str, ...]) -> None:
    """Three variants without pictures over aligned segments, one set in DASH, as long as the source, and a pass of all rules."""
    ffmpeg(*tone(3.3), *codec, studio.input(name))
    ended = studio.run(studio.order(name, spec=BOTH))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert any("no video" in note for note in ended.notes)
    plan = ended.report.plan
    assert plan is not None
    assert [track.name for track in plan.audio] == ["160k", "96k", "64k"]
    assert (plan.width, plan.frames, plan.rungs) == (None, 0, [])
    master = studio.output / "master.m3u8"
    streams = lines(master, "#EXT-X-STREAM-INF")
    assert len(streams) == 3
    assert not any(word in line for line in streams for word in ("RESOLUTION", "FRAME-RATE", "AUDIO="))
    lasts = {tuple(lines(path, "#EXTINF")) for path in studio.version.glob("audio/*/media.m3u8")}
    assert len(lasts) == 1
    assert abs(len(sound(master)) / 48_000 - 3.3) < 0.08
    assert max(sound(master)) > 2000
    manifest = (studio.output / "manifest.mpd").read_text()
    assert (manifest.count("<AdaptationSet"), manifest.count("<Representation")) == (1, 3)
    report = json.loads((studio.version / "report.json").read_bytes())
    assert (report["errors"], report["warnings"]) == (0, 0), report["checks"]
    progress = ended.report.transcode
    assert progress is not None
    assert progress.percent == 100


WISH: dict[str, Any] = {
    **BOTH,
    "audio": {"codec": "opus", "bitrates": ["32k", "96k"], "loudness": {"target": -20}},
    "thumbnails": {"interval": "1s"},
    "quality": {"metric": "SSIM"},
    "clip": {"start": "1s", "duration": "1500ms"},
    "verify": "Full",
}


def album(path: Path, work: Path) -> None:
    """Makes an M4A with a cover and a name."""
    cover = work / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=640x640", "-frames:v", "1", cover)
    flags = ("-map", "0:a", "-map", "1:v", "-c:a", "aac", "-c:v", "copy", "-disposition:v", "attached_pic")
    ffmpeg(*tone(4), "-i", cover, *flags, "-metadata", "title=Song", "-metadata", "artist=Band", path)


def test_the_wishes_that_fit_are_kept_and_the_others_are_noted(studio: Studio, tmp_path: Path) -> None:
    """Opus in the asked bit rates, a part, loudness, name and cover; quality is for pictures; run again nothing is encoded."""
    album(studio.input("in.m4a"), tmp_path)
    ended = studio.run(studio.order("in.m4a", spec=WISH))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert any("quality: not for sound alone" in note for note in ended.notes), ended.notes
    plan = ended.report.plan
    assert plan is not None
    assert [(track.name, track.codec) for track in plan.audio] == [("96k", "opus"), ("32k", "opus")]
    assert all(track.loudness and abs((track.loudness.result_loudness or 0) + 20) < 1 for track in plan.audio)
    assert plan.duration_seconds == pytest.approx(1.5)
    assert 'VALUE="Song"' in (studio.output / "master.m3u8").read_text()
    shown = [
        "ffprobe",
        "-v",
        "error",
        "-show_entries",
        "stream=width",
        "-of",
        "csv=p=0",
        str(studio.version / "poster.jpg"),
    ]
    assert subprocess.run(shown, capture_output=True, text=True, check=True).stdout.strip() == "640"
    before = {path: path.stat().st_mtime_ns for path in studio.version.rglob("*.m4s")}
    again = studio.run(studio.order("in.m4a", spec=WISH))
    assert again.message == "All was done by an earlier run."
    assert {path: path.stat().st_mtime_ns for path in studio.version.rglob("*.m4s")} == before


def test_a_resumed_title_of_sound_keeps_its_whole_renditions(studio: Studio) -> None:
    """A killed run leaves one rendition whole and one without its end: the first is not encoded again."""
    ffmpeg(*tone(3.3), studio.input("in.flac"))
    assert ran(studio, "in.flac").reason is Reason.COMPLETED
    kept = {path: path.stat().st_mtime_ns for path in studio.segments("audio/160k")}
    lost = studio.segments("audio/64k")
    lost[-1].unlink()
    ended = ran(studio, "in.flac")
    assert ended.reason is Reason.COMPLETED, ended.message
    assert {path: path.stat().st_mtime_ns for path in studio.segments("audio/160k")} == kept
    assert studio.segments("audio/64k") == lost


def ran(studio: Studio, name: str, **spec: Any) -> Ended:
    return studio.run(studio.order(name, spec={**BOTH, **spec}))


def test_a_plan_of_sound_has_its_command_and_its_time(studio: Studio) -> None:
    """Mode Plan: the bit rates, FFmpeg's arguments, an estimate, and nothing stored."""
    ffmpeg(*tone(3.3), studio.input("in.mp3"))
    ended = ran(studio, "in.mp3", mode="Plan")
    assert ended.reason is Reason.COMPLETED, ended.message
    plan = ended.report.plan
    assert plan is not None
    assert plan.command is not None
    assert "160000" in plan.command
    assert plan.estimated_seconds is not None
    assert not studio.output.exists()


def test_damaged_sound_fails_with_its_time_or_is_concealed(studio: Studio) -> None:
    """An MP3 with a second of noise in it: InputDamaged by default; tolerated, it lasts as long, and the loss is told."""
    ffmpeg(*tone(4), "-c:a", "libmp3lame", "-b:a", "64k", studio.input("in.mp3"))
    data = bytearray(studio.input("in.mp3").read_bytes())
    for position in range(len(data) // 2, len(data) // 2 + 8000):
        data[position] = 0x55
    studio.input("in.mp3").write_bytes(data)
    failed = ran(studio, "in.mp3")
    assert failed.reason is Reason.INPUT_DAMAGED, failed.message
    assert "in stream 0, after" in failed.message
    ended = ran(studio, "in.mp3", onDamage="Tolerate")
    assert ended.reason is Reason.COMPLETED, ended.message
    assert "with damage: damage tolerated in stream 0 (audio)" in ended.message


def test_bit_rates_are_for_titles_of_sound(studio: Studio) -> None:
    """Beside video they are not used, and the notes say so."""
    ffmpeg(*picture(), *tone(), *X264, "-c:a", "aac", studio.input())
    ended = ran(studio, "in.mp4", mode="Plan", audio={"bitrates": ["96k"]})
    assert any("audio.bitrates are of titles of sound alone" in note for note in ended.notes)
