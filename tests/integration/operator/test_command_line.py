"""`narwhal` at a cluster: a real API server, the real operator, the real command."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import TABLE, Reason
from tests.integration.operator.plane import ROOT, Plane
from tests.support.processes import until
from tests.unit.operator import build as b

DLJ = "DownloadJob"
Say = Callable[..., "subprocess.CompletedProcess[str]"]


def _say(config: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "HOME": str(config.parent), "KUBECONFIG": str(config)}
    argv = [sys.executable, "-m", "narwhal_cli", *arguments]
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def say(plane: Plane, namespace: str) -> Say:
    """`narwhal WORDS -n NAMESPACE` as the administrator."""
    return lambda *words: _say(plane.api.kubeconfig, *words, "-n", namespace)


@pytest.mark.usefixtures("operator")
def test_a_failure_is_tried_again_by_retry(plane: Plane, namespace: str, say: Say) -> None:
    """Failed for good, then `narwhal retry`: the second Job is made, and `watch` ends with the code of the end."""
    plane.apply(DLJ, namespace, "bbb", b.download_spec())
    first = plane.until(DLJ, namespace, "bbb", lambda o: o.get("status", {}).get("attempts"), "an attempt")
    pod = plane.pod_of(namespace, first["status"]["attempts"][0]["job"])
    refused = say("retry", "dlj/bbb")
    assert (refused.returncode, "has not failed" in refused.stderr) == (TABLE[Reason.INVALID_ORDER].code, True)
    plane.end(namespace, pod, Reason.SOURCE_NOT_FOUND)
    watched = say("watch", "dlj/bbb", "-o", "json")
    assert watched.returncode == TABLE[Reason.SOURCE_NOT_FOUND].code
    assert json.loads(watched.stdout.splitlines()[-1])["reason"] == "SourceNotFound"
    assert say("retry", "dlj/bbb").returncode == 0
    second = plane.until(
        DLJ, namespace, "bbb", lambda o: o["status"]["attempts"][-1]["number"] == 2 or None, "a second attempt"
    )
    assert second["status"]["failures"] == 0
    pod = plane.pod_of(namespace, second["status"]["attempts"][-1]["job"])
    plane.end(namespace, pod, Reason.COMPLETED, artifact=b.ARTIFACT)
    assert say("watch", "dlj/bbb").returncode == 0
    ended = plane.ready(DLJ, namespace, "bbb", "Completed")
    assert [a["number"] for a in ended["status"]["attempts"]] == [1, 2]


@pytest.mark.usefixtures("operator")
def test_work_is_suspended_resumed_shown_and_cancelled(plane: Plane, namespace: str, say: Say) -> None:
    """The spec says what the command did; top has a row for it; cancel leaves neither resource nor Job."""
    plane.apply(DLJ, namespace, "bbb", b.download_spec())
    plane.ready(DLJ, namespace, "bbb", "Starting")
    assert say("suspend", "dlj/bbb").returncode == 0
    plane.ready(DLJ, namespace, "bbb", "Suspended")
    assert "suspended already" in say("suspend", "dlj/bbb").stdout
    rows = json.loads(say("top", "-o", "json").stdout)["resources"]
    assert [(row["name"], row["state"]) for row in rows] == [("bbb", "Suspended")]
    assert say("resume", "dlj/bbb").returncode == 0
    plane.ready(DLJ, namespace, "bbb", "Starting")
    assert "DownloadJob/bbb  Starting" in say("top").stdout
    assert say("cancel", "dlj/bbb").returncode == 0
    until(
        lambda: all("-sweep" in j["metadata"]["name"] for j in plane.list("Job", namespace)),
        60,
        "the worker's Job goes",
    )
    plane.patch(DLJ, namespace, "bbb", {"metadata": {"finalizers": None}})  # no kubelet here runs the sweep
    plane.gone(DLJ, namespace, "bbb")


def test_what_is_not_there_is_said_with_the_name_that_was_meant(plane: Plane, namespace: str, say: Say) -> None:
    """The exit code is that of the reason."""
    plane.apply(DLJ, namespace, "film", b.download_spec(suspend=True))
    missed = say("watch", "dlj/fillm")
    assert missed.returncode == TABLE[Reason.RESOURCE_NOT_FOUND].code
    assert "Did you mean film?" in missed.stderr
    logs = say("logs", "dlj/film")
    assert (logs.returncode, "has no pod" in logs.stderr) == (TABLE[Reason.RESOURCE_NOT_FOUND].code, True)


def test_who_may_not_is_told_so(plane: Plane, namespace: str, tmp_path: Path) -> None:
    """A user without a role, and a cluster that is not there."""
    plane.api.tell("create", "serviceaccount", "nobody", "-n", namespace)
    config = json.loads(plane.api.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": plane.api.tell("create", "token", "nobody", "-n", namespace).strip()}
    path = tmp_path / "nobody.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    assert _say(path, "top").returncode == TABLE[Reason.CLUSTER_ACCESS_DENIED].code
    away = _say(tmp_path / "none", "top")
    assert away.returncode == TABLE[Reason.CLUSTER_UNREACHABLE].code
    assert away.stderr.count("\n") == 1
