"""MinIO in the cluster: the S3 that pods of the end-to-end tests read and write."""

import base64
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.command_line import image_archives
from tests.cluster.model import Cluster

IMAGE = "localhost/narwhal-minio:dev"
PORT = 9000
CREDENTIALS = "minio-credentials"


@dataclass(frozen=True)
class Minio:
    """A MinIO that answers.

    Attributes:
        namespace: where it runs.
        access_key: its root user's.
        secret_key: its root user's.
    """

    cluster: Cluster = field(repr=False)
    namespace: str
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def url(self) -> str:
        """Its endpoint for pods, in any namespace."""
        return f"http://minio.{self.namespace}.svc.cluster.local:{PORT}"

    @contextmanager
    def reachable(self) -> Iterator[str]:
        """Its `host:port` for this process, while the block runs."""
        with self.cluster.port_forward(self.namespace, "service/minio", PORT) as port:
            yield f"127.0.0.1:{port}"


def deploy(cluster: Cluster, namespace: str = "narwhal-s3") -> Minio:
    """Loads MinIO's image, applies its manifests and waits until it is ready; a second call finds it.

    Its data lie in the pod and end with it.

    Raises:
        ClusterError: the image does not build, or the pod did not become ready in two minutes.
    """
    cluster.load_images(image_archives("minio").values())
    cluster.kubectl("apply", "-f", "-", input=json.dumps(_namespace(namespace)))
    kept = cluster.kubectl("-n", namespace, "get", "secret", CREDENTIALS, "--ignore-not-found", "-o", "json")
    if kept:
        found = {key: base64.b64decode(value).decode() for key, value in json.loads(kept)["data"].items()}
    else:
        found = {"user": f"u{secrets.token_hex(8)}", "password": secrets.token_hex(20)}
    minio = Minio(cluster, namespace, found["user"], found["password"])
    cluster.kubectl("apply", "-f", "-", input=json.dumps(_manifests(minio)))
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/minio", "--timeout=120s", timeout=150)
    return minio


def _namespace(name: str) -> dict[str, Any]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _manifests(minio: Minio) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "minio"}

    def meta(name: str) -> dict[str, Any]:
        return {"name": name, "namespace": minio.namespace, "labels": labels}

    secret = {"user": minio.access_key, "password": minio.secret_key}
    template = {"metadata": {"labels": labels}, "spec": _pod()}
    deployment = {"strategy": {"type": "Recreate"}, "selector": {"matchLabels": labels}, "template": template}
    service = {"selector": labels, "ports": [{"name": "s3", "port": PORT, "targetPort": PORT}]}
    items = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": meta(CREDENTIALS), "stringData": secret},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("minio"), "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta("minio"), "spec": service},
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _pod() -> dict[str, Any]:
    def from_secret(variable: str, key: str) -> dict[str, Any]:
        return {"name": variable, "valueFrom": {"secretKeyRef": {"name": CREDENTIALS, "key": key}}}

    confined = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    nobody = {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532}
    container = {
        "name": "minio",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["server", "/data", f"--address=:{PORT}"],
        "env": [
            from_secret("MINIO_ROOT_USER", "user"),
            from_secret("MINIO_ROOT_PASSWORD", "password"),
            {"name": "HOME", "value": "/tmp"},  # noqa: S108 - the pod's own: it looks there for certificates
            {"name": "MINIO_BROWSER", "value": "off"},
            {"name": "MINIO_UPDATE", "value": "off"},  # it would ask its maker for news
        ],
        "ports": [{"name": "s3", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/minio/health/ready", "port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": confined,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the pod's own
    }
    return {
        "automountServiceAccountToken": False,
        "securityContext": {**nobody, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    }
