"""The release is confined, goes and comes again: kinds and resources stay, nothing is stuck."""

from typing import Final

import pytest

from tests.e2e.install import NAMESPACE
from tests.e2e.kube import is_true
from tests.e2e.manifests import download
from tests.e2e.world import END_SECONDS, World

pytestmark = pytest.mark.cluster

NS: Final = "release"
ELSEWHERE: Final = "release-elsewhere"
CRDS: Final = ("downloadjobs.narwhal.dev", "medialibraries.narwhal.dev", "transcodingjobs.narwhal.dev")


def test_uninstalling_keeps_kinds_and_resources(world: World) -> None:
    """CRDs and a finished resource survive the release; it goes at once without an operator; the next release works."""
    world.namespace(NS)
    world.bucket(NS)
    url = world.serve("clip.mp4", world.files.clip.read_bytes())
    world.kube.apply(download(NS, "before", url))
    world.until(NS, "dlj", "before", "Complete")
    world.release.uninstall()
    try:
        assert (
            world.kube.all(NAMESPACE, "deployments,services,serviceaccounts", "app.kubernetes.io/part-of=narwhal") == []
        )
        for crd in CRDS:
            assert world.kube.find("default", "crd", crd) is not None
        assert is_true(world.kube.status(NS, "dlj", "before"), "Complete")
        world.kube.delete(NS, "dlj", "before", seconds=10)
        world.kube.apply(download(NS, "meanwhile", url))
    finally:
        world.release.install()
    world.until(NS, "dlj", "meanwhile", "Complete")
    world.kube.delete(NS, "dlj", "meanwhile", seconds=30)


def test_an_operator_of_named_namespaces_works_there_and_nowhere_else(world: World) -> None:
    """With rights by RoleBindings alone it does its work; what is in other namespaces waits for another operator."""
    for name in (NS, ELSEWHERE):
        world.namespace(name)
        world.bucket(name)
    url = world.serve("clip.mp4", world.files.clip.read_bytes())
    world.release.install(operator={"watchNamespaces": [NS]})
    try:
        world.kube.apply(download(ELSEWHERE, "waits", url), download(NS, "works", url))
        world.until(NS, "dlj", "works", "Complete")
        assert world.kube.find("default", "clusterrolebinding", "narwhal") is None
        assert world.kube.status(ELSEWHERE, "dlj", "waits") == {}
        assert world.release.denials() == []
    finally:
        world.release.install()
    world.until(ELSEWHERE, "dlj", "waits", "Complete")


def test_a_namespace_with_unfinished_work_can_be_deleted(world: World) -> None:
    """No finalizer holds it: where no sweep can be made any more, none is waited for."""
    name = "doomed"
    world.namespace(name)
    world.bucket(name)
    url = world.serve("slow.bin", b"\0" * 24 * 1024 * 1024)
    world.kube.apply(download(name, "slow", url, bandwidthLimit="1Mi"))
    world.kube.wait(name, "dlj/slow", "jsonpath={.status.phase}=Downloading", END_SECONDS)
    world.kube.delete("default", "namespace", name, seconds=90)
    assert world.kube.find("default", "namespace", name) is None
    world.namespaces.remove(name)
