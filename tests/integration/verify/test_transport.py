"""Transport streams, FFmpeg's and ours: read as they are, and what is wrong with one is found."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.transcode.studio import AAC, X264, ffmpeg, picture, tone
from tests.integration.verify.packs import Pack, make

KNOWN = {
    "bandwidth-true",
    "independent-declared",
    "average-bandwidth-said",
    "frame-rate-said",
    "i-frames-present",
    "variants-many",
}
"""What FFmpeg's own master playlist says wrong, or does not say."""
PACKET = 188
HLS = ("-f", "hls", "-hls_playlist_type", "vod", "-hls_time", "1", "-master_pl_name", "master.m3u8")
SEGMENT = "media1.ts"


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of FFmpeg's own."""
    root = tmp_path_factory.mktemp("transport")
    ffmpeg(*picture(), *tone(), *X264, "-g", "25", *AAC, *HLS, root / "media.m3u8")
    return root


@pytest.fixture
def transport(stream: Path, tmp_path: Path) -> Pack:
    """A copy of it."""
    return Pack.copy(stream, tmp_path / "pack")


def broken(pack: Pack) -> set[str]:
    return set(pack.broken(["master.m3u8"])) - KNOWN


def test_what_a_transport_stream_has_is_read(transport: Pack) -> None:
    """Tracks with codec strings, size and channels; times that join; 80 frames."""
    package = transport.package(["master.m3u8"])
    (found,) = package.streams
    video, audio = found.tracks
    assert (video.codec[:5], video.width, video.height) == ("avc1.", 160, 90)
    assert (audio.codec, audio.channels, audio.sample_rate) == ("mp4a.40.2", 2, 48_000)
    assert (found.container, found.kind, found.samples(), float(found.duration())) == ("ts", "video", 80, 3.2)
    assert broken(transport) == set()


def test_a_lost_packet_is_a_gap_in_its_counter(transport: Pack) -> None:
    """Of video, in the middle of a picture."""
    path = transport.root / SEGMENT
    data = path.read_bytes()
    lost = next(
        at
        for at in range(20 * PACKET, len(data), PACKET)
        if int.from_bytes(data[at + 1 : at + 3]) == 0x100 and data[at + 3] & 0x30 == 0x10
    )
    path.write_bytes(data[:lost] + data[lost + PACKET :])
    assert broken(transport) == {"continuity-counters"}


def test_a_segment_that_is_cut_is_no_whole_packets(transport: Pack) -> None:
    """As half an upload leaves it."""
    path = transport.root / SEGMENT
    path.write_bytes(path.read_bytes()[:-100])
    assert broken(transport) == {"segments-whole"}


def test_a_segment_that_is_left_out_is_a_hole(transport: Pack) -> None:
    """The one after it starts a second late."""
    path = transport.root / "media.m3u8"
    lines = path.read_text().splitlines(keepends=True)
    at = lines.index(f"{SEGMENT}\n")
    path.write_text("".join([*lines[: at - 1], *lines[at + 1 :]]))
    assert broken(transport) == {"timeline-continuous"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of our own; not to be changed."""
    return make(tmp_path_factory.mktemp("made"), segmentFormat="ts", manifests=["HLS"])


@pytest.fixture
def ours(made: Path, tmp_path: Path) -> Pack:
    """A copy of it."""
    return Pack.copy(made, tmp_path / "ours")


def test_our_own_breaks_no_rule(ours: Pack) -> None:
    """Neither a MUST nor a SHOULD, by who knows nothing of how it was made."""
    assert ours.broken(["master.m3u8"]) == {}


def packets(change: Callable[[bytearray], None], pid: int = 0x100) -> Callable[[Pack], None]:
    """Changes each packet of a PID of one segment."""

    def damage(pack: Pack) -> None:
        path = pack.path("low/00001.ts")
        data = bytearray(path.read_bytes())
        for at in range(0, len(data), PACKET):
            if int.from_bytes(data[at + 1 : at + 3]) & 0x1FFF == pid:
                packet = data[at : at + PACKET]
                change(packet)
                data[at : at + PACKET] = packet
        path.write_bytes(bytes(data))

    return damage


def counted_on(packet: bytearray) -> None:
    packet[3] = packet[3] & 0xF0 | packet[3] + 1 & 0xF


def later(packet: bytearray) -> None:
    """Adds two seconds to the time stamps at the beginning of a PES packet: the bits from 17 on count 0.36 s each."""
    at = packet.find(b"\0\0\1\xe0")
    if packet[1] & 0x40 and at > 0:
        for place in range(at + 9, at + 9 + packet[at + 8], 5):
            packet[place + 1] = packet[place + 1] + 2 & 0xFF


def no_idr(packet: bytearray) -> None:
    at = packet.find(b"\0\0\0\1\x65")
    if at > 0:
        packet[at + 4] = 0x61


def range_cut(pack: Pack) -> None:
    pack.sub("low/iframes.m3u8", r"^#EXT-X-BYTERANGE:[0-9]+@376\n00001", "#EXT-X-BYTERANGE:188@376\n00001")


def lost(pack: Pack) -> None:
    """The last packet but one that begins no picture."""
    path = pack.path("low/00001.ts")
    data = path.read_bytes()
    at = next(at for at in range(len(data) - 2 * PACKET, 0, -PACKET) if not data[at + 1] & 0x40)
    path.write_bytes(data[:at] + data[at + PACKET :])


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (packets(counted_on), "counters-continue"),
        (packets(later), "timeline-continuous"),
        (packets(no_idr), "starts-with-key"),
        (lost, "continuity-counters"),
        (range_cut, "i-frames-true"),
        (lambda pack: pack.replace("subtitles/main/00002.vtt", "MPEGTS:900000", "MPEGTS:0"), "subtitles-in-place"),
        (lambda pack: pack.replace("low/iframes.m3u8", "VERSION:4", "VERSION:3"), "version-covers"),
        (lambda pack: pack.replace("low/media.m3u8", "#EXTINF:1.000000", "#EXTINF:1.200000"), "extinf-true"),
        (lambda pack: pack.replace("master.m3u8", "160x90", "170x90"), "resolution-true"),
    ],
)
def test_what_is_wrong_with_ours_trips_its_rule(ours: Pack, damage: Callable[[Pack], None], rule: str) -> None:
    """That rule and no other."""
    damage(ours)
    found = ours.broken(["master.m3u8"])
    assert set(found) == {rule}, found
