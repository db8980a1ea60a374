"""The server of /progress."""

import json
import socket
import urllib.request
from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.report import WorkerReport
from workers.common.context import Context
from workers.common.serve import serve


def context(scratch: Path) -> Context:
    """Of a run that has begun."""
    return Context(scratch, WorkerReport(kind="TranscodingJob", uid="u", attempt=1, phase="Starting"))


def test_no_name_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose name server does not answer starts at once, and tells its progress."""

    def asked(*names: object) -> str:
        raise AssertionError(f"looked up: {names}")

    for name in ("getfqdn", "gethostbyaddr", "gethostname"):
        monkeypatch.setattr(socket, name, asked)
    port = serve("127.0.0.1:0", context(tmp_path))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/progress", timeout=5) as answer:
        assert json.load(answer)["phase"] == "Starting"


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """The outcome names the option and what to give."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(WorkError, match=rf"--listen 127\.0\.0\.1:{port}: .*give HOST:PORT of a free port") as told:
            serve(f"127.0.0.1:{port}", context(tmp_path))
    assert told.value.reason is Reason.INTERNAL_ERROR
