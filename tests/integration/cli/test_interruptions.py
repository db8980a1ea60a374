"""A run that is stopped or killed leaves nothing behind but what the next run goes on from."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.reasons import TABLE, Reason
from tests.integration.cli.shell import Shell, download, ended, transcode, wait_for
from tests.support.origin import Exchange, File, Origin
from tests.support.processes import until

CLIP = Path(__file__).parents[2] / "data/big-buck-bunny.mp4"
CANCELLED = TABLE[Reason.CANCELLED].code
SHORT: dict[str, Any] = {
    "packaging": {"segmentDuration": "1s"},
    "ladder": {"renditions": [{"name": "high", "height": 360}]},
}


def long_job(shell: Shell) -> tuple[str, ...]:
    """The arguments of a run that encodes for seconds."""
    (shell.store / "media").mkdir()
    shutil.copy(CLIP, shell.store / "media/bbb.mp4")
    return ("run", "-f", shell.write(transcode("bbb", key="bbb.mp4", **SHORT)), "--store", "store")


def segments(shell: Shell) -> dict[Path, int]:
    """The video segments that are stored, with the time of their last change."""
    return {path: path.stat().st_mtime_ns for path in shell.store.glob("media/vod/bbb/v/*/high/*.m4s")}


def begun(shell: Shell, process: "subprocess.Popen[str]") -> dict[Path, int]:
    """Waits until a segment is stored; those that are."""
    wait_for(process, "Encoding")
    return until(lambda: segments(shell), 60, "a segment is stored")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_the_run_and_the_next_goes_on(shell: Shell, number: signal.Signals) -> None:
    """The run ends Cancelled and says how to go on; the next one encodes what is missing and nothing twice."""
    arguments = long_job(shell)
    with shell.going(*arguments) as process:
        before = begun(shell, process)
        ran = ended(process, number)
        assert ran.code == CANCELLED
        assert ran.reasons == {"TranscodingJob/bbb": "Cancelled"}
        assert ran.err == "Cancelled: what is finished is kept; run the same command again to go on.\n"
        assert shell.processes() == []
        assert list(shell.temporary.iterdir()) == []
    assert not (shell.store / "media/vod/bbb/master.m3u8").exists()
    again = shell.run(*arguments)
    assert again.code == 0, again.err
    after = segments(shell)
    assert before.items() <= after.items()
    assert (shell.store / "media/vod/bbb/master.m3u8").exists()


def test_a_killed_run_leaves_no_process_and_no_secret(shell: Shell) -> None:
    """After SIGKILL worker and FFmpeg end, the temporary directory is removed, and the next run goes on."""
    arguments = long_job(shell)
    with shell.going(*arguments) as process:
        before = begun(shell, process)
        assert len(shell.processes()) >= 3  # guard, worker, FFmpeg
        process.kill()
        shell.gone()
    assert shell.run(*arguments).code == 0
    assert before.items() <= segments(shell).items()


def test_a_killed_worker_is_started_again(shell: Shell) -> None:
    """A worker that is killed from outside loses no segment, and FFmpeg does not go on without it."""
    (shell.store / "media").mkdir()
    shutil.copy(CLIP, shell.store / "media/bbb.mp4")
    manifest = shell.write(transcode("bbb", key="bbb.mp4", **SHORT, backoffLimit=2))
    with shell.going("run", "-f", manifest, "--store", "store") as process:
        begun(shell, process)
        os.kill(worker(shell), signal.SIGKILL)
        line = wait_for(process, "Retrying")
        assert "killed from outside" in line["message"]
        process.communicate(timeout=120)
        assert process.returncode == 0


def worker(shell: Shell) -> int:
    """The process of the worker."""
    return min(shell.processes(b"workers.transcode"))


def test_a_killed_guard_leaves_nothing_either(shell: Shell) -> None:
    """The run clears up after a guard that was killed, then tries again as after a lost pod."""
    with shell.going(*long_job(shell)) as process:
        begun(shell, process)
        os.kill(min(shell.processes(b"guard.py")), signal.SIGKILL)
        out, _ = process.communicate(timeout=120)
        assert process.returncode == TABLE[Reason.POD_LOST].code  # backoffLimit is 0
        assert '"PodLost"' in out
        shell.gone()


def test_published_work_is_not_done_again(shell: Shell, film: bytes) -> None:
    """A second run of the same manifest finds all in the store and changes nothing."""
    (shell.store / "media").mkdir()
    (shell.store / "media/film.mp4").write_bytes(film)
    arguments = ("run", "-f", shell.write(transcode("bbb", key="film.mp4")), "--store", "store")
    assert shell.run(*arguments).code == 0
    before = segments(shell)
    again = shell.run(*arguments)
    assert again.code == 0
    assert "Encoding" not in [line.get("phase") for line in again.lines]
    assert before
    assert segments(shell) == before


def test_jobs_that_wait_are_cancelled_too(shell: Shell, origin: Origin) -> None:
    """Ctrl-C ends what goes on and what waits for it; each has its outcome."""
    url = origin.serve("/slow.mp4", Exchange.silence)
    manifest = shell.write(download("bbb", url), transcode("bbb", of="bbb"))
    with shell.going("run", "-f", manifest, "--store", "store", "--allow-private") as process:
        wait_for(process, "Connecting")
        ran = ended(process)
        assert ran.code == CANCELLED
        assert set(ran.reasons.items()) == {("DownloadJob/bbb", "Cancelled"), ("TranscodingJob/bbb", "Cancelled")}


def test_a_killed_download_is_made_whole_by_the_next_run(shell: Shell, origin: Origin, film: bytes) -> None:
    """Half a file never shows under the key; the next run ends with the whole."""

    def half(exchange: Exchange) -> None:
        exchange.send(File(film).begin(exchange)[: len(film) // 2])
        exchange.silence()

    url = origin.serve("/half.mp4", half)
    arguments = ("run", "-f", shell.write(download("bbb", url)), "--store", "store", "--allow-private")
    with shell.going(*arguments) as process:
        wait_for(process, "Downloading", bytesDone=1)
        process.kill()
        shell.gone()
    assert not (shell.store / "media/sources/bbb").exists()
    origin.serve("/half.mp4", File(film))
    assert shell.run(*arguments).code == 0
    assert (shell.store / "media/sources/bbb").read_bytes() == film


def test_a_reader_that_goes_away_ends_the_run(shell: Shell, origin: Origin) -> None:
    """`narwhal run … | head -1`: nobody reads any more, so the run ends, without a traceback."""
    url = origin.serve("/slow.mp4", Exchange.silence)
    with shell.going("run", "-f", shell.write(download("bbb", url)), "--store", "store", "--allow-private") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == CANCELLED
        assert "Traceback" not in process.stderr.read()


def test_no_secret_stands_in_argv_or_in_a_worker_s_environment(shell: Shell, origin: Origin) -> None:
    """Every user reads /proc/*/cmdline; FFmpeg and libraries need no store credentials in their environment."""
    url = origin.serve("/slow.mp4", Exchange.silence)
    shell.environment |= {"AWS_ACCESS_KEY_ID": "hunter2-id", "AWS_SECRET_ACCESS_KEY": "hunter2-key"}
    manifest = shell.write(download("bbb", url))
    with shell.going("run", "-f", manifest, "--store", "s3://127.0.0.1:9?tls=false", "--allow-private") as process:
        wait_for(process, "Starting")
        pids = shell.processes()
        assert len(pids) >= 2
        for pid in pids:
            proc = Path(f"/proc/{pid}")
            assert b"hunter2" not in (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
        (directory,) = shell.temporary.iterdir()
        assert directory.stat().st_mode & 0o777 == 0o700
        assert (directory / "store/secretAccessKey").stat().st_mode & 0o777 == 0o600
