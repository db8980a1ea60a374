"""Any order of faults, cuts at any byte, the process killed at any byte: the bytes are those of one version, or none."""

import hashlib
import itertools
import random
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from narwhal_operator.contract.order import DirectoryStore
from narwhal_operator.contract.outcome import Reason
from tests.support.downloads import make_order
from tests.support.killable import Killable, Settings
from tests.support.origin import Exchange, File, Origin

KIB: Final = 1024
CONTENT = random.Random(31).randbytes(1_500_000)  # noqa: S311 - the same bytes in each run
OTHER = random.Random(32).randbytes(1_500_000)  # noqa: S311 - the same bytes in each run
PLAIN: Final = "application/zip"
"""No media: nobody looks into it when it is there, which would cost a second process."""
VERSIONS = (File(CONTENT, content_type=PLAIN), File(OTHER, etag='"v2"', content_type=PLAIN))
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ATTEMPTS: Final = 12

SMALL: Final[Settings] = {
    "workers.download.engine": {"FIRST_TICK_SECONDS": 0.0, "TICK_SECONDS": 0.02, "LEAST_BYTES": 8 * KIB},
    "workers.download.spans": {"CHUNK_LEAST": 32 * KIB, "CHUNK_MOST": 32 * KIB, "LEAST_BYTES": 8 * KIB},
    "workers.download.ramp": {"GROWTH": 64, "BUSY": 1000.0, "AGAIN_SECONDS": 0.1},
    "workers.download.fetch": {"FIRST_BYTES": 64 * KIB},
    "workers.download.retry": {"FIRST_SECONDS": 0.01, "PROGRESS_BYTES": 64 * KIB},
    "workers.download.part_file": {"CHECKPOINT_BYTES": 100 * KIB},
}

KINDS = (
    "cut", "cut", "reset", "500", "503", "429", "404", "closed", "less", "shifted", "version", "whole", "length", "garbage",
)  # fmt: skip
Fault = tuple[str, float]


@dataclass(slots=True)
class Unruly:
    """Answers request number n by fault n, where there is one; tells `kill` when so many bytes were sent in all."""

    faults: dict[int, Fault]
    changes_at: int | None
    kill: Callable[[], None] = lambda: None
    kill_at: int | None = None
    sent: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, exchange: Exchange) -> None:
        number = next(self._numbers)
        file = VERSIONS[self.changes_at is not None and number >= self.changes_at]
        kind, chance = self.faults.get(number, ("", 0.0))
        asked = file.asked(exchange)
        if kind in {"500", "503", "429", "404"}:
            exchange.respond(f"{kind} No", b"no", {"Retry-After": 0})
        elif kind == "closed":
            return
        elif kind == "garbage":
            exchange.send(b"SSH-2.0-OpenSSH\r\n")
        elif kind == "whole":
            self._send(exchange, File(file.content, etag=file.etag, content_type=PLAIN, ranges=False).begin(exchange))
        elif asked is not None and kind in {"less", "shifted", "version", "length"}:
            self._lie(exchange, file, kind, asked)
        else:
            body = file.begin(exchange)
            stop = int(len(body) * chance) if kind in {"cut", "reset"} else len(body)
            self._send(exchange, body[:stop])
            exchange.keep = stop == len(body)
            if kind == "reset":
                exchange.reset()

    def _lie(self, exchange: Exchange, file: File, kind: str, asked: tuple[int, int]) -> None:
        first, last = asked
        total = len(file.content)
        if kind == "less":
            last = (first + last) // 2
        elif kind == "shifted" and first:
            first, last = first - 1, last - 1
        elif kind == "length":
            total += 1
        body = (OTHER[::-1] if kind == "version" else file.content)[first : last + 1]
        fields: dict[str, str | int] = {"Content-Range": f"bytes {first}-{last}/{total}", "Content-Length": len(body)}
        more = {"ETag": '"lie"'} if kind == "version" else {}
        exchange.head("206 Partial Content", {**file.fields(), **fields, **more})
        self._send(exchange, body)

    def _send(self, exchange: Exchange, body: bytes) -> None:
        for start in range(0, len(body), 16 * KIB):
            block = body[start : start + 16 * KIB]
            exchange.send(block)
            with self._lock:
                self.sent += len(block)
                reached = self.kill_at is not None and self.sent >= self.kill_at
                if reached:
                    self.kill_at = None
            if reached:
                self.kill()


def attempt(handler: Unruly, directory: Path, url: str, number: int, spec: dict[str, Any]) -> Reason | None:
    """One attempt in a process of its own."""
    order = make_order(url, DirectoryStore(root=str(directory / "store")), head={"attempt": number}, **spec)
    process = Killable(order, directory, SMALL)
    handler.kill = process.kill
    return process.wait()


def stored(directory: Path) -> bytes | None:
    """The object, if it has appeared."""
    path = directory / "store" / "media" / "films" / "clip.bin"
    return path.read_bytes() if path.exists() else None


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    faults=st.dictionaries(st.integers(0, 60), st.tuples(st.sampled_from(KINDS), st.floats(0, 1)), max_size=14),
    kills=st.lists(st.integers(1, 2_000_000), max_size=3),
    changes_at=st.none() | st.integers(1, 60),
    connections=st.sampled_from([1, 3, 8]),
    proven=st.booleans(),
)
def test_the_bytes_are_right_or_there_are_none(
    faults: dict[int, Fault], kills: list[int], changes_at: int | None, connections: int, proven: bool
) -> None:
    """Whatever happens on the way: no object, or one that is a version of the file; and once the faults end, it is there."""
    spec: dict[str, Any] = {"connections": connections}
    if proven and changes_at is None:
        spec["checksum"] = {"sha256": SHA256}
    with tempfile.TemporaryDirectory() as name, Origin() as origin:
        directory = Path(name)
        handler = Unruly(faults, changes_at)
        url = origin.serve("/f", handler)
        pending = list(kills)
        for number in range(1, ATTEMPTS + 1):
            handler.kill_at = handler.sent + pending.pop() if pending else None
            ended = attempt(handler, directory, url, number, spec)
            found = stored(directory)
            assert found in {None, CONTENT, OTHER}
            assert (found is not None) is (ended is Reason.COMPLETED)
            if ended is Reason.COMPLETED:
                return
            if ended is not None:
                handler.faults = {}  # the operator would try again, later: by then the source has come to itself
        raise AssertionError("the download did not end well in all its attempts")
