"""What the bytes of a file say of its container and of a cut."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transcode.fmp4 import box
from workers.transcode.sniff import Sniff, sniff


def of(data: bytes) -> Sniff:
    return sniff(io.BytesIO(data), len(data))


FTYP = box("ftyp", b"isom0000")
WHOLE = [
    pytest.param(FTYP + box("moov", b"x" * 40) + box("mdat", b"y" * 400), "mp4", id="fast-start"),
    pytest.param(FTYP + box("mdat", b"y" * 400) + box("moov", b"x" * 40), "mp4", id="index-at-the-end"),
    pytest.param(FTYP + box("moov") + struct.pack(">I4sQ", 1, b"mdat", 116) + bytes(100), "mp4", id="long-length"),
    pytest.param(FTYP + box("moov") + struct.pack(">I4s", 0, b"mdat") + bytes(99), "mp4", id="length-to-the-end"),
    pytest.param(FTYP + box("moov") + b"\xff\xff\xff\xffjunk!", "mp4", id="junk-behind-the-last-box"),
    pytest.param(b"\x1a\x45\xdf\xa3" + bytes(20) + b"\x18\x53\x80\x67\x85" + bytes(5), "matroska", id="matroska"),
    pytest.param(b"\x1a\x45\xdf\xa3\x18\x53\x80\x67\x01" + b"\xff" * 7 + bytes(50), "matroska", id="live-matroska"),
    pytest.param(b"RIFF" + struct.pack("<I", 92) + b"AVI " + bytes(88), "riff", id="avi"),
    pytest.param(b"FLV\x01\x05" + bytes(50), "flv", id="flv"),
    pytest.param((b"\x47" + bytes(187)) * 3, "mpegts", id="transport-stream"),
    pytest.param(b"ID3\x04" + bytes(100), "audio", id="mp3"),
    pytest.param(b"#EXTM3U\n#EXT-X-VERSION:3\n", None, id="playlist"),
    pytest.param(b"<!DOCTYPE html><html>", None, id="web-page"),
    pytest.param(b"", None, id="empty"),
]


@pytest.mark.parametrize(("data", "container"), WHOLE)
def test_a_whole_file_is_known_and_not_called_cut(data: bytes, container: str | None) -> None:
    """The container by its first bytes; no cut is seen where there is none."""
    assert of(data) == Sniff(container)


CUT = [
    pytest.param(FTYP + box("moov") + box("mdat", bytes(400))[:200], "box mdat at byte 24 has 408 bytes", id="half-of-mdat"),
    pytest.param(FTYP + box("mdat", bytes(40)), "no index", id="no-moov"),
    pytest.param(FTYP + box("moov") + b"\x00\x00\x00", "last box breaks off", id="half-of-a-header"),
    pytest.param(b"\x1a\x45\xdf\xa3" + bytes(8) + b"\x18\x53\x80\x67\x40\xff" + bytes(50), "Segment ends at byte 273", id="matroska"),
    pytest.param(b"RIFF" + struct.pack("<I", 920) + b"AVI " + bytes(88), "RIFF list ends at byte 928", id="avi"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "words"), CUT)
def test_a_cut_file_says_where(data: bytes, words: str) -> None:
    """By its own lengths, not by a demuxer's words."""
    assert words in (of(data).cut or "")


def test_a_transport_stream_that_ends_in_a_packet_is_ragged_and_not_refused_for_it() -> None:
    """Recorders stop anywhere: a sign, no proof."""
    found = of((b"\x47" + bytes(187)) * 3 + b"\x47" + bytes(50))
    assert (found.cut, found.ragged) == (None, "its last packet has 51 of 188 bytes")


@given(st.binary(max_size=300), st.sampled_from([b"", FTYP, b"\x1a\x45\xdf\xa3\x18\x53\x80\x67", b"RIFF", b"\x47"]))
def test_no_bytes_break_it(noise: bytes, start: bytes) -> None:
    """Whatever comes, it ends, with an answer."""
    assert isinstance(of(start + noise), Sniff)
