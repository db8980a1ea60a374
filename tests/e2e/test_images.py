"""What the images are made of, read from their archives."""

import json
import tarfile
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cluster import images
from tests.cluster.command_line import image_archives

BUDGET: Final = {"operator": 110, "download": 91, "torrent": 112, "transcode": 330}
"""Megabytes, uncompressed; what comes in is weighed. All but 70 MB of transcode is Debian's FFmpeg and its libraries, and
15 MB of download are libmediainfo, which tells what was fetched (decision 0015); 20 MB more of torrent are libtorrent."""
MODULES: Final = {
    "operator": {"narwhal_operator"},
    "download": {"narwhal_operator", "workers"},
    "torrent": {"narwhal_operator", "workers"},
    "transcode": {"narwhal_operator", "workers"},
}
Image = tuple[dict[str, Any], set[str]]


@pytest.fixture(scope="module", params=images.PROJECT)
def name(request: pytest.FixtureRequest) -> str:
    """Each image."""
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def archives() -> dict[str, Path]:
    """The archives of all images."""
    return image_archives(*images.PROJECT)


@pytest.fixture(scope="module")
def image(name: str, archives: dict[str, Path]) -> Image:
    """The configuration of an image and the paths of its files."""
    with tarfile.open(archives[name]) as archive:
        (entry,) = json.loads(read(archive, "manifest.json"))
        config = json.loads(read(archive, entry["Config"]))["config"]
        files: set[str] = set()
        for layer in entry["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as tree:
                files.update(member.name.removeprefix("./") for member in tree if not member.isdir())
    return config, files


def read(archive: tarfile.TarFile, member: str) -> bytes:
    """A file of an archive."""
    content = archive.extractfile(member)
    assert content is not None
    return content.read()


def test_an_image_runs_its_module_as_nobody(name: str, image: Image) -> None:
    """User 65532 by number, which `runAsNonRoot` can judge, and one entry point."""
    config, _ = image
    modules = {"operator": "narwhal_operator", "torrent": "workers.download"}
    module = modules.get(name, f"workers.{name}")
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["python3", "-m", module]


def test_an_image_says_what_it_is(name: str, image: Image) -> None:
    """The OCI labels."""
    labels = {
        key.rpartition(".")[2]: value
        for key, value in image[0]["Labels"].items()
        if key.startswith("org.opencontainers.")
    }
    assert labels["title"] == f"narwhal-{name}"
    assert set(labels) == {"title", "description", "vendor", "version", "revision", "licenses"}
    assert all(labels.values())


def test_an_image_has_its_programs_and_no_shell(name: str, image: Image) -> None:
    """Nothing to install with, nothing to look around with, and FFmpeg only where it is used."""
    programs = {path.rpartition("/")[2] for path in image[1] if path.startswith(("usr/bin/", "usr/sbin/", "bin/"))}
    own = {"ffmpeg", "ffprobe", "nice", "setpriv"} if name == "transcode" else set()
    assert programs == {"python3", "python3.11"} | own


def test_an_image_has_only_the_packages_it_runs(name: str, image: Image) -> None:
    """Of ours its own; of others' none of another image."""
    at = "venv/lib/python3.11/site-packages/"
    packages = {path.removeprefix(at).partition("/")[0] for path in image[1] if path.startswith(at)}
    assert packages & {"narwhal_operator", "workers", "narwhal_cli"} == MODULES[name]
    assert any(package.startswith("libtorrent") for package in packages) == (name == "torrent")
    assert ("kopf" in packages) == (name == "operator")
    assert "pip" not in packages


def test_an_image_tells_its_packages_and_their_licences(image: Image) -> None:
    """Each Debian package that a file comes from, where scanners look, with its copyright file."""
    _, files = image
    records = {path.rpartition("/")[2] for path in files if path.startswith("var/lib/dpkg/status.d/")}
    assert {"libc6", "libssl3", "libpython3.11-stdlib"} <= records
    assert {record for record in records if f"usr/share/doc/{record}/copyright" not in files} == set()


def test_an_image_is_small(name: str, archives: dict[str, Path]) -> None:
    """Within its budget."""
    assert archives[name].stat().st_size <= BUDGET[name] * 1_000_000
