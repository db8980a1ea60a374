"""The worker as a process: what it says, where, and that no secret is among it."""

import json
import random
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import TABLE, Reason, WorkOutcome
from narwhal_operator.contract.report import WorkerReport
from tests.integration.download.conftest import Place
from tests.support.downloads import Worker, make_order
from tests.support.origin import Exchange, File, Handler, Origin, status
from tests.support.processes import free_ports, until
from tests.support.seaweed import SECRET_KEY, S3Server

CONTENT = random.Random(8).randbytes(3_000_000)  # noqa: S311 - the same bytes in each run
TOKEN = "Bearer s3cr3t-t0ken"  # noqa: S105 - made up
ENOUGH = {"NARWHAL_LOG_LEVEL": "debug"}


def test_success_is_code_0_with_outcome_and_termination_message(
    origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """The last line of the reports and the termination file hold the same outcome, with the artifact."""
    worker = Worker(make_order(origin.serve("/f", File(CONTENT)), directory.store), tmp_path).start()
    code, outcome, _ = worker.wait()
    assert code == 0
    assert outcome is not None
    assert (outcome.reason, outcome.uid, outcome.attempt, outcome.work_digest) == (Reason.COMPLETED, "uid-1", 1, "w1")
    assert outcome.artifact is not None
    assert outcome.artifact.size == len(CONTENT)
    assert WorkOutcome.model_validate_json((tmp_path / "termination").read_text()) == outcome


def test_failure_is_the_code_of_its_reason(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """The exit code is the number of the reason."""
    worker = Worker(make_order(origin.serve("/f", status("404 Not Found")), directory.store), tmp_path).start()
    code, outcome, _ = worker.wait()
    assert outcome is not None
    assert (code, outcome.reason) == (TABLE[Reason.SOURCE_NOT_FOUND].code, Reason.SOURCE_NOT_FOUND)


def failing(name: str) -> Handler:
    """Origins that end a download in different ways."""
    handlers: dict[str, Handler] = {
        "done": File(CONTENT),
        "denied": status("403 Forbidden"),
        "redirected": status("302 Found", {"Location": "http://169.254.169.254/?token=tok3n"}),
        "cut": File(CONTENT).cut(1000),
    }
    return handlers[name]


@pytest.mark.parametrize("name", ["done", "denied", "redirected", "cut"])
def test_no_secret_is_in_any_output(name: str, origin: Origin, s3: S3Server, tmp_path: Path) -> None:
    """Headers, store keys and the query of the URL are in no report, log, outcome or file, at the loudest log level."""
    handler = failing(name)
    (tmp_path / "headers").mkdir()
    (tmp_path / "headers" / "Authorization").write_text(TOKEN)
    order = make_order(
        f"{origin.serve('/f', handler)}?token=tok3n",
        s3.secret(),
        bucket=s3.bucket("media"),
        key=f"{name}.bin",
        headers=str(tmp_path / "headers"),
        http={"headersFrom": {"secretRef": {"name": "origin-auth"}}},
    )
    code, _, said = Worker(order, tmp_path, ENOUGH).start().wait()
    said += (tmp_path / "termination").read_text()
    assert (code == 0) is (name == "done")
    for secret in ("s3cr3t-t0ken", SECRET_KEY, "tok3n"):
        assert secret not in said
    for key in s3.keys("media", ".narwhal/"):
        assert b"tok3n" not in s3.get("media", key)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "truncated"),
        ("{}", "kind"),
        ('{"kind": "TranscodingJob"}', "head"),
        ('{"kind": "DownloadJob", "spec": {"source": "tok3n"}, "head": {"uid": "u-7", "attempt": 3}}', "$.spec.source"),
        ('{"kind": "DownloadJob", "head": {"uid": "u-7", "task": "tok3n - at x"}}', "$.head.task"),
    ],
)
def test_an_order_that_is_none_is_told_as_such(text: str, word: str, tmp_path: Path) -> None:
    """A malformed order ends as InvalidOrder with code 12, naming the field and never repeating its value."""
    (tmp_path / "order.json").write_text(text)
    argv = [sys.executable, "-m", "workers.download", "--order", str(tmp_path / "order.json"), "--report"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    outcome = WorkOutcome.model_validate(json.loads(done.stdout)["outcome"])
    assert (done.returncode, outcome.reason) == (12, Reason.INVALID_ORDER)
    assert word in outcome.message
    assert "tok3n" not in done.stdout + done.stderr
    assert outcome.uid == ("u-7" if "u-7" in text else "")


def test_a_missing_order_file_is_told_as_such(tmp_path: Path) -> None:
    """The path of the order stands in the message."""
    argv = [sys.executable, "-m", "workers.download", "--order", str(tmp_path / "none.json"), "--report"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 12
    assert "none.json" in done.stdout


def test_progress_metrics_and_health_are_served(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """While it runs: /progress is a WorkerReport of this attempt, /metrics has the counters, /healthz is 200."""
    port = free_ports(1)[0]
    released: list[bool] = []

    def waiting(exchange: Exchange) -> None:
        body = File(CONTENT).begin(exchange)
        exchange.send(body[:1_000_000])
        until(lambda: released, 30, "the look at the reports")
        exchange.send(body[1_000_000:])

    order = make_order(origin.serve("/f", waiting), directory.store, connections=1)
    path = tmp_path / "order.json"
    path.write_text(json.dumps(order.wire()))
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.download", "--order", str(path), "--listen", f"127.0.0.1:{port}"],
        stderr=subprocess.DEVNULL,
    )

    def get(name: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=5) as answer:
                text: bytes = answer.read()
                return text.decode()
        except OSError:
            return ""

    def report() -> WorkerReport | None:
        text = get("progress")
        found = WorkerReport.model_validate_json(text) if text else None
        return found if found and found.download and found.download.bytes_done >= 1_000_000 else None

    found = until(report, 30, "a report with a million bytes")
    assert (found.kind, found.uid, found.attempt, found.phase) == ("DownloadJob", "uid-1", 1, "Downloading")
    assert found.download is not None
    assert found.download.percent == 33
    assert "narwhal_download_received_bytes_total 1e+06" in get("metrics")
    assert get("healthz") == "ok\n"
    released.append(True)
    assert process.wait(30) == 0


def test_reports_come_at_most_twice_a_second(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """Over two seconds of a slow download there are reports, in order, and not more than two a second."""

    def slow(exchange: Exchange) -> None:
        body = File(CONTENT).begin(exchange)
        for start in range(0, len(body), 150_000):
            exchange.send(body[start : start + 150_000])
            time.sleep(0.1)  # the source's own pace: what is tested is that it is slow

    order = make_order(origin.serve("/f", slow), directory.store)
    worker = Worker(order, tmp_path).start()
    started = time.monotonic()
    out, _ = worker.process.communicate()
    passed = time.monotonic() - started
    reports = [json.loads(line)["report"] for line in out.splitlines() if line.startswith('{"report"')]
    counts = [report["download"]["bytesDone"] for report in reports if "download" in report]
    assert counts == sorted(counts)
    assert 3 <= len(reports) <= passed / 0.5 + 2


def test_a_worker_whose_reader_is_gone_stops(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """When whoever reads the reports is no more, the worker ends as if told to stop: nothing runs on unseen."""

    def slow(exchange: Exchange) -> None:
        body = File(CONTENT).begin(exchange)
        for start in range(0, len(body), 1000):
            exchange.send(body[start : start + 1000])
            time.sleep(0.05)  # the source's own pace: it would go on for minutes

    order = make_order(origin.serve("/f", slow), directory.store)
    worker = Worker(order, tmp_path).start()
    assert worker.process.stdout is not None
    worker.process.stdout.readline()
    worker.process.stdout.close()
    assert worker.process.wait(30) == 10


def test_a_bug_of_ours_is_an_internal_error(directory: Place, tmp_path: Path) -> None:
    """An exception nobody thought of ends with InternalError and code 11; its text and traceback are in the log only."""
    script = (
        "from workers.common.worker import main\n"
        "async def run(order, context):\n    raise KeyError('s3cr3t')\n"
        "main('DownloadJob', run)\n"
    )
    path = tmp_path / "order.json"
    path.write_text(json.dumps(make_order("http://127.0.0.1:1/f", directory.store).wire()))
    argv = [sys.executable, "-c", script, "--order", str(path), "--report"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    outcome = WorkOutcome.model_validate(json.loads(done.stdout.splitlines()[-1])["outcome"])
    assert (done.returncode, outcome.reason) == (11, Reason.INTERNAL_ERROR)
    assert "KeyError" in outcome.message
    assert "s3cr3t" not in done.stdout
    assert "Traceback" in done.stderr


def test_a_full_store_has_its_reason(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """When no more can be written the worker ends with StoreFull, and nothing stands under the key."""
    script = (
        "import resource, runpy\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "runpy.run_module('workers.download', run_name='__main__', alter_sys=True)\n"
    )
    path = tmp_path / "order.json"
    path.write_text(json.dumps(make_order(origin.serve("/f", File(CONTENT)), directory.store).wire()))
    argv = [sys.executable, "-c", script, "--order", str(path), "--report"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    outcome = WorkOutcome.model_validate(json.loads(done.stdout.splitlines()[-1])["outcome"])
    assert outcome.reason is Reason.STORE_FULL, outcome.message
    assert "ake room" in outcome.message
    assert directory.objects() == {}
