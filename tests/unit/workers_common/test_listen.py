"""A worker listens at once and answers once its start is over."""

import socket
import urllib.request
from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.report import WorkerReport
from workers.common.context import Context
from workers.common.listen import listen


def context() -> Context:
    """The surroundings of a run that has just begun."""
    return Context(Path("scratch"), WorkerReport(kind="DownloadJob", uid="uid", attempt=1, phase="Starting"))


def test_who_asks_before_it_answers_is_answered_all_the_same() -> None:
    """The connection waits in the backlog of the socket, which is there from the first moment on."""
    port = listen("127.0.0.1:0", context())
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/progress", timeout=30) as answer:
        assert WorkerReport.model_validate_json(answer.read()).phase == "Starting"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000"])
def test_what_is_no_address_is_told_at_once(address: str) -> None:
    """Not by a thread, later: the worker ends with the mend."""
    with pytest.raises(WorkError) as caught:
        listen(address, context())
    assert caught.value.reason is Reason.INTERNAL_ERROR
    assert "give HOST:PORT of a free port" in caught.value.message


def test_a_port_that_is_taken_is_told_at_once() -> None:
    """Another process listens there."""
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(WorkError) as caught:
        listen(f"127.0.0.1:{other.getsockname()[1]}", context())
    assert "in use" in caught.value.message
