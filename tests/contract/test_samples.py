"""The samples of config/samples: right as they stand, for the API server and for a local run."""

import hashlib
from pathlib import Path

import pytest

from tests.contract.apiserver import Apiserver
from tests.contract.manifests import ROOT, SAMPLES, SPECS, documents, local_verdict

CASES = [pytest.param(path, id=path.stem) for path in SAMPLES]


@pytest.fixture(scope="session")
def applied(api: Apiserver) -> Apiserver:
    """An API server that all samples were applied to at once, as a user does it."""
    api.tell("apply", "--validate=strict", "-f", ROOT / "config" / "samples")
    return api


def test_every_kind_has_samples() -> None:
    """There are samples of every kind."""
    kinds = {document["kind"] for path in SAMPLES for document in documents(path)}
    assert kinds >= SPECS.keys()


def test_all_apply_at_once_and_again(applied: Apiserver) -> None:
    """A second `kubectl apply -f config/samples` finds nothing to change: no default stands in a GitOps tool's way.

    But for Secrets: kubectl says "configured" of each that is written as stringData.
    """
    again = applied.tell("apply", "--validate=strict", "-f", ROOT / "config" / "samples").splitlines()
    ours = [line for line in again if ".narwhal.dev/" in line]
    assert len(ours) == sum(document["kind"] in SPECS for path in SAMPLES for document in documents(path))
    assert all(line.endswith(" unchanged") for line in ours), again


@pytest.mark.parametrize("path", CASES)
def test_it_applies_server_side(applied: Apiserver, path: Path) -> None:
    """The sample applies server-side, strictly, beside what the client-side apply left."""
    said = applied.tell("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", path).splitlines()
    assert [line.rpartition(" ")[2] for line in said] == ["serverside-applied"] * len(documents(path))


@pytest.mark.parametrize("path", CASES)
def test_a_local_run_takes_it(path: Path) -> None:
    """The models take the sample."""
    assert [verdict for document in documents(path) if (verdict := local_verdict(document))] == []


@pytest.mark.parametrize("path", CASES)
def test_it_says_what_it_is(path: Path) -> None:
    """The sample begins with a comment."""
    assert path.read_text().startswith("# ")


def test_the_checksum_of_the_samples_is_the_clips() -> None:
    """The digest in the samples is that of the film the end-to-end tests serve under /bbb.mp4."""
    clip = hashlib.sha256((ROOT / "tests" / "data" / "big-buck-bunny.mp4").read_bytes()).hexdigest()
    specs = [document["spec"] for path in SAMPLES for document in documents(path) if "spec" in document]
    digests = [spec["checksum"]["sha256"] for spec in specs if "sha256" in spec.get("checksum", {})]
    assert digests
    assert set(digests) == {clip}
