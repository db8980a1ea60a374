"""CPUs, keys, playlists as they are read."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.transcode.cgroup import oom_kills
from workers.transcode.cpus import quota, threads
from workers.transcode.diagnose import failure
from workers.transcode.layout import VERSION, Layout, segment_index, segment_name
from workers.transcode.runner import Ended
from workers.transcode.sample import chosen
from workers.transcode.walk import Listing, lines


@pytest.mark.parametrize(
    ("text", "expected"), [("200000 100000", 2.0), ("50000 100000", 0.5), ("max 100000", math.inf)]
)
def test_a_quota_is_read_from_the_cgroup(tmp_path: Path, text: str, expected: float) -> None:
    """The file cpu.max of cgroup v2."""
    (tmp_path / "cpu.max").write_text(text)
    assert quota(tmp_path / "cpu.max") == expected


def test_no_cgroup_is_no_quota(tmp_path: Path) -> None:
    """A machine without one has all its CPUs."""
    assert quota(tmp_path / "none") == math.inf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("low 0\noom 3\noom_kill 2\noom_group_kill 0\n", 2),
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", 1),
        ("low 0\n", None),
    ],
    ids=["cgroup v2", "cgroup v1", "a kernel that does not count"],
)
def test_kills_for_want_of_memory_are_counted_by_the_cgroup(tmp_path: Path, text: str, expected: int | None) -> None:
    """The first counter that can be read; None without one."""
    (tmp_path / "counter").write_text(text)
    assert oom_kills((tmp_path / "none", tmp_path / "counter")) == expected
    assert oom_kills((tmp_path / "none",)) is None


@pytest.mark.parametrize(
    ("kills", "reason"),
    [(1, "OutOfMemory"), (None, "OutOfMemory"), (0, "EncoderFailed")],
    ids=["counted", "unknown", "none"],
)
async def test_a_killed_ffmpeg_is_out_of_memory_unless_the_kernel_says_no(
    tmp_path: Path, kills: int | None, reason: str
) -> None:
    """SIGKILL alone is a strong hint; a counter that stood still is a proof of something else."""
    unread: Any = None  # no stream of it is looked at
    error = await failure(Ended(-9, "", None, oom_kills=kills), unread, [], tmp_path)
    assert error.reason == reason


@pytest.mark.parametrize(("cpus", "expected"), [(0.1, 1), (1, 2), (2, 3), (4, 6), (1000, 64)])
def test_threads_follow_the_orders_cpus(cpus: float, expected: int) -> None:
    """One and a half a CPU, at least one, not without bound."""
    assert threads(cpus) == expected


def test_keys_are_below_the_version_and_pointers_above() -> None:
    """The layout of an output."""
    layout = Layout("vod/bbb", "0123456789abcdef")
    assert (layout.master, layout.order) == ("vod/bbb/master.m3u8", "vod/bbb/v/0123456789abcdef/order.json")
    match = VERSION.search(f"{layout.relative}/720p/media.m3u8")
    assert match is not None
    assert match[1] == layout.version


@given(st.integers(0, 10**7))
def test_a_segments_name_has_its_number(index: int) -> None:
    """FFmpeg's %05d grows where it must."""
    assert segment_index(segment_name(index)) == index


@pytest.mark.parametrize("name", ["init.mp4", "00000.m4s.tmp", "x00000.m4s", "1.m4s", "media.m3u8"])
def test_other_names_are_no_segments(name: str) -> None:
    """A temporary file is none."""
    assert segment_index(name) is None


@pytest.mark.parametrize(("segments", "expected"), [(1, 0), (2, 0), (3, 0), (4, 0), (8, 2)])
def test_the_sample_is_chosen_by_the_version_and_not_the_last(segments: int, expected: int) -> None:
    """Always the same for one version: 30 modulo the segments before the last."""
    assert chosen(segments, "000000000000001e") == expected


LISTED = b"""{
    "packets": [
        { "stream_index": 0, "dts": 0, "duration": 512, "flags": "K_" },
        { "stream_index": 1, "pts": 0, "dts": 0, "duration": 1024, "flags": "K_",
            "side_data_list": [
                {  }
            ] },
        { "stream_index": 0, "pts": 512, "dts": 512, "duration": 512, "flags": "__" },
        { "stream_index": 2, "flags": "__" },
        { "stream_index": 0, "pts": 1024, "duration": 512, "flags": "_D" }
    ],
    "streams": [
        { "index": 0, "tags": { "title": "%s" } }
    ],
    "chapters": [

    ],
    "format": { "nb_streams": 2 }
}
"""


@pytest.mark.parametrize("size", [1, 7, 64 * 1024])
def test_packets_and_header_are_read_from_ffprobes_lines(size: int) -> None:
    """However they come: side data are told apart, AVI's packets have decoding times only, a long title stays whole."""
    listing, text, title = Listing(), LISTED % (b"x" * 9000), "x" * 9000
    feed = lines(listing.line, 1_000_000)
    for start in range(0, len(text), size):
        feed(text[start : start + size])
    walk = listing.walk
    found = walk.scanners[0].result()
    assert found is not None
    assert (found.packets, found.shown, found.first, found.end) == (3, 2, 0, 1024)
    assert walk.ends == {0: 1536, 1: 1024}
    assert listing.header()["streams"] == [{"index": 0, "tags": {"title": title}}]
    assert listing.header()["format"] == {"nb_streams": 2}


@pytest.mark.parametrize("text", [b"", b"{\n\n}\n", b"noise\n", LISTED[:300], LISTED[:-3]])
def test_a_listing_that_breaks_off_has_no_header(text: bytes) -> None:
    """As of a file that ffprobe cannot open: no container is made up."""
    listing = Listing()
    feed = lines(listing.line)
    feed(text)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter|property"):
        listing.header()
