"""Which provider a machine gets, with a real (small) `docker` on PATH where one is needed."""

from pathlib import Path

import pytest

from tests.cluster import providers
from tests.cluster.errors import ClusterError


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests start from an environment that says nothing."""
    for name in ("NARWHAL_TEST_KUBECONFIG", "NARWHAL_CLUSTER_PROVIDER", "NARWHAL_TEST_IMAGE_LOADER", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)


def _docker(directory: Path, monkeypatch: pytest.MonkeyPatch, *, info: int, pull: int) -> None:
    """Puts a docker on PATH whose `info` and `pull` end with these codes."""
    program = directory / "docker"
    program.write_text(f"#!/bin/sh\ncase $1 in info) exit {info};; pull) exit {pull};; esac\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    monkeypatch.setattr("tests.cluster.shell.PATH", f"{directory}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("info", "pull", "expected"),
    [
        pytest.param(0, 0, "kind", id="docker answers and pulls"),
        pytest.param(0, 1, "process", id="docker answers and cannot pull"),
        pytest.param(1, 0, "process", id="docker does not answer"),
    ],
)
def test_docker_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, info: int, pull: int, expected: str) -> None:
    """Kind is taken only where Docker answers and can pull its node image."""
    _docker(tmp_path, monkeypatch, info=info, pull=pull)
    assert providers.choose().name == expected


def test_without_docker_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Docker gets the process cluster."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert providers.choose().name == "process"


def test_existing_only_by_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A KUBECONFIG in the environment is no permission to test on that cluster; NARWHAL_TEST_KUBECONFIG is."""
    monkeypatch.setenv("NARWHAL_CLUSTER_PROVIDER", "process")
    monkeypatch.setenv("KUBECONFIG", "/somebody/elses")
    assert providers.choose().name == "process"
    monkeypatch.setenv("NARWHAL_TEST_KUBECONFIG", "/mine")
    assert providers.choose().name == "existing"


def test_missing_kubeconfig_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A NARWHAL_TEST_KUBECONFIG that is not there fails with its path, not with another cluster."""
    monkeypatch.setenv("NARWHAL_TEST_KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ClusterError, match="none: no such file"):
        providers.choose().up(tmp_path)


def test_unknown_provider_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that does not exist is refused with the ones that do."""
    monkeypatch.setenv("NARWHAL_CLUSTER_PROVIDER", "k3s")
    with pytest.raises(ClusterError, match="there are kind and process"):
        providers.choose()
