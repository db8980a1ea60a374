"""Codec strings and configuration boxes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transcode.fmp4 import avc_init, box, full
from workers.verify.boxes import DamagedSegmentError
from workers.verify.codecs import audio_config, configuration, same_codec
from workers.verify.init import read_init, read_tracks
from workers.verify.sps import avc_size
from workers.verify.ts import parse as parse_ts

HEVC = bytes([1, 0x21, 0x60, 0, 0, 0, 0xB0, 0, 0, 0, 0, 0, 93]) + bytes(8) + b"\x0f"
BOXES = [
    ("avc1", "avcC", bytes([1, 0x64, 0, 0x28, 0xFF]), "avc1.640028", 0),
    ("hvc1", "hvcC", HEVC, "hvc1.1.6.H93.b0", 0),
    ("av01", "av1C", bytes([0x81, 0x08, 0x40, 0]), "av01.0.08M.10", 0),
    ("vp09", "vpcC", bytes([1, 0, 0, 0, 2, 31, 0xA0]), "vp09.02.31.10", 0),
    ("Opus", "dOps", bytes([0, 6]), "Opus", 6),
    ("ac-3", "dac3", bytes([0x10, 0x3D, 0xE0]), "ac-3", 6),
    ("ec-3", "dec3", bytes([0, 0, 0x20, 0x0F, 0]), "ec-3", 6),
    ("zzzz", "none", b"", "zzzz", 0),
]


@pytest.mark.parametrize(("entry", "name", "content", "codec", "channels"), BOXES, ids=[case[0] for case in BOXES])
def test_a_codec_is_told_by_its_box(entry: str, name: str, content: bytes, codec: str, channels: int) -> None:
    """Profile, tier, level and depth, or channels, as the bindings write them."""
    data = box(name, content)
    found = configuration(entry, data, 0, len(data))
    assert (found.codec, found.channels) == (codec, channels)


@pytest.mark.parametrize(
    ("said", "true", "same"),
    [
        ("avc1.64001F", "avc1.64001f", True),
        ("avc1.64001f", "avc1.640020", False),
        ("av01.0.08M.10.0.110.09.16.09.0", "av01.0.08M.10", True),
        ("av01.0.08M.08", "av01.0.08M.10", False),
        ("opus", "Opus", True),
    ],
)
def test_codec_strings_that_mean_the_same(said: str, true: str, *, same: bool) -> None:
    """Case aside; the optional tail of AV1 aside."""
    assert same_codec(said, true) is same


@pytest.mark.parametrize(
    ("data", "kind", "channels"),
    [(bytes([0x11, 0x90]), 2, 2), (bytes([0x2B, 0x92, 0x08, 0]), 5, 2), (bytes([0x17, 0x80, 0, 0, 8]), 2, 1)],
)
def test_audio_configurations(data: bytes, kind: int, channels: int) -> None:
    """AAC-LC, HE-AAC, and a sampling rate that is written out."""
    assert audio_config(data) == (kind, channels)


def test_an_encrypted_track_is_what_it_was_and_protected() -> None:
    """Frma says the entry it stands for."""
    plain = avc_init()
    at = plain.index(b"avcC") - 4
    sinf = box("sinf", box("frma", b"avc1"))
    grown = bytearray(plain[:at] + sinf + plain[at:])
    for name in (b"avc1", b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        where = plain.index(name) - 4
        struct.pack_into(">I", grown, where, struct.unpack_from(">I", plain, where)[0] + len(sinf))
    found = read_init(bytes(grown).replace(b"avc1", b"encv", 1))
    assert (found.codec, found.protected) == ("avc1.64001e", True)


def test_a_timescale_of_nothing_is_damage() -> None:
    """Times would be divided by it."""
    with pytest.raises(DamagedSegmentError, match="timescale"):
        read_init(avc_init(timescale=0))


def test_the_default_duration_of_a_track_is_read() -> None:
    """trex, where neither fragment nor run says."""
    init = avc_init()
    moov = init.index(b"moov") - 4
    mvex = box("mvex", full("trex", struct.pack(">5I", 1, 1, 512, 0, 0)))
    grown = bytearray(init + mvex)
    struct.pack_into(">I", grown, moov, len(init) - moov + len(mvex))
    assert read_tracks(bytes(grown))[0].default_duration == 512


@given(st.binary(max_size=60), st.sampled_from(BOXES))
def test_no_bytes_break_the_readers(noise: bytes, case: tuple[str, str, bytes, str, int]) -> None:
    """Noise over the configuration of any track gives a track or DamagedSegmentError."""
    init = avc_init().replace(b"avc1", case[0].encode()).replace(b"avcC", case[1].encode())
    at = init.index(case[1].encode()) + 4
    try:
        read_tracks(init[:at] + noise + init[at + len(noise) :])
    except DamagedSegmentError as error:
        assert str(error)  # noqa: PT017 - both ends are right, and this one has words


@given(st.binary(max_size=60))
def test_no_parameter_set_breaks_its_reader(noise: bytes) -> None:
    """A size, or that it breaks off."""
    try:
        assert len(avc_size(b"\x67" + noise)) == 2
    except IndexError as error:
        assert "breaks off" in str(error)  # noqa: PT017 - both ends are right


@given(st.lists(st.binary(min_size=187, max_size=187), min_size=1, max_size=6))
def test_no_packets_break_the_reader_of_transport_streams(packets: list[bytes]) -> None:
    """Tracks, or DamagedSegmentError."""
    try:
        parse_ts(b"".join(b"\x47" + packet for packet in packets))
    except DamagedSegmentError as error:
        assert str(error)  # noqa: PT017 - both ends are right, and this one has words
