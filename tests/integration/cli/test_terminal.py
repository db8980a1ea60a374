"""What a person at a terminal sees: a real pseudo-terminal, its bytes read as they come."""

import codecs
import errno
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from dataclasses import dataclass, field
from typing import Self

import pytest

from narwhal_operator.contract.reasons import TABLE, Reason
from tests.integration.cli.shell import CLIP, NARWHAL, SECONDS, Shell, download, transcode
from tests.support.origin import Exchange, File, Origin
from tests.support.processes import until

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@dataclass(slots=True)
class Terminal:
    """narwhal with a terminal of 120 columns as its standard streams."""

    shell: Shell
    arguments: tuple[str, ...]
    seen: str = ""
    over: bool = False
    decoder: codecs.IncrementalDecoder = field(default_factory=codecs.getincrementaldecoder("utf-8"))
    master: int = field(init=False)
    process: "subprocess.Popen[bytes]" = field(init=False)

    def __enter__(self) -> Self:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.process = subprocess.Popen(
            [*NARWHAL, *self.arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=self.shell.home,
            env={**self.shell.environment, "TERM": "xterm-256color"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - one syscall, so that ^C is for it
        )
        os.close(slave)
        os.set_blocking(self.master, False)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.hang_up()
        self.shell.gone()

    def hang_up(self) -> None:
        """Closes the window."""
        if self.master >= 0:
            os.close(self.master)
        self.master = -1

    def read(self) -> str:
        """All that has been shown, without escape sequences."""
        try:
            while part := os.read(self.master, 1 << 16):
                self.seen += self.decoder.decode(part)
        except BlockingIOError:
            self.over = False  # nothing now; there may be more, also of a process that has ended
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self.over = True  # nobody has the terminal open any more, and all of it is read
        return ESCAPES.sub("", self.seen)

    def shows(self, words: str) -> str:
        """Waits until the words are shown; all that has been."""
        until(lambda: words in self.read(), SECONDS, f"{words!r} is shown")
        return self.read()

    def end(self) -> tuple[int, str]:
        """Waits for the end: the exit code and all that was shown."""
        until(lambda: (self.read(), self.over)[1], SECONDS, "the end of what is shown")
        return self.process.wait(SECONDS), self.read()


def test_bars_move_and_a_line_a_work_stays(shell: Shell, origin: Origin) -> None:
    """Phase, percent and segments in a bar while it goes on; in the end what was made, in one line each."""
    origin.serve("/film.mp4", File(CLIP.read_bytes()))
    manifest = shell.write(download("bbb", origin.url("/film.mp4")), transcode("bbb", of="bbb"))
    with Terminal(shell, ("run", "-f", manifest, "--store", "store", "--allow-private")) as terminal:
        with shell.encoder_held():
            terminal.shows("Encoding")
        code, shown = terminal.end()
    assert code == 0
    assert re.search(r"TranscodingJob/bbb \w+ +━+.* +\d+%", shown)
    assert re.search(r"DownloadJob/bbb: Complete: media/sources/bbb, [\d.]+ MiB, sha256 [0-9a-f]{64}\n", shown)
    assert re.search(r"TranscodingJob/bbb: Complete: file:///\S+/master.m3u8, high low, \d+s, .* frames\n", shown)
    assert '{"time"' not in shown


def test_rate_and_bytes_of_a_download_are_shown(shell: Shell, origin: Origin, film: bytes) -> None:
    """Bytes done of all, while the rest does not come."""

    def half(exchange: Exchange) -> None:
        exchange.send(File(film).begin(exchange)[: len(film) // 2])
        exchange.silence()

    manifest = shell.write(download("bbb", origin.serve("/half.mp4", half)))
    with Terminal(shell, ("run", "-f", manifest, "--store", "store", "--allow-private")) as terminal:
        seen = until(
            lambda: re.search(r"Downloading .* ([\d.]+) KiB of ([\d.]+) KiB", terminal.read()), SECONDS, "bytes"
        )
    assert float(seen[1]) == pytest.approx(float(seen[2]) / 2, abs=0.1)


def test_ctrl_c_ends_it_and_says_how_to_go_on(shell: Shell, origin: Origin) -> None:
    """The terminal sends SIGINT to all of the foreground; workers are told by narwhal alone."""
    manifest = shell.write(download("bbb", origin.serve("/slow.mp4", Exchange.silence)))
    with Terminal(shell, ("run", "-f", manifest, "--store", "store", "--allow-private")) as terminal:
        terminal.shows("Connecting")
        os.write(terminal.master, b"\x03")
        code, shown = terminal.end()
    assert code == TABLE[Reason.CANCELLED].code
    assert "Cancelled: what is finished is kept; run the same command again to go on." in shown
    assert "Traceback" not in shown


def test_a_closed_window_ends_the_run(shell: Shell, origin: Origin) -> None:
    """SIGHUP, and a terminal that can no longer be written to: nothing of the run stays."""
    manifest = shell.write(download("bbb", origin.serve("/slow.mp4", Exchange.silence)))
    with Terminal(shell, ("run", "-f", manifest, "--store", "store", "--allow-private")) as terminal:
        terminal.shows("Connecting")
        terminal.hang_up()
        assert terminal.process.wait(SECONDS)
        shell.gone()


def test_a_failure_is_one_line(shell: Shell, origin: Origin) -> None:
    """What, where, how to mend."""
    manifest = shell.write(download("bbb", origin.url("/gone.mp4")))
    with Terminal(shell, ("run", "-f", manifest, "--store", "store", "--allow-private")) as terminal:
        code, shown = terminal.end()
    assert code == TABLE[Reason.SOURCE_NOT_FOUND].code
    assert re.search(r"error: DownloadJob/bbb: SourceNotFound: .* \(narwhal explain SourceNotFound\)\n", shown)


@pytest.mark.parametrize("arguments", [("-o", "json"), ("--output", "json")])
def test_json_lines_are_given_on_demand(shell: Shell, arguments: tuple[str, ...]) -> None:
    """`-o json` wins over the terminal."""
    manifest = shell.write(download("bbb", "https://origin.example/x", suspend=True))
    with Terminal(shell, ("run", "-f", manifest, "--store", "store", *arguments)) as terminal:
        code, shown = terminal.end()
    assert code == 0
    assert shown.startswith('{"time"')


def test_the_table_of_reasons_fits_the_terminal(shell: Shell) -> None:
    """`narwhal explain` shows columns, wrapped to the width."""
    with Terminal(shell, ("explain",)) as terminal:
        code, shown = terminal.end()
    assert code == 0
    assert [reason.value for reason in Reason if reason.value not in shown] == []
    assert max(len(line) for line in shown.splitlines()) <= 120
