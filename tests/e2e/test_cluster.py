"""The cluster the other end-to-end tests stand on is a real one, whichever provider made it."""

import io
import json
from pathlib import Path
from typing import Any

import minio
import pytest
import urllib3

from tests.cluster.command_line import image_archives
from tests.cluster.errors import ClusterError
from tests.cluster.minio import deploy
from tests.cluster.model import Cluster

pytestmark = pytest.mark.cluster

NAMESPACE = "cluster-test"
IMAGE = "localhost/narwhal-base:bookworm"

# Real work in the pod: bytes written to its volume and read back, a Service's name resolved, the Service reached.
WORK = r"""
id -u
head -c 1000000 /dev/zero > /work/zeros && sha256sum < /work/zeros
getent hosts kubernetes.default.svc.cluster.local
perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => "kubernetes.default:443", Timeout => 5) or die "no: $!"'
echo worked
"""


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> str:
    """A namespace under Pod Security `restricted`, and an image in the cluster."""
    cluster.load_images(image_archives("base").values())
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": NAMESPACE, "labels": labels}
    cluster.kubectl(
        "apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    )
    return NAMESPACE


def _restricted_pod(command: str) -> dict[str, Any]:
    confined = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "main",
        "image": IMAGE,
        "command": ["sh", "-ec", command],
        "securityContext": confined,
        "volumeMounts": [{"name": "work", "mountPath": "/work"}],
    }
    nobody = {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    volumes = [{"name": "work", "emptyDir": {}}]
    return {"restartPolicy": "Never", "securityContext": nobody, "containers": [container], "volumes": volumes}


def test_a_restricted_job_works(cluster: Cluster, namespace: str) -> None:
    """A Job without any privilege writes its volume, resolves a Service and reaches it; its log can be read."""
    spec = {"backoffLimit": 0, "template": {"spec": _restricted_pod(WORK)}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "work", "namespace": namespace}, "spec": spec}
    cluster.kubectl("replace", "--force", "-f", "-", input=json.dumps(job))
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Complete", "job/work", "--timeout=120s")
    said = cluster.kubectl("-n", namespace, "logs", "job/work").split()
    assert said[0] == "65532"
    assert said[1] == "d29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025"
    assert said[-1] == "worked"


def test_exec_reaches_a_running_pod(cluster: Cluster, namespace: str) -> None:
    """A command runs inside a running pod, as the pod's user."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "sleeper", "namespace": namespace},
        "spec": {**_restricted_pod("exec sleep 600"), "terminationGracePeriodSeconds": 0},
    }
    cluster.kubectl("replace", "--force", "-f", "-", input=json.dumps(pod))
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/sleeper", "--timeout=120s")
    assert cluster.kubectl("-n", namespace, "exec", "sleeper", "--", "id", "-u").strip() == "65532"
    cluster.kubectl("-n", namespace, "delete", "pod", "sleeper")


def test_more_than_restricted_is_refused(cluster: Cluster, namespace: str) -> None:
    """Pod Security admission is at work: a pod that may be root is refused, and the refusal says why."""
    spec = {"containers": [{"name": "main", "image": IMAGE}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "free", "namespace": namespace}, "spec": spec}
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        cluster.kubectl("apply", "-f", "-", input=json.dumps(pod))


def test_minio_keeps_an_object(cluster: Cluster) -> None:
    """MinIO in the cluster stores an object and gives it back, seen from outside through its Service."""
    store = deploy(cluster)
    with store.reachable() as address, urllib3.PoolManager(timeout=10) as pool:
        client = minio.Minio(address, store.access_key, store.secret_key, secure=False, http_client=pool)
        if not client.bucket_exists("proof"):
            client.make_bucket("proof")
        client.put_object("proof", "key", io.BytesIO(b"narwhal"), 7)
        with client.get_object("proof", "key") as answer:
            assert answer.read() == b"narwhal"


def test_helm_answers(cluster: Cluster, tmp_path: Path) -> None:
    """Helm reaches the cluster: a chart of one ConfigMap installs and uninstalls."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: proof\nversion: 0.1.0\n")
    (tmp_path / "templates/map.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: proof}\n")
    cluster.helm("upgrade", "--install", "proof", tmp_path, "--namespace", "default")
    assert "configmap/proof" in cluster.kubectl("get", "configmap", "proof", "-o", "name")
    cluster.helm("uninstall", "proof", "--namespace", "default")
