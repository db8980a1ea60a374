"""Packed audio, FFmpeg's frames behind ID3 tags: read as it is, and what is wrong with one is found (RFC 8216 section 3.4)."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.transcode.studio import ffmpeg, tone
from tests.integration.verify.packs import Pack
from workers.verify import packed
from workers.verify.boxes import DamagedSegmentError
from workers.verify.frames import frames

KINDS = {
    "adts": (("-c:a", "aac"), "mp4a.40.2", 1024),
    "mp3": (("-c:a", "libmp3lame", "-write_xing", "0", "-id3v2_version", "0"), "mp4a.40.34", 1152),
    "ac3": (("-c:a", "ac3"), "ac-3", 1536),
    "eac3": (("-c:a", "eac3"), "ec-3", 1536),
}
"""By FFmpeg's muxer: how it is made, codec string, samples of a frame."""
RATE = 48_000
BEGIN = (1 << 33) - 90_000
"""The clock wraps after a second."""


def tagged(data: bytes, at: int) -> bytes:
    """A segment behind the tag that says when it starts, in 1/90000 s; sizes are of less than 128 bytes."""
    body = packed.OWNER + (at % (1 << 33)).to_bytes(8)
    frame = b"PRIV" + len(body).to_bytes(4) + bytes(2) + body
    return b"ID3\x04\0\0" + len(frame).to_bytes(4) + frame + data


def make(root: Path, kind: str, sound: tuple[str, ...] = ()) -> Pack:
    """Three seconds in segments of some thirty frames, with a playlist."""
    options, _, samples = KINDS[kind]
    whole = root / "whole"
    ffmpeg(*(sound or tone(3)), *options, "-ar", str(RATE), "-f", kind, whole)
    found = list(frames(whole.read_bytes(), 0))
    lines, at, byte = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXT-X-PLAYLIST-TYPE:VOD"], 0, 0
    for number in range(0, len(found), 30):
        some = found[number : number + 30]
        size = sum(frame.size for frame in some)
        data, byte = whole.read_bytes()[byte : byte + size], byte + size
        (root / f"{number}.sound").write_bytes(tagged(data, BEGIN + round(Fraction(at * 90_000, RATE))))
        lines += [f"#EXTINF:{len(some) * samples / RATE:.6f},", f"{number}.sound"]
        at += len(some) * samples
    (root / "media.m3u8").write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
    whole.unlink()
    return Pack(root)


@pytest.fixture
def sound(tmp_path: Path) -> Pack:
    """A package of AAC."""
    return make(tmp_path, "adts")


def broken(pack: Pack) -> set[str]:
    return set(pack.broken(["media.m3u8"]))


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_read_by_their_headers(tmp_path: Path, kind: str) -> None:
    """Codec, channels, sampling rate, and how long it lasts, over the clock's wrap; no rule of theirs is broken."""
    pack = make(tmp_path, kind)
    (found,) = pack.package(["media.m3u8"]).streams
    (track,) = found.tracks
    assert (found.container, found.kind) == ("packed", "audio")
    assert (track.codec, track.channels, track.sample_rate) == (KINDS[kind][1], 2, RATE)
    assert float(found.duration()) == pytest.approx(3, abs=0.1)
    assert broken(pack) == ({"stereo-present"} if "ac3" in kind else set())  # AC-3 wants AAC beside it


@pytest.mark.parametrize("kind", ["ac3", "eac3"])
def test_the_channels_of_surround_are_counted(tmp_path: Path, kind: str) -> None:
    """Five and that of low frequencies."""
    pack = make(tmp_path, kind, tuple(map(str, tone(3, layout="5.1"))))
    assert pack.package(["media.m3u8"]).streams[0].tracks[0].channels == 6


def test_a_segment_without_a_time_stamp_is_told(sound: Pack) -> None:
    """Its bytes are whole and begin with a frame."""
    path = sound.root / "30.sound"
    path.write_bytes(path.read_bytes()[path.read_bytes().index(b"\xff\xf1") :])
    assert broken(sound) == {"packed-audio-timed"}


def test_a_segment_that_is_cut_breaks_off(sound: Pack) -> None:
    """As half an upload leaves it."""
    path = sound.root / "30.sound"
    path.write_bytes(path.read_bytes()[:-50])
    assert broken(sound) == {"segments-whole"}


def test_a_segment_at_another_time_is_a_hole(sound: Pack) -> None:
    """A tenth of a second late."""
    path = sound.root / "30.sound"
    data = path.read_bytes()
    path.write_bytes(tagged(data[data.index(b"\xff\xf1") :], BEGIN + 57_600 + 9_000))
    assert broken(sound) == {"timeline-continuous"}


def test_a_duration_that_is_not_the_frames_is_told(sound: Pack) -> None:
    """By the playlist it lasts longer."""
    path = sound.root / "media.m3u8"
    path.write_text(path.read_text().replace("#EXTINF:0.640000", "#EXTINF:0.840000", 1))
    assert broken(sound) == {"extinf-true"}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(tagged(b"", 0), id="a-tag-alone"),
        pytest.param(b"ID3\x04\0\0\x7f\x7f\x7f\x7f", id="a-tag-longer-than-all"),
        pytest.param(b"\xff\xf1\x50\x80\0\x1f\xfc", id="a-frame-of-no-bytes"),
        pytest.param(b"\xff\xfb\xf0\x00" * 100, id="a-bit-rate-that-there-is-not"),
        pytest.param(b"\x0b\x77\0\0\xc0\x40" + bytes(50), id="a-sampling-rate-that-there-is-not"),
        pytest.param(b"\x0b\x77\0", id="a-header-that-breaks-off"),
    ],
)
def test_what_is_no_sound_is_damaged(data: bytes) -> None:
    """An error of its own, never another one."""
    with pytest.raises(DamagedSegmentError):
        packed.parse(data)


@given(st.sampled_from([b"\xff\xf1", b"\xff\xfb", b"\xff\xf3", b"\x0b\x77", b"ID3\x04"]), st.binary(max_size=400))
def test_whatever_the_bytes_are_is_sound_or_damaged(head: bytes, rest: bytes) -> None:
    """Nothing else is ever raised, and what is read lasts no negative time."""
    try:
        found = packed.parse(head + rest)
    except DamagedSegmentError:
        return
    assert found.fragment.samples > 0
    assert found.fragment.duration >= 0
