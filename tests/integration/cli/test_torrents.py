"""Torrents in a local run: fetched as in a cluster, and a transcode picks one file of several."""

from pathlib import Path
from typing import Any

from narwhal_operator.contract.reasons import TABLE, Reason
from tests.integration.cli.shell import CLIP, Shell, download, transcode
from tests.support.swarm import Seeder, Tracker, make_torrent


def picked(name: str, file: str | None = None) -> dict[str, Any]:
    """A plan of the download `show`, of a file of it or of the main one."""
    ref = {"name": "show"} | ({"file": file} if file else {})
    return transcode(name, input={"downloadJobRef": ref}, mode="Plan")


def test_a_transcode_takes_the_file_of_a_torrent_that_it_names(shell: Shell, film: bytes, tmp_path: Path) -> None:
    """By a .torrent file in the store; the largest video without a word; a wrong pattern has its reason and candidates."""
    files = {"show/big.mp4": CLIP.read_bytes(), "show/S1/e1.mp4": film, "show/notes.txt": b"hello"}
    with Tracker() as tracker:
        torrent = make_torrent(tmp_path / "seed", files, [tracker.url])
        (shell.store / "media").mkdir()
        (shell.store / "media/show.torrent").write_bytes(torrent.data)
        source = {"torrent": {"object": {"bucket": "media", "key": "show.torrent"}, "stallTimeout": "30s"}}
        with Seeder(torrent, [tracker.url]):
            ran = shell.apply(
                download("show", source=source), picked("main"), picked("named", "s1/*"), picked("wrong", "*.avi")
            )
    assert ran.code == TABLE[Reason.INPUT_FILE_UNMATCHED].code, ran.err
    assert ran.reasons == {
        "DownloadJob/show": "Completed",
        "TranscodingJob/main": "Completed",
        "TranscodingJob/named": "Completed",
        "TranscodingJob/wrong": "InputFileUnmatched",
    }
    seconds = {name: ran.outcomes[f"TranscodingJob/{name}"]["plan"]["durationSeconds"] for name in ("main", "named")}
    assert (round(seconds["main"]), round(seconds["named"])) == (5, 2)
    assert "'S1/e1.mp4'" in ran.outcomes["TranscodingJob/wrong"]["message"]
    for path, data in files.items():
        assert (shell.store / "media" / "sources" / path).read_bytes() == data
