"""`narwhal` as a user's shell runs it: its own home and temporary directory, exit code, lines, what stays behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from narwhal_cli.leftovers import MARK
from tests.support.processes import until

SECONDS: Final = 120.0
NARWHAL: Final = (sys.executable, "-m", "narwhal_cli")
CLIP: Final = Path(__file__).resolve().parents[2] / "data/big-buck-bunny.mp4"
API: Final = "narwhal.dev/v1alpha1"
SMALL: Final[dict[str, Any]] = {
    "ladder": {"renditions": [{"name": "high", "height": 90}, {"name": "low", "height": 48}]},
    "packaging": {"segmentDuration": "1s"},
}


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines of standard output."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def outcomes(self) -> dict[str, dict[str, Any]]:
        """The outcomes by KIND/NAME."""
        return {f"{line['kind']}/{line['name']}": line["outcome"] for line in self.lines if "outcome" in line}

    @property
    def reasons(self) -> dict[str, str]:
        """The reasons of the outcomes by KIND/NAME."""
        return {name: outcome["reason"] for name, outcome in self.outcomes.items()}

    def notes(self, phase: str) -> list[str]:
        """The messages of the notes of a phase."""
        return [line["message"] for line in self.lines if line.get("phase") == phase and "message" in line]


@dataclass(slots=True)
class Shell:
    """A user with a home, a temporary directory and a store directory of this test's own."""

    home: Path
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        for directory in (self.temporary, self.store):
            directory.mkdir()
        foreign = ("AWS_", "NARWHAL_", "PYTHON", "COVERAGE", "COLUMNS", "LINES")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.environment = {**kept, "HOME": str(self.home), "TMPDIR": str(self.temporary)}

    @property
    def temporary(self) -> Path:
        """Where temporary files go."""
        return self.home / "tmp"

    @property
    def store(self) -> Path:
        """A directory for --store."""
        return self.home / "store"

    def write(self, *documents: dict[str, Any], name: str = "film.yaml") -> str:
        """A manifest; its name, relative to the home, which is the directory commands run in."""
        (self.home / name).write_text(yaml.safe_dump_all(documents))
        return name

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Starts it."""
        return subprocess.Popen(
            [*NARWHAL, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.environment, **environment},
            cwd=self.home,
            text=True,
        )

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> Ran:
        """Runs narwhal to its end."""
        with self.start(*arguments, **environment) as process:
            out, err = process.communicate(stdin, timeout=SECONDS)
            return Ran(process.returncode, out, err)

    def apply(self, *documents: dict[str, Any], **environment: str) -> Ran:
        """Runs documents against the store directory, loopback allowed; nothing may stay behind."""
        ran = self.run("run", "-f", self.write(*documents), "--store", "store", "--allow-private", **environment)
        assert self.processes() == []
        assert list(self.temporary.iterdir()) == []
        return ran

    @contextmanager
    def going(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """The command while it runs; killed in the end, if it still does."""
        with self.start(*arguments) as process:
            try:
                yield process
            finally:
                process.kill()
                self.gone()

    def processes(self, word: bytes = b"") -> list[int]:
        """The processes of runs of this shell's: guards, workers and all they started, with this word among their arguments."""
        mark = f"{MARK}={self.temporary}/".encode()
        found = []
        for path in Path("/proc").iterdir():
            try:
                variables = (path / "environ").read_bytes().split(b"\0") if path.name.isdigit() else []
                if any(v.startswith(mark) for v in variables) and word in (path / "cmdline").read_bytes():
                    found.append(int(path.name))
            except OSError:  # ended, or of another user
                continue
        return found

    @contextmanager
    def encoder_held(self) -> Iterator[None]:
        """Stops the encoder once it runs, until the block ends: a quick machine shows the phase too."""
        pid = until(self._encoder, SECONDS, "the encoder runs")
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def _encoder(self) -> int | None:
        return next(iter(self.processes(b"libx264")), None)

    def gone(self) -> None:
        """Waits until no process and no temporary file is left."""
        until(lambda: not self.processes() and not list(self.temporary.iterdir()), 30, "all of the run is gone")


def wait_for(process: "subprocess.Popen[str]", phase: str, **least: int) -> dict[str, Any]:
    """Reads JSON lines up to one of this phase with at least these figures."""
    assert process.stdout
    for text in process.stdout:
        line: dict[str, Any] = json.loads(text)
        if line.get("phase") == phase and all((line.get(name) or 0) >= count for name, count in least.items()):
            return line
    raise AssertionError(f"ended before {phase} {least}")


def ended(process: "subprocess.Popen[str]", number: int = signal.SIGINT) -> Ran:
    """Sends a signal and waits for the end."""
    process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS)
    return Ran(process.returncode, out, err)


def resource(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """A manifest of one of our kinds."""
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def download(name: str, *urls: str, key: str | None = None, **spec: Any) -> dict[str, Any]:
    """A DownloadJob to sources/NAME, one attempt unless the spec says more."""
    http = {"urls": list(urls), **spec.pop("http", {})}
    destination = {"bucket": "media", "key": key or f"sources/{name}"}
    return resource(
        "DownloadJob", name, **{"source": {"http": http}, "destination": destination, "backoffLimit": 0, **spec}
    )


def transcode(name: str, *, of: str | None = None, key: str = "", **spec: Any) -> dict[str, Any]:
    """A TranscodingJob to vod/NAME, of a DownloadJob or of a key, with a small ladder."""
    source = {"downloadJobRef": {"name": of}} if of else {"s3": {"bucket": "media", "key": key}}
    output = {"bucket": "media", "prefix": f"vod/{name}"}
    return resource("TranscodingJob", name, **{"input": source, "output": output, "backoffLimit": 0, **SMALL, **spec})


def secret(name: str, **values: str) -> dict[str, Any]:
    """A Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
