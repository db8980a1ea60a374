"""What the cluster tooling reads: Dockerfiles, go.mod files, routing tables, the environment."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from tests.cluster import network, paths
from tests.cluster.errors import ClusterError
from tests.cluster.image_context import context_files
from tests.cluster.toolchain import GO_MODULES, GO_NEEDED

DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS build
COPY --chown=1:1 locks/*.lock \\
     /build/
COPY ["code dir", "/code"]
RUN --mount=type=bind,source=tools,target=/tools --mount=type=cache,target=/root true
FROM scratch
COPY --from=build /venv /venv
"""


def _repository(root: Path) -> Path:
    for name in ("locks/a.lock", "locks/a.txt", "code dir/x.py", "code dir/__pycache__/x.pyc", "tools/t", "other"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "Dockerfile").write_text(DOCKERFILE)
    return root


def test_context_is_what_the_dockerfile_takes(tmp_path: Path) -> None:
    """Copied and bind-mounted files count; other stages' files, caches and bystanders do not."""
    found = {str(path.relative_to(tmp_path)) for path in context_files(_repository(tmp_path))}
    assert found == {"Dockerfile", "locks/a.lock", "code dir/x.py", "tools/t"}


def test_missing_source_is_named(tmp_path: Path) -> None:
    """A COPY of what is not there fails before any build, with its name."""
    (_repository(tmp_path) / "tools/t").unlink()
    (tmp_path / "tools").rmdir()
    with pytest.raises(ClusterError, match="copies tools"):
        context_files(tmp_path)


@pytest.mark.parametrize("name", sorted(GO_MODULES))
def test_every_module_is_pinned(name: str) -> None:
    """Each Go module of the cluster has sums, a version, and asks for no newer Go than we fetch."""
    module = GO_MODULES[name]
    text = (module.directory / "go.mod").read_text()
    asked = next(line for line in text.splitlines() if line.startswith("go ")).removeprefix("go ").split(".")
    assert (int(asked[0]), int(asked[1])) <= GO_NEEDED
    assert module.version.startswith("v")
    assert not module.module or (module.directory / "go.sum").stat().st_size > 0


def test_a_routed_block_is_passed_over() -> None:
    """An address block that overlaps a route of the host is not taken; the default route takes none."""
    routes = [{"dst": "default"}, {"dst": "10.176.3.0/24"}, {"dst": "10.177.0.1"}]
    assert network.first_free(routes).block == IPv4Network("10.178.0.0/16")


def test_the_parts_of_a_block_do_not_overlap() -> None:
    """Link, Services and pods are apart, and the well-known addresses lie in them."""
    addresses = network.Addresses(IPv4Network("10.180.0.0/16"))
    assert not addresses.services.overlaps(addresses.pods)
    assert (addresses.host, addresses.node) == ("10.180.0.1", "10.180.0.2")
    assert (addresses.api_service, addresses.dns) == ("10.180.96.1", "10.180.96.10")
    assert str(addresses.pods) == "10.180.128.0/24"


@pytest.mark.parametrize("place", ["relative", "/run/x", "/var/lib/x", "/", "/srv/" + 60 * "x"])
def test_a_run_directory_that_cannot_serve_is_refused(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place the sandbox hides, or too long for a socket's address, is refused with the variable's name."""
    monkeypatch.setenv("NARWHAL_CLUSTER_DIR", place)
    with pytest.raises(ClusterError, match="NARWHAL_CLUSTER_DIR"):
        paths.run_directory()
