"""Counters of a worker as a scrape sees them, and the log lines it writes."""

import json
import subprocess
import sys

import pytest

from workers.common.metrics import Counter, Metrics

REQUESTS = Counter("narwhal_test_requests", "Requests.", ("status",))


def test_counters_are_told_in_prometheus_text() -> None:
    """Each series has its labels; gauges stand beside."""
    metrics = Metrics()
    metrics.add(REQUESTS, status="2xx")
    metrics.add(REQUESTS, 2, status="5xx")
    text = metrics.text({"narwhal_test_gauge": ("A gauge.", 7.0)}).decode()
    assert 'narwhal_test_requests_total{status="2xx"} 1.0' in text
    assert 'narwhal_test_requests_total{status="5xx"} 2.0' in text
    assert "narwhal_test_gauge 7.0" in text
    assert metrics.total(REQUESTS) == 3


def test_a_label_that_is_not_declared_is_a_bug() -> None:
    """Labels are bounded because each is declared."""
    with pytest.raises(KeyError):
        Metrics().add(REQUESTS, url="http://origin.example/f")


@pytest.mark.parametrize(("level", "lines"), [("info", 2), ("WARNING", 1), ("error", 0), ("nonsense", 2)])
def test_log_lines_are_json_from_the_asked_level_on(level: str, lines: int) -> None:
    """NARWHAL_LOG_LEVEL decides."""
    script = (
        "from pathlib import Path\nfrom workers.common.log import log\n"
        "log('debug', 'a')\nlog('info', 'b', n=1, path=Path('x'))\nlog('warning', 'c', word='é')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env={"NARWHAL_LOG_LEVEL": level}, capture_output=True, text=True, check=True
    )
    found = [json.loads(line) for line in done.stderr.splitlines()]
    assert len(found) == lines
    assert all({"event", "level", "timestamp"} <= line.keys() for line in found)
