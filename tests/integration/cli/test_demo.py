"""`make demo` without make: the clip from origin to a ladder that a player opens, and nothing left of it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3

from narwhal_operator.contract.reasons import TABLE, Reason
from tests.integration.cli.shell import Shell
from tests.support.processes import until

DEMO = Path(__file__).parents[3] / "hack/demo.py"
SECONDS = 180


@contextmanager
def demo(shell: Shell, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """The demo as a process; killed in the end, if it still runs."""
    with subprocess.Popen(
        [sys.executable, DEMO],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**shell.environment, **environment},
        cwd=shell.home,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def below(pid: int) -> list[int]:
    """The processes below one."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in children for found in (int(child), *below(int(child)))]


def fetched(url: str, **fields: str) -> tuple[int, dict[str, str], bytes]:
    answer = urllib3.request("GET", url, headers=fields, timeout=30, retries=False)
    return answer.status, dict(answer.headers), answer.data


def test_the_result_is_served_until_it_is_told_to_end(shell: Shell) -> None:
    """Verification and URL are printed; players get types, ranges and CORS; SIGTERM ends all that was started."""
    with demo(shell) as process:
        assert process.stdout
        shown = ""
        for line in process.stdout:
            shown += line
            if "Served until Ctrl-C" in line:
                break
        assert "passed  decodes-strictly" in shown, shown
        assert "FAILED" not in shown
        found = re.search(r"ffplay (http://127\.0\.0\.1:\S+)", shown)
        assert found
        status, headers, master = fetched(found[1])
        assert (status, headers["Content-Type"]) == (200, "application/vnd.apple.mpegurl")
        assert headers["Access-Control-Allow-Origin"] == "*"
        rung = next(line for line in master.decode().splitlines() if line.endswith("/media.m3u8"))
        playlist = found[1].replace("master.m3u8", rung)
        segment = next(line for line in fetched(playlist)[2].decode().splitlines() if line.endswith(".m4s"))
        status, headers, part = fetched(playlist.replace("media.m3u8", segment), Range="bytes=4-7")
        assert (status, headers["Content-Type"], len(part)) == (206, "video/iso.segment", 4)
        assert "immutable" in headers["Cache-Control"]
        started = below(process.pid)
        assert started
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
        until(lambda: not [pid for pid in started if Path(f"/proc/{pid}").exists()], 30, "what it started is gone")
    assert list(shell.temporary.iterdir()) == []


def test_a_stop_in_the_middle_leaves_nothing(shell: Shell) -> None:
    """Told to end while it encodes: the run is cancelled, and servers and files are gone."""
    with demo(shell) as process:
        assert process.stdout
        phases = (json.loads(line).get("phase") for line in process.stdout if line.startswith("{"))
        assert "Encoding" in phases
        started = below(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == TABLE[Reason.CANCELLED].code
        until(lambda: not [pid for pid in started if Path(f"/proc/{pid}").exists()], 30, "what it started is gone")
    assert list(shell.temporary.iterdir()) == []


def test_without_ffmpeg_it_says_what_to_install(shell: Shell) -> None:
    """No package manager is called here: that is for `make demo`, which may not be allowed to."""
    (shell.home / "bin").mkdir()
    with demo(shell, PATH=os.fspath(shell.home / "bin")) as process:
        out, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == TABLE[Reason.PROGRAM_MISSING].code
        assert "sudo apt-get install ffmpeg" in out
