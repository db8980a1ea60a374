"""What bad input gets: each sort ends with a reason of its own, a message with the mend, and nothing is published."""

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.order import S3Store
from narwhal_operator.contract.outcome import TABLE, Reason
from tests.integration.transcode.studio import AAC, CLIP, X264, Ended, Studio, assert_plays, ffmpeg, picture, tone
from workers.common.directory import DirectoryStore
from workers.common.store import ObjectInfo
from workers.transcode import limits

Maker = Callable[[Path, Path], None]


def cut(how: str, *codecs: str) -> Maker:
    """Makes a file of that extension and leaves half of it."""

    def make(path: Path, work: Path) -> None:
        whole = work / f"whole.{how}"
        ffmpeg(*picture(), *tone(), *(codecs or (*X264, *AAC)), whole)
        data = whole.read_bytes()
        path.write_bytes(data[: len(data) // 2])

    return make


def flipped(how: str, *, seed: int = 1) -> Maker:
    """Makes a file of that extension and flips bits in the middle of it."""

    def make(path: Path, work: Path) -> None:
        whole = work / f"whole.{how}"
        ffmpeg(*picture(), *tone(), *X264, *AAC, whole)
        data = bytearray(whole.read_bytes())
        noise = random.Random(seed)  # noqa: S311 - the same bits each time
        for _ in range(300):
            data[noise.randrange(len(data) // 4, len(data) // 4 * 3)] ^= 1 << noise.randrange(8)
        path.write_bytes(data)

    return make


def text(content: str) -> Maker:
    def make(path: Path, _: Path) -> None:
        path.write_text(content)

    return make


def made(*arguments: str) -> Maker:
    return lambda path, _: ffmpeg(*arguments, path)


def noise(path: Path, _: Path) -> None:
    path.write_bytes(random.Random(3).randbytes(200_000))  # noqa: S311 - the same bytes each time


def pixel_bomb(path: Path, _: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "color=s=8192x8192:d=0.1:r=10", *X264, path)


def many_streams(path: Path, _: Path) -> None:
    ffmpeg(*picture(seconds=0.2), *tone(0.2), "-map", "0:v", *(["-map", "1:a"] * 70), *X264, "-c:a", "aac", path)


def subtitles_only(path: Path, work: Path) -> None:
    words = work / "words.srt"
    words.write_text("1\n00:00:00,500 --> 00:00:01,500\nHello\n")
    ffmpeg("-i", words, "-c:s", "srt", path)


def cut_sound(path: Path, work: Path) -> None:
    whole = work / "whole.wav"
    ffmpeg(*tone(), whole)
    path.write_bytes(whole.read_bytes()[:200_000])


def without(word: bytes, *flags: str) -> Maker:
    """Makes an MP4 that ends before a box."""

    def make(path: Path, _: Path) -> None:
        ffmpeg(*picture(), *X264, *flags, path)
        data = path.read_bytes()
        path.write_bytes(data[: data.index(word) - 4])

    return make


KEY = "0123456789abcdef0123456789abcdef"
SECRET = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", KEY, "-encryption_kid", KEY)
WEB_PAGE = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>" + "<p>Please sign in.</p>" * 4000
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{}\n#EXT-X-ENDLIST\n"
REFUSED: list[tuple[str, str, Maker, Reason, str]] = [
    ("0-bytes", "in.mp4", lambda path, _: path.touch(), Reason.INPUT_EMPTY, "0 bytes"),
    ("text", "in.mp4", text("This is a text, no film.\n" * 500), Reason.INPUT_NOT_MEDIA, "Give an MP4"),
    ("web-page", "in.mp4", text(WEB_PAGE), Reason.INPUT_NOT_MEDIA, "Give an MP4"),
    ("random-bytes", "in.mp4", noise, Reason.INPUT_NOT_MEDIA, "Give an MP4"),
    ("picture", "in.mp4", made(*picture(seconds=0.04), "-frames:v", "1", "-f", "image2", "-c:v", "png", "-update", "1"), Reason.INPUT_NOT_MEDIA, "Give an MP4"),
    ("subtitles-only", "in.mkv", subtitles_only, Reason.NO_VIDEO, "neither a video nor an audio stream"),
    ("cut-sound", "in.wav", cut_sound, Reason.INPUT_TRUNCATED, "was cut"),
    ("cut", "in.mp4", cut("mp4"), Reason.INPUT_TRUNCATED, "was cut"),
    ("cut-fast-start", "in.mp4", cut("mp4", *X264, *AAC, "-movflags", "faststart"), Reason.INPUT_TRUNCATED, "was cut"),
    ("cut-fragmented", "in.mp4", cut("mp4", *X264, *AAC, "-movflags", "frag_keyframe+empty_moov", "-g", "10"), Reason.INPUT_TRUNCATED, "was cut"),
    ("cut-matroska", "in.mkv", cut("mkv"), Reason.INPUT_TRUNCATED, "was cut"),
    ("cut-avi", "in.avi", cut("avi", "-c:v", "mpeg4"), Reason.INPUT_TRUNCATED, "was cut"),
    ("cut-flash-video", "in.flv", cut("flv", *X264, "-c:a", "aac"), Reason.INPUT_TRUNCATED, "was cut"),
    ("flipped", "in.mp4", flipped("mp4"), Reason.INPUT_DAMAGED, "strict decoder"),
    ("flipped-transport-stream", "in.ts", flipped("ts"), Reason.INPUT_DAMAGED, "strict decoder"),
    ("pixel-bomb", "in.mp4", pixel_bomb, Reason.INPUT_OVER_LIMITS, "8192x8192"),
    ("pixel-bomb-transport-stream", "in.ts", pixel_bomb, Reason.INPUT_OVER_LIMITS, "8192x8192"),
    ("many-streams", "in.mp4", many_streams, Reason.INPUT_OVER_LIMITS, "71 streams"),
    ("one-pixel", "in.avi", made("-f", "lavfi", "-i", "color=s=2x2:d=1,format=gray,crop=1:1:0:0", "-c:v", "ffv1", "-pix_fmt", "gray"), Reason.INPUT_DAMAGED, "no frame that can be shown"),
    ("no-frames", "in.mp4", without(b"moof", "-movflags", "frag_keyframe+empty_moov"), Reason.INPUT_DAMAGED, "no frame that can be shown"),
    ("no-index", "in.mp4", without(b"moov"), Reason.INPUT_TRUNCATED, "no index"),
    ("encrypted", "in.mp4", made(*picture(), *X264, *SECRET), Reason.INPUT_DAMAGED, "strict decoder"),
    ("concat-script", "in.mp4", text("ffconcat version 1.0\nfile other.ts\n"), Reason.INPUT_NOT_MEDIA, "playlists are refused"),
    ("dash-manifest", "in.mp4", text('<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>'), Reason.INPUT_NOT_MEDIA, "playlists are refused"),
    ("playlist-of-itself", "in.mp4", text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nin.mp4\n"), Reason.INPUT_NOT_MEDIA, "playlists are refused"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "reason", "words"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED])
def test_bad_input_ends_with_its_reason_and_publishes_nothing(
    studio: Studio, tmp_path: Path, name: str, make: Maker, reason: Reason, words: str
) -> None:
    """The reason is of this sort alone, the message names the file or the limit and what to do."""
    make(studio.input(name), tmp_path)
    ended = studio.run(studio.order(name))
    assert ended.reason is reason, ended.message
    assert words in ended.message
    assert not (studio.output / "master.m3u8").exists()


MEMORY = 400 * 1024
"""Kilobytes; a decoder that is let at the bomb takes more than 500 MB."""


PEAK = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""
"""Says the peak of a program and of all it waited for. Its own child: what exec replaces counts as well, and this is small."""


def test_a_pixel_bomb_takes_no_memory(studio: Studio, tmp_path: Path) -> None:
    """200 KB that would be frames of 8192x8192, which only their own headers tell: nobody ever holds one."""
    pixel_bomb(studio.input("in.ts"), tmp_path)
    said = tmp_path / "peak"
    worker = studio.start(studio.order("in.ts"), sys.executable, "-IS", "-c", PEAK, str(said))
    assert worker.wait(60) == TABLE[Reason.INPUT_OVER_LIMITS].code
    assert int(said.read_text()) < MEMORY


def test_half_of_a_transport_stream_is_not_published(studio: Studio, tmp_path: Path) -> None:
    """It declares no end: the last frame, cut in half, is what a strict decoder refuses."""
    cut("ts")(studio.input("in.ts"), tmp_path)
    ended = studio.run(studio.order("in.ts"))
    assert ended.reason in {Reason.INPUT_TRUNCATED, Reason.INPUT_DAMAGED}, ended.message
    assert not (studio.output / "master.m3u8").exists()


def test_a_playlist_cannot_read_another_tenants_media(studio: Studio, tmp_path: Path) -> None:
    """A playlist named .mp4 that names a file elsewhere is refused at once: that file, a pipe, would block who opens it."""
    os.mkfifo(tmp_path / "secret.ts")
    studio.input().write_text(PLAYLIST.format((tmp_path / "secret.ts").as_uri()))
    began = time.monotonic()
    ended = studio.run(studio.order())
    assert ended.reason is Reason.INPUT_NOT_MEDIA
    assert time.monotonic() - began < limits.PROBE_SECONDS / 2


def test_a_name_like_an_option_is_only_a_name(studio: Studio) -> None:
    """Programs are given a descriptor, never the key."""
    ffmpeg(*picture(), *X264, studio.input("good.mp4"))
    studio.input("good.mp4").rename(studio.input("good.mp4").with_name("-y -i; rm.mp4"))
    ended = studio.run(studio.order("-y -i; rm.mp4"))
    assert ended.reason is Reason.COMPLETED, ended.message


def test_an_input_that_does_not_exist(studio: Studio) -> None:
    """InputNotFound, with its name."""
    ended = studio.run(studio.order("nowhere.mp4"))
    assert (ended.reason, "media/nowhere.mp4" in ended.message) == (Reason.INPUT_NOT_FOUND, True)


def test_an_input_that_is_not_what_was_downloaded(studio: Studio) -> None:
    """The order knows the digest that the DownloadJob measured."""
    studio.input().write_bytes(CLIP.read_bytes())
    ended = studio.run(studio.order(input_sha256="0" * 64))
    assert ended.reason is Reason.INPUT_CHANGED


def test_a_ladder_above_the_input(studio: Studio) -> None:
    """LadderEmpty: the message says how many lines would do."""
    ffmpeg(*picture(), *X264, studio.input())
    ended = studio.run(studio.order(spec={"ladder": {"renditions": [{"name": "uhd", "height": 2160}]}}))
    assert ended.reason is Reason.LADDER_EMPTY
    assert "at most 90 lines" in ended.message


def test_a_missing_program(studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ProgramMissing, with the package that brings it."""
    studio.input().write_bytes(CLIP.read_bytes())
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = studio.run(studio.order())
    assert (ended.reason, "apt-get install ffmpeg" in ended.message) == (Reason.PROGRAM_MISSING, True)


def test_a_missing_secret(studio: Studio, tmp_path: Path) -> None:
    """SecretNotFound, naming the Secret."""
    store = S3Store(credentials=str(tmp_path / "none"), secret="narwhal-storage")  # noqa: S106 - a name
    ended = studio.run(studio.order(store=store))
    assert (ended.reason, "narwhal-storage" in ended.message) == (Reason.SECRET_NOT_FOUND, True)


def test_a_failed_run_again_leaves_what_is_published_playing(studio: Studio, tmp_path: Path) -> None:
    """The same output, a damaged input now: the master of before still plays every frame."""
    ffmpeg(*picture(), *X264, studio.input())
    assert published(studio).reason is Reason.COMPLETED
    master = (studio.output / "master.m3u8").read_bytes()
    flipped("mp4")(studio.input(), tmp_path)
    ended = published(studio)
    assert ended.reason is Reason.INPUT_DAMAGED, ended.message
    assert (studio.output / "master.m3u8").read_bytes() == master
    assert_plays(studio.output / "master.m3u8", 80)


def published(studio: Studio) -> Ended:
    return studio.run(studio.order())


def test_an_input_that_is_written_to_meanwhile(studio: Studio) -> None:
    """InputChanged, and nothing is published: in a directory store the input is a link."""
    ffmpeg(*picture(seconds=8), *X264, studio.input())
    order = studio.order()

    class Written(DirectoryStore):
        def put_file(self, bucket: str, key: str, path: Path, **about: Any) -> ObjectInfo:
            os.utime(studio.input())
            return super().put_file(bucket, key, path, **about)

    ended = studio.run(order, Written(studio.root))
    assert ended.reason is Reason.INPUT_CHANGED, ended.message
    assert not (studio.output / "master.m3u8").exists()


def test_damage_is_told_with_its_stream_and_its_time(studio: Studio) -> None:
    """Frame 40 of 80 is overwritten: what decodes ends at 1.6 s, and the message says so, up to the two frames in the decoder."""
    path = studio.input()
    ffmpeg(*picture(), *X264, "-g", "1", path)
    argv = ["ffprobe", "-v", "error", "-show_entries", "packet=pos", "-of", "csv=p=0", str(path)]
    listed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    position = int(listed[40].split(",")[0])
    data = bytearray(path.read_bytes())
    data[position : position + 4] = b"\xff" * 4  # the length of its first NAL unit
    path.write_bytes(data)
    ended = studio.run(studio.order())
    assert ended.reason is Reason.INPUT_DAMAGED, ended.message
    told = re.search(r"in stream 0, after (\d\.\d\d) s", ended.message)
    assert told, ended.message
    assert 1.52 <= float(told[1]) <= 1.6
