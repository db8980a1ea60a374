"""Manifests of what the tests put into the cluster: namespaces, an HTTP origin, Secrets, resources of our kinds."""

from pathlib import Path
from typing import Any, Final

from narwhal_operator.contract.common import resource
from tests.e2e.kube import Object

MARK: Final = "narwhal.dev/e2e"
"""Label of the tests' namespaces."""
RESTRICTED: Final = {"pod-security.kubernetes.io/enforce": "restricted"}
USER: Final = 65532
SMALL: Final[dict[str, Any]] = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "768Mi"}}
"""Resources of a worker: many run at once on two CPUs."""
TWO_RUNGS: Final[dict[str, Any]] = {
    "renditions": [
        {"name": "360p", "height": 360, "maxBitrate": "800k"},
        {"name": "180p", "height": 180, "maxBitrate": "300k"},
    ]
}


def download(namespace: str, name: str, url: str, **spec: Any) -> Object:
    """A DownloadJob of one URL into the bucket named like its namespace."""
    base = {
        "source": {"http": {"urls": [url]}},
        "destination": {"bucket": namespace, "key": f"sources/{name}.mp4"},
        "template": {"resources": SMALL},
    }
    return resource("DownloadJob", name, namespace, base | spec)


def transcode(namespace: str, name: str, key: str, **spec: Any) -> Object:
    """A TranscodingJob of an object in the bucket named like its namespace, in two small rungs."""
    base = {
        "input": {"s3": {"bucket": namespace, "key": key}},
        "output": {"bucket": namespace, "prefix": f"vod/{name}"},
        "ladder": TWO_RUNGS,
        "packaging": {"segmentDuration": "2s"},
        "template": {"resources": SMALL},
    }
    return resource("TranscodingJob", name, namespace, base | spec)


def namespace(name: str) -> Object:
    """A namespace that takes no pod but restricted ones."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED | {MARK: "true"}}}


def secret(name: str, values: dict[str, str]) -> Object:
    """A Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def alias(name: str, target: str) -> Object:
    """A Service that is another name of a host name."""
    spec = {"type": "ExternalName", "externalName": target}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def origin(image: str) -> list[Object]:
    """The HTTP origin of origin.py, on port 80."""
    return _served("origin", image, {80: 8080})


def swarm(image: str) -> list[Object]:
    """The tracker and seeder of swarm.py: HTTP on port 80, peers on 6881."""
    return _served("swarm", image, {80: 8080, 6881: 6881})


def _served(name: str, image: str, ports: dict[int, int]) -> list[Object]:
    """A script beside this file, in a pod behind a Service."""
    labels, script = {"app": name}, f"{name}.py"
    data = {script: Path(__file__).with_name(script).read_text()}
    listed = [{"name": f"p{port}", "port": port, "targetPort": target} for port, target in ports.items()]
    template = {"metadata": {"labels": labels}, "spec": _script_pod(name, image)}
    deployment = {"selector": {"matchLabels": labels}, "template": template}
    service = {"selector": labels, "ports": listed}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": service},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": deployment},
    ]


def _script_pod(name: str, image: str) -> dict[str, Any]:
    container = {
        "name": name,
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["python3", f"/script/{name}.py", "/data", "8080"],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "script", "mountPath": "/script"}],
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    }
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "script", "configMap": {"name": name}}],
    }
