"""Programs under watch: what ends them, what is known of it, and that they are gone."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import Reason, WorkError
from tests.integration.transcode.studio import X264, Studio, ffmpeg, picture
from workers.transcode import diagnose, limits, runner
from workers.transcode.cgroup import oom_kills
from workers.transcode.progress import Block

BLOCK = "frame=1\\nout_time_us=40000\\nprogress=continue\\n"


def shell(script: str, fd: int) -> Sequence[str]:
    return ["sh", "-c", script.replace("PROGRESS", str(fd))]


def ended(pid: int) -> bool:
    """Whether a process is no more, or only waits for its parent to ask how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def seen(what: Callable[[], bool]) -> None:
    """Waits until something is so; ten seconds are an error."""
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 - what is waited for knows no events
            await asyncio.sleep(0.01)


async def test_a_program_ends_with_its_code_its_last_words_and_its_last_progress() -> None:
    """Exit code, the tail of standard error, the last report."""
    blocks: list[Block] = []
    script = f"printf '{BLOCK}' >/dev/fd/PROGRESS; echo first >&2; echo last >&2; exit 3"
    found = await runner.run(lambda fd: shell(script, fd), on_progress=blocks.append)
    assert (found.code, found.killed_by, found.stalled) == (3, None, False)
    assert found.tail == "first\nlast\n"
    assert found.last == blocks[-1] == Block(1, 40_000, ended=False)


async def test_a_program_has_a_group_of_its_own_in_the_session_of_the_worker() -> None:
    """A group, for it is killed as one; no session, for the kernel shares evenly between sessions, and `nice` is of one."""
    words = bytearray()
    await runner.run(lambda fd: shell("exec cat /proc/self/stat", fd), on_output=words.extend)
    fields = words.decode().rpartition(")")[2].split()
    group, session = int(fields[2]), int(fields[3])
    assert group == int(words.split()[0]) != os.getpgid(0)
    assert session == os.getsid(0)


async def test_much_is_said_and_little_is_kept() -> None:
    """A megabyte of errors neither blocks the program nor fills the memory."""
    found = await runner.run(lambda fd: shell("head -c 1000000 /dev/zero | tr '\\0' x >&2; echo end >&2", fd))
    assert found.code == 0
    assert found.tail.endswith("xend\n")
    assert len(found.tail) == limits.STDERR_TAIL


async def test_a_program_whose_progress_says_nothing_new_is_killed() -> None:
    """The same report again is no progress."""
    script = f"while :; do printf '{BLOCK}' >/dev/fd/PROGRESS; sleep 0.05; done"
    found = await runner.run(lambda fd: shell(script, fd), bounds=runner.Bounds(stall_seconds=0.5))
    assert (found.stalled, found.killed_by) == (True, signal.SIGKILL)


async def test_a_program_over_its_wall_clock_is_killed_with_its_children() -> None:
    """The whole group."""
    words = bytearray()
    bounds = runner.Bounds(stall_seconds=None, wall_seconds=0.5)
    found = await runner.run(lambda fd: shell("sleep 60 & echo $!; wait", fd), bounds=bounds, on_output=words.extend)
    assert found.stalled
    await seen(lambda: ended(int(words)))


async def test_a_cancelled_run_leaves_no_program() -> None:
    """Cancelled while it runs: killed and waited for."""
    words = bytearray()
    task = asyncio.create_task(runner.run(lambda fd: shell("echo $$; exec sleep 60", fd), on_output=words.extend))
    await seen(lambda: words.endswith(b"\n"))
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 1
    assert ended(int(words))


async def test_a_held_program_waits_and_is_not_called_stalled() -> None:
    """While the store is slow FFmpeg stands still; let go, it ends as it would have."""
    program = runner.Program()
    script = 'i=0; while [ $i -lt 6 ]; do i=$((i+1)); printf "frame=$i\\nprogress=continue\\n" >/dev/fd/PROGRESS; sleep 0.05; done'
    task = asyncio.create_task(
        runner.run(lambda fd: shell(script, fd), bounds=runner.Bounds(stall_seconds=0.6), program=program)
    )
    await seen(lambda: program.last is not None)
    program.hold(True)
    await asyncio.sleep(1.2)
    assert not task.done()
    program.hold(False)
    found = await task
    assert (found.code, found.stalled) == (0, False)


async def test_a_program_is_bound_in_file_size() -> None:
    """RLIMIT_FSIZE is set on what is started."""
    words = bytearray()
    await runner.run(lambda fd: shell("sleep 0.3; ulimit -f", fd), on_output=words.extend)
    assert int(words) * 512 == limits.FILE_SIZE


def test_a_program_that_is_missing_is_named_with_its_package() -> None:
    """By name, with what to install."""
    with pytest.raises(WorkError, match="apt-get install ffmpeg") as caught:
        runner.require("no-such-ffmpeg")
    assert caught.value.reason is Reason.PROGRAM_MISSING


# Where the kernel counts its kills for memory, a kill by somebody else is known as such.
KILLED = Reason.OUT_OF_MEMORY if oom_kills() is None else Reason.ENCODER_FAILED
FAILURES = [
    pytest.param("kill -9 $$", KILLED, "killed" if oom_kills() is None else "signal 9", id="killed"),
    pytest.param("kill -SEGV $$", Reason.ENCODER_FAILED, "signal 11", id="crashed"),
    pytest.param("echo broken >&2; exit 187", Reason.ENCODER_FAILED, "exit code 187", id="failed"),
    pytest.param("exec sleep 60", Reason.NO_PROGRESS, "no progress", id="hangs"),
]


async def test_what_was_killed_judges_no_media() -> None:
    """A probe or decode that somebody killed is tried again: its verdict would be final."""
    with pytest.raises(WorkError, match="killed") as caught:
        await runner.ask(lambda fd: shell("kill -9 $$", fd))
    assert caught.value.reason is KILLED
    assert (await runner.ask(lambda fd: shell("exit 3", fd))).code == 3


def shim(directory: Path, how: str) -> None:
    """An ffmpeg that breaks in its own way where it encodes, and is the real one elsewhere."""
    real = "/usr/bin/ffmpeg"
    script = f'#!/bin/sh\ncase "$*" in *libx264*) {how};; *) exec {real} "$@";; esac\n'
    (directory / "ffmpeg").write_text(script)
    (directory / "ffmpeg").chmod(0o755)


@pytest.mark.parametrize(("how", "reason", "words"), FAILURES)
def test_a_broken_encoder_is_told_from_a_broken_input(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, reason: Reason, words: str
) -> None:
    """The input decodes without the encoder: so it is not the input's fault, and is tried again."""
    ffmpeg(*picture(), *X264, studio.input())
    shim(tmp_path, how)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(limits, "STALL_SECONDS", 1.0)
    ended = studio.run(studio.order())
    assert ended.reason is reason, ended.message
    assert words in ended.message


def test_a_full_scratch_volume_is_told_from_a_broken_encoder(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the room that is left on it."""
    ffmpeg(*picture(), *X264, studio.input())
    shim(tmp_path, "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(diagnose, "FULL_BYTES", 1 << 62)
    assert studio.run(studio.order()).reason is Reason.SCRATCH_FULL
