"""I-frame playlists: ranges that hold exactly a picture which decodes, and a master that players still read."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import X264, Studio, assert_plays, ffmpeg, picture, tone
from workers.verify.playlist import parse


def frames_of(init: bytes, piece: bytes, path: Path) -> list[str]:
    """Type and whether it is a key frame, of each frame that decodes from a range behind the init segment."""
    path.write_bytes(init + piece)
    shown = ["-show_entries", "frame=pict_type,key_frame", "-of", "csv=p=0"]
    done = subprocess.run(
        ["ffprobe", "-v", "quiet", *shown, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    return [line.rstrip(",") for line in done.stdout.split()]  # side data add a comma


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_each_range_is_a_key_frame_that_decodes_alone(studio: Studio, tmp_path: Path, codec: str) -> None:
    """One picture a segment, byte by byte what the playlist says; the master names it and FFmpeg reads the master still."""
    ffmpeg(*picture("160x90", seconds=3.2), *tone(), *X264, "-c:a", "aac", studio.input())
    ladder: dict[str, Any] = {"ladder": {"renditions": [{"name": "low", "height": 72, "codec": codec}]}}
    ended = studio.run(studio.order(spec=ladder))
    assert ended.reason is Reason.COMPLETED, ended.message
    text = (studio.version / "low/iframes.m3u8").read_text()
    found = parse(text.encode(), "iframes.m3u8")
    assert found.i_frames
    init = (studio.version / "low/init.mp4").read_bytes()
    assert [entry.uri for entry in found.entries] == [path.name for path in studio.segments("low")]
    for entry in found.entries:
        assert entry.range is not None
        length, start = entry.range.count, entry.range.start
        piece = (studio.version / "low" / entry.uri).read_bytes()
        assert len(piece) > length
        assert frames_of(init, piece[start : start + length], tmp_path / "piece.mp4") == ["1,I"]
    master = parse((studio.output / "master.m3u8").read_bytes(), "master.m3u8")
    (tag,) = master.all("EXT-X-I-FRAME-STREAM-INF")
    assert (studio.output / tag.attributes["URI"]).read_text() == text
    assert 0 < int(tag.attributes["AVERAGE-BANDWIDTH"]) <= int(tag.attributes["BANDWIDTH"])
    assert_plays(studio.output / "master.m3u8", 80)
