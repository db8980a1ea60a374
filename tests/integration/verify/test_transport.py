"""Transport streams, which Narwhal does not make: read as they are, and what is wrong with one is found."""

from pathlib import Path

import pytest

from tests.integration.transcode.studio import AAC, X264, ffmpeg, picture, tone
from tests.integration.verify.packs import Pack

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
