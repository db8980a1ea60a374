"""Titles in MPEG-2 transport streams through the real worker: what is stored, that it plays, that it is taken up again."""

import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.stages import by_parts, divided
from tests.integration.transcode.studio import AAC, X264, Ended, Studio, assert_plays, ffmpeg, picture, sound, tone
from workers.verify import ts
from workers.verify.playlist import parse

FRAMES: Final = 80
KID: Final = "00112233445566778899aabbccddeeff"
KEY: Final = "5f1d9c3ab27e84460fd1c2b3a4958677"
TABLES: Final = 2 * ts.PACKET
ENCRYPTED: Final = {"method": "AES-128", "keysFrom": {"secretRef": {"name": "film-keys"}}, "keyUri": "/keys/{kid}"}


def streams(**more: Any) -> dict[str, Any]:
    """A spec with transport streams of a second."""
    return {"packaging": {"segmentDuration": "1s", "segmentFormat": "ts", **more}}


def keys(base: Path) -> str:
    """A mounted Secret."""
    directory = base / "keys"
    directory.mkdir(exist_ok=True)
    (directory / KID).write_text(KEY)
    return str(directory)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Studio, Ended]:
    """A film with sound, thumbnails cut from what is stored, its quality measured, all of it decoded."""
    studio = Studio(tmp_path_factory.mktemp("streams"))
    ffmpeg(*picture(), *tone(), *X264, *AAC, studio.input())
    spec = {
        **streams(),
        "thumbnails": {"interval": "1s"},
        "quality": {"metric": "SSIM", "floor": 0.9},
        "verify": "Full",
    }
    return studio, studio.run(studio.order(spec=spec))


def test_it_is_published_and_every_rule_passes(published: tuple[Studio, Ended]) -> None:
    """Every segment is decoded; neither a MUST nor a SHOULD is broken; no object is of fragmented MP4."""
    studio, ended = published
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.result
    assert ended.result.result
    found = ended.result.result.verification
    assert (found.failed, found.warnings, found.decoded) == (0, 0, 12)
    assert list(studio.version.rglob("*.m4s")) == list(studio.version.rglob("init.mp4")) == []
    assert len(list(studio.version.rglob("*.ts"))) == 12


def test_players_show_every_frame_and_all_of_the_sound(published: tuple[Studio, Ended]) -> None:
    """FFmpeg's own reader, strictly, by the master playlist."""
    studio, _ = published
    assert_plays(studio.output / "master.m3u8", FRAMES)
    assert len(sound(studio.output / "master.m3u8")) == 150 * 1024


@pytest.mark.parametrize("path", ["high", "low", "audio/main"])
def test_all_segments_are_one_stream(published: tuple[Studio, Ended], path: str) -> None:
    """One after the other: no counter jumps, each time stamp follows (RFC 8216 section 3), the first is at ten seconds."""
    studio, _ = published
    whole = b"".join(one.read_bytes() for one in sorted((studio.version / path).glob("*.ts")))
    found = ts.parse(whole)
    (part,) = found.fragments
    assert found.gaps == ()
    assert part.start + part.offset == 10 * ts.CLOCK
    assert part.samples == (150 if path == "audio/main" else FRAMES)
    assert abs(part.duration - 3.2 * ts.CLOCK) <= FRAMES


def test_the_range_of_an_i_frame_is_a_picture_that_decodes_alone(
    published: tuple[Studio, Ended], tmp_path: Path
) -> None:
    """Behind the tables of its segment, which are its initialization section (RFC 8216 section 4.3.3.6)."""
    studio, _ = published
    found = parse((studio.version / "low/iframes.m3u8").read_bytes(), "iframes.m3u8")
    assert found.i_frames
    assert len(found.entries) == 4
    for entry in found.entries:
        assert entry.range
        data = (studio.version / "low" / entry.uri).read_bytes()
        piece = tmp_path / "piece.ts"
        piece.write_bytes(data[:TABLES] + data[entry.range.start :][: entry.range.count])
        argv = ["ffprobe", "-v", "quiet", "-show_entries", "frame=pict_type,key_frame", "-of", "csv=p=0", str(piece)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
        assert [line.rstrip(",") for line in done.stdout.split()] == ["1,I"]


@pytest.mark.parametrize("encrypted", [False, True], ids=["clear", "encrypted"])
def test_what_is_stored_is_taken_up_again(tmp_path: Path, encrypted: bool) -> None:
    """A lost segment of the middle and the tail are made anew, and join; all else stays as it was."""
    studio = Studio(tmp_path)
    ffmpeg(*picture(seconds=4), *tone(4), *X264, *AAC, studio.input())
    spec = streams(**({"encryption": ENCRYPTED} if encrypted else {}))
    order = studio.order(spec=spec, keys=keys(tmp_path) if encrypted else None)
    first = studio.run(order)
    assert first.reason is Reason.COMPLETED, first.message
    version = studio.version
    times = {path: path.stat().st_mtime_ns for path in version.rglob("*.ts")}
    lost = {version / "high/00001.ts", version / "low/00003.ts"}
    for path in (version / "outcome.json", *lost):
        path.unlink()
    again = studio.run(order)
    assert again.reason is Reason.COMPLETED, again.message
    assert set(version.rglob("*.ts")) == times.keys()
    assert {path for path, time in times.items() if path.stat().st_mtime_ns != time} == lost
    if not encrypted:
        assert_plays(studio.output / "master.m3u8", 100)
        whole = b"".join(one.read_bytes() for one in sorted((version / "high").glob("*.ts")))
        assert ts.parse(whole).gaps == ()


@pytest.mark.parametrize("encrypted", [False, True], ids=["clear", "encrypted"])
def test_several_pods_make_one_stream(tmp_path: Path, encrypted: bool) -> None:
    """Parts made apart join in their time stamps and counters, whoever made them."""
    studio = Studio(tmp_path)
    ffmpeg(*picture(seconds=6), *tone(6), *X264, *AAC, studio.input())
    spec = streams(**({"encryption": ENCRYPTED} if encrypted else {}))
    ended = by_parts(studio, divided(studio, spec=spec, keys=keys(tmp_path) if encrypted else None))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.result
    assert ended.result.result
    assert ended.result.result.verification.failed == 0
    if not encrypted:
        assert_plays(studio.output / "master.m3u8", 150)
        whole = b"".join(one.read_bytes() for one in sorted((studio.version / "low").glob("*.ts")))
        assert ts.parse(whole).gaps == ()


def test_one_rung_more_takes_the_others_and_another_format_none(tmp_path: Path) -> None:
    """Segments of the version before are taken by copy, as those of fragmented MP4 are; those themselves never."""
    studio = Studio(tmp_path)
    ffmpeg(*picture(), *tone(), *X264, *AAC, studio.input())
    assert studio.run(studio.order()).reason is Reason.COMPLETED
    other = studio.run(studio.order(spec=streams()))
    assert other.reason is Reason.COMPLETED, other.message
    assert "reused" not in " ".join(other.notes)
    rungs = [{"name": "high", "height": 90}, {"name": "middle", "height": 72}, {"name": "low", "height": 48}]
    more = studio.run(studio.order(spec={**streams(), "ladder": {"renditions": rungs}}))
    assert more.reason is Reason.COMPLETED, more.message
    assert "12 segments of 3 of 4 renditions" in " ".join(more.notes)
    assert_plays(studio.output / "master.m3u8", FRAMES)
