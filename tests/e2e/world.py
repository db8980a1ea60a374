"""The cluster as the tests find it: Narwhal installed, a store and an origin beside it, namespaces to work in."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import urllib3
from minio import Minio

from tests.cluster import images, minio
from tests.cluster.command_line import image_archives
from tests.cluster.model import Cluster
from tests.e2e import manifests
from tests.e2e.install import NAMESPACE, Release, values
from tests.e2e.kube import Kube, Object, finished, is_true
from tests.e2e.media import Media
from tests.e2e.store import Bucket
from tests.e2e.waits import until

MEDIA: Final = "media"
"""The namespace of the samples; the origin is in it, too."""
ACCESS_KEY: Final = "narwhal"
SECRET_KEY: Final = "narwhal-secret"  # noqa: S105 - the one of config/samples/00-storage.yaml
ENDPOINT: Final = "http://minio.media.svc:9000"
ORIGIN: Final = "http://origin.media.svc"
PART_OF: Final = "app.kubernetes.io/part-of=narwhal"
STORE: Final = "narwhal-s3"
"""The namespace MinIO runs in; `minio` in the samples' namespace is another name of it."""

END_SECONDS: Final = 300.0
"""How long any one resource may take to its end, on a machine that has much else to do; most take ten seconds."""


def ask(method: str, url: str, body: bytes | None = None) -> bytes:
    """What a server of the tests' own answers."""
    answer = urllib3.request(method, url, body=body, timeout=60, retries=False)
    assert answer.status < 300, f"{method} {url}: {answer.status}"
    return answer.data


@dataclass(frozen=True)
class World:
    """What a test works with."""

    kube: Kube
    release: Release
    store: Minio
    origin: str  # its URL as seen from here
    files: Media
    scratch: Path
    namespaces: list[str] = field(default_factory=list)

    def bucket(self, name: str) -> Bucket:
        """A bucket of the store; made if need be."""
        return Bucket(self.store, name).make()

    def namespace(self, name: str) -> str:
        """A restricted namespace that holds the storage Secret; made if need be."""
        if name not in self.namespaces:
            make_namespace(self.kube, name)
            self.kube.apply(storage_secret(), namespace=name)
            self.namespaces.append(name)
        return name

    def serve(self, path: str, content: bytes) -> str:
        """Puts content on the origin; returns its URL in the cluster."""
        ask("PUT", f"{self.origin}/{path}", content)
        return f"{ORIGIN}/{path}"

    def open(self, path: str) -> None:
        """Has the origin let go of a file under held/."""
        ask("POST", f"{self.origin}/open/{path}")

    def sent(self, path: str) -> int:
        """Bytes of a file under held/ that the origin has sent in all."""
        return int(ask("GET", f"{self.origin}/sent/{path}"))

    def until(self, namespace: str, kind: str, name: str, condition: str, seconds: float = END_SECONDS) -> Object:
        """The status once a condition is True; fails at once when the work has ended another way."""

        def probe() -> Object | None:
            status = self.kube.status(namespace, kind, name)
            if is_true(status, condition):
                return status
            assert not finished(status), f"{kind}/{name} ended: {status.get('conditions')}"
            return None

        return until(probe, seconds, f"{kind}/{name} {condition}")


@contextmanager
def inhabited(cluster: Cluster, files: Media, scratch: Path) -> Iterator[World]:
    """The cluster with all of it: images, store, origin, and Narwhal by Helm."""
    kube = Kube(cluster)
    clear(kube)
    cluster.load_images(image_archives(*images.PROJECT).values())
    for name in (NAMESPACE, STORE, MEDIA):
        make_namespace(kube, name)
    kube.apply(manifests.secret(minio.CREDENTIALS, {"user": ACCESS_KEY, "password": SECRET_KEY}), namespace=STORE)
    store = minio.deploy(cluster, STORE)
    kube.apply(
        storage_secret(),
        manifests.alias("minio", f"minio.{STORE}.svc.cluster.local"),
        *manifests.origin(images.tag("download")),
        namespace=MEDIA,
    )
    release = Release(kube, values({name: images.tag(name) for name in images.PROJECT}, [origin_network(kube)]))
    release.install()
    kube.run("rollout", "status", "--namespace", MEDIA, "deployment/origin", "--timeout=180s", timeout=190)
    with store.reachable() as address, cluster.port_forward(MEDIA, "service/origin", 80) as port:
        client = Minio(address, ACCESS_KEY, SECRET_KEY, secure=False, region="us-east-1")
        yield World(kube, release, client, f"http://127.0.0.1:{port}", files, scratch, [MEDIA])
    if cluster.provider == "existing":  # any other goes as a whole
        clear(kube)


def clear(kube: Kube) -> None:
    """Removes what tests made, also those that were killed: the resources first, while an operator can still sweep."""
    if not kube.run("get", "namespaces", "--selector", manifests.MARK, "--output", "name"):
        return
    if kube.run("get", "crd", "--selector", PART_OF, "--output", "name"):
        kube.run("delete", "mlib,dlj,tcj", "--all", "--all-namespaces", "--timeout=120s", timeout=130)
    kube.run("delete", "namespaces", "--selector", manifests.MARK, "--timeout=120s", timeout=130)
    kube.run("delete", "crd,clusterrole,clusterrolebinding", "--selector", PART_OF, "--timeout=60s", timeout=70)


def make_namespace(kube: Kube, name: str) -> None:
    """Creates a namespace; not by apply, so that a manifest that names it again leaves its labels alone."""
    if not kube.find("default", "namespace", name):
        kube.run("create", "--filename", "-", text=json.dumps(manifests.namespace(name)))


def storage_secret(name: str = "narwhal-storage", **changed: str) -> Object:
    """The Secret of the store; `changed` replaces values."""
    kept = {"endpoint": ENDPOINT, "region": "us-east-1", "accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET_KEY}
    return manifests.secret(name, kept | changed)


def origin_network(kube: Kube) -> str:
    """The one address inside the cluster that a download may fetch from."""
    return f"{kube.get(MEDIA, 'service', 'origin')['spec']['clusterIP']}/32"
